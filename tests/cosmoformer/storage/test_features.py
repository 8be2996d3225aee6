"""Feature vectors in the results bucket: where they stand, what is read of them, and that they can be forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from cosmoformer.models.registry import ModelIdentity
from cosmoformer.settings import load
from cosmoformer.storage import features
from cosmoformer.storage.features import Seen, by_folder, document, folder_of, forget, is_of, listed, new_key, rows_of
from cosmoformer.storage.store import Store

MODEL, OTHER = ModelIdentity("cosmoformer", 3, "ab" * 32), ModelIdentity("cosmoformer", 4, "cd" * 32)
BATCH = "uploads/20260131T120000Z-06fd27ed9254cee426c1fc249176d7d8/"


def seen(key: str, vector: bytes = b"\0\0\0<") -> Seen:
    return Seen(key, "etag", vector)


@pytest.mark.parametrize(
    ("prefix", "key", "folder"),
    [
        ("", "m51.jpg", ""),
        ("", "night/uploads/m51.jpg", ""),
        ("", "uploads/m51.jpg", ""),
        ("", f"{BATCH}m51.jpg", BATCH),
        ("", f"{BATCH}deep/m51.jpg", BATCH),
        ("in/", f"in/{BATCH}m51.jpg", f"in/{BATCH}"),
        ("in/", f"{BATCH}m51.jpg", ""),
    ],
)
def test_images_of_a_batch_are_filed_apart(prefix: str, key: str, folder: str) -> None:
    """Those of one batch of the page stand under its folder alone, whatever folders it has; all others together."""
    assert folder_of(load({}, images_prefix=prefix), key) == folder


def test_what_is_written_is_read_again() -> None:
    """Each image comes with its own vector; they are of one model."""
    rows = [seen("a", b"\1\2\3\4"), seen("b", b"\5\6\7\x08")]
    written = document(MODEL, rows)
    assert rows_of(written) == rows_of(written, MODEL.sha256) == rows
    assert (written["length"], rows_of(written, OTHER.sha256)) == (2, [])


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": 2},
        {"vectors": "no base64"},
        {"vectors": "AAAA"},
        {"length": -1},
        {"length": 0},
        {"length": 1},
        {"length": "many"},
        {"images": [["a"]]},
        {"images": None},
        {"model": None},
    ],
)
def test_what_is_no_such_object_is_left_out(change: dict[str, Any]) -> None:
    """Somebody else's object under the prefix is no error; its images are unknown."""
    assert rows_of(document(MODEL, [seen("a")]) | change, MODEL.sha256) == []
    assert rows_of(None) == rows_of([]) == []


def test_keys_tell_the_model_and_are_never_the_same() -> None:
    """Whoever lists them reads those of one model alone; two processes never write over each other."""
    settings = load({})
    keys = {new_key(settings, BATCH, MODEL.sha256) for _ in range(50)}
    assert len(keys) == 50
    assert all(key.startswith(f"features/{BATCH}") and is_of(key, MODEL.sha256) for key in keys)
    assert not any(is_of(key, OTHER.sha256) for key in keys)
    assert features.model_in("features/notes.json") is None


def test_a_folder_lists_its_own(store: Store) -> None:
    """What one batch is given are its own objects, in parts if need be; with the setting off there is nothing."""
    keys = [_write(store, folder, [seen(f"{folder}a")]) for folder in (BATCH, BATCH, "uploads/other/", "")]
    assert list(listed(store, BATCH)) == sorted(keys[:2])
    assert list(listed(store, BATCH, after=min(keys[:2]))) == [max(keys[:2])]
    assert set(listed(store)) == set(keys)
    store.settings.features_prefix = ""
    assert list(listed(store, BATCH)) == []


def test_forgotten_images_leave_the_others(store: Store) -> None:
    """Of the images of an object those stay that are not named, with their vectors."""
    _write(store, BATCH, [seen(f"{BATCH}gone"), seen(f"{BATCH}left", b"1234")])
    whole = _write(store, BATCH, [seen(f"{BATCH}alone")])
    _write(store, BATCH, [seen(f"{BATCH}gone")])
    forget(store, [f"{BATCH}gone", "never there"])
    keys = list(listed(store, BATCH))
    assert whole in keys and len(keys) == 2
    (changed,) = set(keys) - {whole}
    found = store.read_json(store.settings.results_bucket, changed)
    assert found and rows_of(found[0], MODEL.sha256) == [seen(f"{BATCH}left", b"1234")]


def test_images_are_grouped_by_folder() -> None:
    """Each group is in the order of coming."""
    rows = [seen("a"), seen(f"{BATCH}b"), seen("c")]
    assert by_folder(load({}), rows) == {"": [rows[0], rows[2]], BATCH: [rows[1]]}


def _write(store: Store, folder: str, rows: list[Seen]) -> str:
    key = new_key(store.settings, folder, MODEL.sha256)
    store.write_json(store.settings.results_bucket, key, document(MODEL, rows), replacing=None)
    return key
