"""``cosmoformer settings`` and the page that is made with it."""

from __future__ import annotations

from pathlib import Path

from cosmoformer.settings import SETTINGS
from cosmoformer.settings_file import write_settings_file
from tests.cosmoformer.cli.conftest import Cli

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"


def test_the_page_is_what_the_command_prints(cli: Cli) -> None:
    """docs/settings.md is up to date; `cosmoformer settings --markdown > docs/settings.md` makes it so."""
    result = cli("settings", "--markdown", MODEL_NAME="not a default", AWS_SECRET_ACCESS_KEY="hunter2")
    assert result.output == PAGE.read_text(encoding="utf-8")


def test_every_setting_is_shown_with_its_value_and_origin(cli: Cli) -> None:
    """Each value says whether the environment, the settings file or the default gave it."""
    write_settings_file(
        Path(cli.environment["DATA_DIR"]) / "settings.env", {"STORE_PORT": "7999", "MODEL_NAME": "file"}
    )
    result = cli("settings", MODEL_NAME="given")
    rows = {line.split()[0]: line.split() for line in result.output.splitlines()}
    assert result.exit_code == 0
    assert set(rows) >= {setting.name for setting in SETTINGS}
    assert rows["MODEL_NAME"][1:3] == ["given", "environment"]
    assert rows["STORE_PORT"][1:3] == ["7999", "settings.env"]
    assert rows["MODEL_ALIAS"][1:3] == ["champion", "default"]


def test_a_malformed_value_is_shown_as_such(cli: Cli) -> None:
    """A value that whoever uses it will refuse is shown with what is expected, among all the others."""
    result = cli("settings", INGEST_PORT="tcp://10.0.0.7:80", UNSURE_BELOW="70")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) >= len(SETTINGS)
    words = " ".join(result.stdout.split())
    assert "INGEST_PORT malformed: " in words and "UNSURE_BELOW malformed: " in words


def test_secrets_are_never_printed(cli: Cli) -> None:
    """A secret is three stars when it is set, and nothing when it is not."""
    result = cli("settings", AWS_SECRET_ACCESS_KEY="hunter2")
    rows = {line.split()[0]: line.split() for line in result.output.splitlines()}
    assert "hunter2" not in result.output
    assert rows["AWS_SECRET_ACCESS_KEY"][1:3] == ["***", "environment"]
    assert rows["MLFLOW_WEBHOOK_SECRET"][1] == "default"
