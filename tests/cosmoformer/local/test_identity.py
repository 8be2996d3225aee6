"""Keys of one installation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cosmoformer.errors import SettingsError
from cosmoformer.local.identity import load_or_make

ADDED = {"upload_secret_key", "view_secret_key"}


def test_keys_are_made_once_and_private(tmp_path: Path) -> None:
    """The first call makes keys that only the owner can read; the second reads the same; another folder gets others."""
    path = tmp_path / "data" / "identity.json"
    made = load_or_make(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_make(path) == made
    assert load_or_make(tmp_path / "other.json").secret_key != made.secret_key


def test_a_damaged_file_is_not_replaced(tmp_path: Path) -> None:
    """A file that cannot be read stays, since new keys would lock the user out of the store."""
    path = tmp_path / "identity.json"
    path.write_text("{")
    with pytest.raises(SettingsError, match=r"identity\.json"):
        load_or_make(path)
    assert path.read_text() == "{"


def test_a_file_of_an_older_version_gets_what_it_lacks(tmp_path: Path) -> None:
    """Secrets that are new are made once and kept; the old ones stay, since the store knows them."""
    path = tmp_path / "identity.json"
    made = vars(load_or_make(path))
    path.write_text(json.dumps({name: value for name, value in made.items() if name not in ADDED}))
    upgraded = load_or_make(path)
    assert {name: value for name, value in vars(upgraded).items() if name not in ADDED} == {
        name: value for name, value in made.items() if name not in ADDED
    }
    assert upgraded.upload_secret_key and upgraded.upload_secret_key != upgraded.view_secret_key
    assert load_or_make(path) == upgraded
    assert path.stat().st_mode & 0o777 == 0o600
