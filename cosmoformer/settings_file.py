"""The settings file of one machine, and the effective settings: the environment, and beneath it what ``cosmoformer up`` chose.

``cosmoformer up`` leaves its ports and credentials in ``DATA_DIR/settings.env``: lines ``NAME=value``, quoted as a shell
reads them, so ``set -a; . settings.env`` gives them to any other program too.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cosmoformer.errors import SettingsError
from cosmoformer.settings import load

FILE_NAME = "settings.env"
# Keys and region open one store only: they come from the same place as its address.
_STORE_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION")


def settings_file() -> Path:
    """Where this machine's settings file is, whether it exists or not."""
    return Path(load().data_dir) / FILE_NAME


def effective_environment() -> dict[str, str]:
    """The variables that settings are read from; the process's own win over those of the settings file.

    The keys of the file's store win over keys that the shell has for AWS, unless ``S3_ENDPOINT_URL`` names a store there too:
    then none of the file's keys is used for that one.

    Raises:
        SettingsError: the file cannot be read.
    """
    written = read_settings_file(settings_file())
    shell, own_store, shells_store = dict(os.environ), written.get("S3_ENDPOINT_URL"), os.environ.get("S3_ENDPOINT_URL")
    if own_store is None:
        return written | shell
    loser = shell if not shells_store else written if shells_store != own_store else {}
    for name in _STORE_KEYS:
        loser.pop(name, None)
    return written | shell | ({} if shells_store else {"S3_ENDPOINT_URL": own_store})


def read_settings_file(path: Path) -> dict[str, str]:
    """Variables by name; empty when there is no such file.

    Raises:
        SettingsError: the file cannot be read, or a line is no ``NAME=value``.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"cannot read {path}: {error}", "Correct it, or delete it and run `cosmoformer up`"
        ) from None
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), start=1)]
    return dict(_variable(line, f"{path}, line {number}") for number, line in lines if line and line[0] != "#")


def _variable(line: str, place: str) -> tuple[str, str]:
    try:
        words = shlex.split(line)
    except ValueError:
        words = []
    if len(words) != 1 or not words[0].partition("=")[0].isidentifier() or "=" not in words[0]:
        # Not the line itself: it may hold a secret.
        raise SettingsError(f"{place}: expected NAME=value, with quotes around a value that has spaces", "Correct it")
    name, _, value = words[0].partition("=")
    return name, value


def write_settings_file(path: Path, values: Mapping[str, str]) -> None:
    """Write variables to a file that only this user can read; an older one is replaced in one step.

    Raises:
        SettingsError: a value has a line break, or the file cannot be written.
    """
    for name, value in values.items():
        if "\n" in value or "\r" in value:
            raise SettingsError(f"{name} must be one line of text, got a value with a line break")
    text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # made with mode 0600
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(scratch).replace(path)
    except OSError as error:
        raise SettingsError(f"cannot write {path}: {error}", "Set DATA_DIR to a folder that can be written") from None
