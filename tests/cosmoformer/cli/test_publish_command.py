"""``cosmoformer publish``: dry runs from a real MLflow server, from a run's folder and of the bundled model; and failures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cosmoformer.models.artifact import digest
from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from tests.cosmoformer.cli.conftest import Cli
from tests.cosmoformer.loopback_hub import running_hub
from tests.cosmoformer.published_runs import finished_run
from tests.cosmoformer.tiny_artifact import tiny_artifact

NOBODY = "http://127.0.0.1:9"
TOKEN = "hf_secretsecretsecret"


@pytest.fixture
def models(cli: Cli, registry: Registry) -> Cli:
    """The command line at the registry's model."""
    return cli.at(registry.settings)


def in_a_process(
    folder: Path, *arguments: str, missing: tuple[str, ...] = (), **variables: str
) -> tuple[int, str, str]:
    """Exit status, output and errors of a process of its own, since the Hub's package reads its variables when imported.

    No token is at hand but one in ``variables``; packages named as ``missing`` cannot be imported.
    """
    program = f"import sys; sys.modules.update(dict.fromkeys({missing!r})); from cosmoformer.cli import main; main()"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING_FACE_"))}
    done = subprocess.run(
        [sys.executable, "-c", program, "publish", *arguments],
        env=clean | {"HF_HOME": str(folder), "HF_HUB_DISABLE_TELEMETRY": "1", "DATA_DIR": str(folder)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_champion_is_published_by_default(models: Cli, registry: Registry) -> None:
    """A dry run lists every file with size and digest and says what would be done."""
    champion = tiny_artifact(run="champion")
    register(registry, champion, tags={}, description="# Champion", alias="champion")
    register(registry, tiny_artifact(run="newer"), tags={})
    result = models("publish", "my-name/colours", "--dry-run", HF_TOKEN=TOKEN)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    name = registry.settings.model_name
    assert lines[0] == f"{name} version 1: self-check passed"
    assert [line.split()[0] for line in lines[2:5]] == ["README.md", "model.pt", "config.json"]
    assert lines[3].split()[1:] == [f"{len(champion):,}", digest(champion)]
    assert lines[5] == (
        "dry run: nothing was sent. It would be one commit to the model repository my-name/colours:"
        f" {name} version 1, sha256 {digest(champion)[:12]}"
    )
    assert TOKEN not in result.output


def test_another_version_is_published_by_its_number(models: Cli, registry: Registry, tmp_path: Path) -> None:
    """--version names it, --out keeps the files; a missing card is told."""
    register(registry, tiny_artifact(run="champion"), tags={}, alias="champion")
    newer = tiny_artifact(run="newer")
    register(registry, newer, tags={})
    result = models("publish", "o/n", "--version", 2, "--private", "--dry-run", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "model.pt").read_bytes() == newer
    assert "there is no card" in result.stderr and "private model repository o/n" in result.stdout
    assert "has no version 3" in models("publish", "o/n", "--version", 3, "--dry-run").stderr


def test_a_run_needs_no_registry(cli: Cli, tmp_path: Path) -> None:
    """--run takes everything from the folder, the report too."""
    artifact = finished_run(tmp_path / "run")
    result = cli(
        "publish", "o/n", "--run", tmp_path / "run", "--dry-run", "--out", tmp_path / "out", MLFLOW_TRACKING_URI=NOBODY
    )
    assert result.exit_code == 0, result.output
    written = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert set(written) == {"README.md", "model.pt", "config.json", "report.json"}
    assert written["model.pt"] == artifact
    assert all(digest(content) in result.stdout for content in written.values())


def test_a_dry_run_needs_neither_the_hubs_package_nor_torch(tmp_path: Path) -> None:
    """The bundled model is prepared by what every installation has; that nothing was checked is told."""
    status, output, errors = in_a_process(
        tmp_path, "o/n", "--bundled", "--dry-run", missing=("huggingface_hub", "torch", "mlflow"), HF_ENDPOINT=NOBODY
    )
    assert (status, errors) == (0, "")
    assert output.startswith("the bundled model: no self-check, since torch is not installed here")


def test_a_model_that_fails_its_self_check_is_not_published(models: Cli, registry: Registry) -> None:
    """Its digest is right, its probabilities are not."""
    register(registry, tiny_artifact(wrong=True), tags={}, alias="champion")
    result = models("publish", "o/n", "--dry-run")
    assert result.exit_code == 1 and result.stderr.startswith("error: self-check: probabilities differ")
    assert result.stdout == ""


def test_publishing_commits_all_files(tmp_path: Path) -> None:
    """Without --dry-run they go to HF_ENDPOINT with HF_TOKEN, and the commit's address is the last line."""
    artifact = finished_run(tmp_path / "run")
    with running_hub() as hub:
        status, output, errors = in_a_process(
            tmp_path, "o/n", "--run", str(tmp_path / "run"), HF_ENDPOINT=hub.url, HF_TOKEN=TOKEN
        )
    assert status == 0, errors
    assert set(hub.files) == {"README.md", "model.pt", "config.json", "report.json"}
    assert hub.files["model.pt"] == artifact and hub.authorizations == {f"Bearer {TOKEN}"}
    assert hub.commits == [f"run colours, sha256 {digest(artifact)[:12]}"]
    assert output.splitlines()[-1].startswith(f"{hub.url}/o/n/commit/")
    assert TOKEN not in output + errors


@pytest.mark.parametrize(
    ("missing", "variables", "told"),
    [
        (("huggingface_hub",), {"HF_TOKEN": TOKEN}, "huggingface_hub is missing / pip install 'cosmoformer[publish]'"),
        ((), {}, "there is no token for Hugging Face / Set HF_TOKEN"),
        ((), {"HF_TOKEN": "hf_sécret"}, "characters that no token has / Set HF_TOKEN anew"),
        (
            (),
            {"HF_TOKEN": TOKEN},
            "http://127.0.0.1:9: o/n was not published: ConnectError: [Errno 111] Connection refused / Is HF_",
        ),
    ],
)
def test_what_hinders_publishing_is_one_line(
    tmp_path: Path, missing: tuple[str, ...], variables: dict[str, str], told: str
) -> None:
    """No package, no token, one that cannot be sent, a Hub that is away: exit status 1, how to mend it, and no secret."""
    finished_run(tmp_path / "run")
    status, _, errors = in_a_process(
        tmp_path, "o/n", "--run", str(tmp_path / "run"), missing=missing, HF_ENDPOINT=NOBODY, **variables
    )
    assert status == 1
    (line,) = errors.splitlines()
    assert line.startswith("error: ") and told in line
    assert TOKEN not in line and "sécret" not in line


def test_wrong_calls_are_told_before_anything_is_done(cli: Cli, tmp_path: Path) -> None:
    """A malformed name, of repository or data set, and two models at once."""
    for arguments in (("cosmoformer",), ("o/n", "--dataset", "gz2")):
        result = cli("publish", *arguments, "--bundled", "--dry-run")
        assert result.exit_code == 1 and "expected OWNER/NAME, got" in result.stderr
    assert cli("publish", "o/n", "--bundled", "--version", 1, "--dry-run").exit_code == 2
    assert cli("publish", "o/n", "--run", tmp_path / "missing").exit_code == 2
