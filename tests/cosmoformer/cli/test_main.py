"""What holds for every command: help, exit statuses, start-up."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from cosmoformer.cli import COMMANDS
from tests.cosmoformer.cli.conftest import Cli

NOBODY = "http://127.0.0.1:9"
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
HEAVY = ("torch", "mlflow", "pandas", "astropy", "numpy", "flask", "PIL")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_ends_with_an_example(cli: Cli, command: str) -> None:
    """The last line of every command's help can be typed as it stands."""
    result = cli(command, "--help")
    assert result.exit_code == 0
    last = result.output.strip().splitlines()[-1].strip()
    assert f"cosmoformer {command}" in last


def test_help_lists_every_command(cli: Cli) -> None:
    """``cosmoformer`` and ``cosmoformer -h`` show what there is."""
    for arguments in ((), ("-h",)):
        output = cli(*arguments).output
        assert all(f"  {command} " in output for command in COMMANDS)


@pytest.mark.parametrize("arguments", [("frobnicate",), ("drop",), ("promote", "x"), ("sweep", "--again", "never")])
def test_a_wrong_call_exits_with_2(cli: Cli, arguments: tuple[str, ...]) -> None:
    """Usage errors have a status of their own."""
    assert cli(*arguments).exit_code == 2


@pytest.mark.parametrize(
    "arguments", [("results",), ("models",), ("promote", "1"), ("sweep",), ("replay", "--list"), ("replay", "--all")]
)
def test_what_does_not_answer_is_one_line_that_says_how_to_mend_it(cli: Cli, arguments: tuple[str, ...]) -> None:
    """A failure is exit status 1 and one line on standard error: what is wrong, a slash, what to do."""
    result = cli(*arguments, S3_ENDPOINT_URL=NOBODY, MLFLOW_TRACKING_URI=NOBODY, INGEST_URL=NOBODY, **KEYS)
    assert result.exit_code == 1
    assert result.stdout == ""
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert NOBODY in line and " / Is " in line


def test_a_malformed_setting_is_named(cli: Cli) -> None:
    """A malformed setting that a command uses is its one line of error."""
    result = cli("results", STORE_TIMEOUT_SECONDS="soon", **KEYS)
    assert result.exit_code == 1
    assert "STORE_TIMEOUT_SECONDS must be a number, got 'soon'" in result.stderr


def test_a_services_port_stops_no_command_that_has_none(cli: Cli) -> None:
    """Kubernetes sets INGEST_PORT for a Service `ingest`; in such a pod a command gets as far as its request."""
    result = cli("sweep", INGEST_PORT="tcp://10.0.0.7:80", MLFLOW_PORT="tcp://10.0.0.8:5000", INGEST_URL=NOBODY)
    assert (result.exit_code, "_PORT" in result.stderr) == (1, False)
    assert f"{NOBODY}/sweep does not answer" in result.stderr


@pytest.mark.filterwarnings("error")
def test_an_address_without_a_scheme_is_named(cli: Cli) -> None:
    """An address that is none is not guessed at: the one line names the setting and what is expected."""
    result = cli("sweep", INGEST_URL="ingest.example.org:8081")
    assert result.exit_code == 1
    assert (
        result.stderr == "error: INGEST_URL is 'ingest.example.org:8081' / Expected http://HOST:PORT or https://HOST\n"
    )


def test_the_failure_is_red_on_a_terminal(cli: Cli) -> None:
    """The one line stands out."""
    from click.testing import CliRunner

    from cosmoformer.cli import main

    result = CliRunner().invoke(main, ["sweep"], env=cli.environment | {"INGEST_URL": NOBODY}, color=True)
    assert "\x1b[31merror: " in result.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["results", "--help"], ["promote", "--help"], ["settings"]])
def test_nothing_heavy_is_imported_at_start(arguments: list[str]) -> None:
    """Scientific and web packages are imported only by what needs them, so that every command starts at once."""
    program = (
        "import sys; from cosmoformer.cli import main\n"
        f"main({arguments!r}, standalone_mode=False)\n"
        f"sys.exit(','.join(name for name in {HEAVY!r} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_python_m_starts_quickly() -> None:
    """``python -m cosmoformer`` with the largest import short of a request takes well under a second of CPU."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-m", "cosmoformer", "status", "--help"], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert b"cosmoformer status" in done.stdout
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.9
