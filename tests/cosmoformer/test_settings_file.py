"""The settings file that ``cosmoformer up`` leaves for the other commands."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from cosmoformer.errors import SettingsError
from cosmoformer.settings_file import effective_environment, read_settings_file, settings_file, write_settings_file

VALUES = {
    "STORE_PORT": "7481",
    "AWS_SECRET_ACCESS_KEY": "s'e \"c$r#e`t=",
    "IMAGES_PREFIX": "",
    "MODEL_NAME": "Grö\u2028ße",
}


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of this test as DATA_DIR."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    return tmp_path


def test_values_come_back_as_they_were_written(tmp_path: Path) -> None:
    """Spaces, quotes, dollar signs, hashes and empty values survive."""
    write_settings_file(tmp_path / "settings.env", VALUES)
    assert read_settings_file(tmp_path / "settings.env") == VALUES


def test_a_shell_reads_the_same_values(tmp_path: Path) -> None:
    """``set -a; . settings.env`` gives other programs, such as the aws command, the same variables."""
    write_settings_file(tmp_path / "settings.env", VALUES)
    script = f'set -a; . "{tmp_path}/settings.env"; env -0'
    printed = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"}
    )
    assert VALUES.items() <= dict(entry.split("=", 1) for entry in printed.stdout.split("\0") if entry).items()


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """It holds the store's secret key: mode 0600, also when it replaces a more open file, and no copies lie about."""
    path = tmp_path / "new" / "settings.env"
    path.parent.mkdir()
    path.write_text("OLD=1\n")
    path.chmod(0o644)
    write_settings_file(path, VALUES)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_value_with_a_line_break_is_refused(tmp_path: Path) -> None:
    """One line a variable: a value cannot smuggle in a second one."""
    with pytest.raises(SettingsError, match="MODEL_NAME must be one line"):
        write_settings_file(tmp_path / "settings.env", {"MODEL_NAME": "x\nK_SINK=http://evil"})
    assert not (tmp_path / "settings.env").exists()


def test_the_environment_wins_over_the_file(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set now counts more than what an earlier run chose; the rest comes from the file."""
    write_settings_file(settings_file(), {"K_SINK": "http://file", "MODEL_NAME": "from-file"})
    monkeypatch.setenv("K_SINK", "http://environment")
    monkeypatch.delenv("MODEL_NAME", raising=False)
    effective = effective_environment()
    assert settings_file().parent == data_dir
    assert (effective["K_SINK"], effective["MODEL_NAME"]) == ("http://environment", "from-file")


@pytest.mark.parametrize(
    ("shell_endpoint", "key"), [(None, "files-key"), ("", "files-key"), ("https://s3.example", "shells-key")]
)
@pytest.mark.usefixtures("data_dir")
def test_keys_come_from_where_the_store_comes_from(
    monkeypatch: pytest.MonkeyPatch, shell_endpoint: str | None, key: str
) -> None:
    """A shell's keys for AWS do not open the store that ``cosmoformer up`` wrote down, but the one the shell names."""
    own = {"S3_ENDPOINT_URL": "http://127.0.0.1:7480", "AWS_ACCESS_KEY_ID": "files-key", "AWS_REGION": "us-east-1"}
    write_settings_file(settings_file(), own)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "shells-key")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.delenv("S3_ENDPOINT_URL", raising=False)
    if shell_endpoint is not None:
        monkeypatch.setenv("S3_ENDPOINT_URL", shell_endpoint)
    effective = effective_environment()
    assert effective["AWS_ACCESS_KEY_ID"] == key
    assert effective["S3_ENDPOINT_URL"] == (shell_endpoint or "http://127.0.0.1:7480")
    assert effective["AWS_REGION"] == ("eu-central-1" if shell_endpoint else "us-east-1")


@pytest.mark.parametrize("shell_endpoint", [None, "https://s3.example"])
@pytest.mark.usefixtures("data_dir")
def test_two_stores_keys_are_never_mixed(monkeypatch: pytest.MonkeyPatch, shell_endpoint: str | None) -> None:
    """A shell's token or profile is not put beside the file's keys, nor the file's secret beside a shell's profile."""
    own = {"S3_ENDPOINT_URL": "http://127.0.0.1:7480", "AWS_ACCESS_KEY_ID": "files", "AWS_SECRET_ACCESS_KEY": "files"}
    write_settings_file(settings_file(), own)
    shell = {"AWS_PROFILE": "work", "AWS_SESSION_TOKEN": "token"}
    for name in ("S3_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (shell | ({"S3_ENDPOINT_URL": shell_endpoint} if shell_endpoint else {})).items():
        monkeypatch.setenv(name, value)
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
    found = {name: value for name, value in effective_environment().items() if name in keys}
    assert found == (shell if shell_endpoint else {name: own[name] for name in keys if name in own})


@pytest.mark.usefixtures("data_dir")
def test_without_a_file_there_is_only_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster's user never ran ``cosmoformer up``."""
    monkeypatch.setenv("K_SINK", "http://cluster")
    assert effective_environment()["K_SINK"] == "http://cluster"


def test_comments_and_empty_lines_are_allowed(tmp_path: Path) -> None:
    """A person may edit the file."""
    path = tmp_path / "settings.env"
    path.write_text("# mine\n\nSTORE_PORT=1\n  \n  # K_SINK=x\nMODEL_NAME='a # b'\n")
    assert read_settings_file(path) == {"STORE_PORT": "1", "MODEL_NAME": "a # b"}


@pytest.mark.parametrize("line", ["AWS SECRET", "=hunter2", "hunter2", "A='hunter2", "A=x hunter2"])
def test_a_malformed_line_is_named_by_number_and_not_shown(tmp_path: Path, line: str) -> None:
    """The error says where to look and repeats no secret."""
    path = tmp_path / "settings.env"
    path.write_text(f"STORE_PORT=1\n{line}\n")
    with pytest.raises(SettingsError, match=r"settings\.env, line 2: expected NAME=value") as caught:
        read_settings_file(path)
    assert "hunter2" not in str(caught.value)


def test_a_folder_in_its_place_is_an_error_that_names_it(tmp_path: Path) -> None:
    """What cannot be read is not taken for absent."""
    (tmp_path / "settings.env").mkdir()
    with pytest.raises(SettingsError, match="cannot read"):
        read_settings_file(tmp_path / "settings.env")
