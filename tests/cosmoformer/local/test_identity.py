"""Keys of one installation."""

from __future__ import annotations

from pathlib import Path

import pytest

from cosmoformer.errors import SettingsError
from cosmoformer.local.identity import load_or_make


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
