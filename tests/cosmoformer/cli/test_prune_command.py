"""``cosmoformer prune`` at a real store."""

from __future__ import annotations

import gzip
import json

import pytest
from click.testing import CliRunner

from cosmoformer.cli import main
from cosmoformer.models.registry import ModelIdentity
from cosmoformer.served_models import settings_for
from cosmoformer.storage import copies
from cosmoformer.storage.features import Seen, document, listed, new_key
from cosmoformer.storage.results import result_key
from cosmoformer.storage.store import Store
from tests.cosmoformer.cli.conftest import Cli
from tests.cosmoformer.sample_results import classified_result, put_results


@pytest.fixture
def shell(cli: Cli, store: Store) -> Cli:
    """The command line at a store with results of `a.png` and `n1/b.png`, of which only the first image is there."""
    for key in ("a.png", "n1/b.png"):
        result = classified_result(key)
        result["image"]["bucket"] = store.settings.images_bucket
        where = result_key(store.settings, key)
        store.write(store.settings.results_bucket, where, json.dumps(result).encode(), "application/json")
    store.write(store.settings.images_bucket, "a.png", b"x", "image/png")
    return cli.at(store.settings)


def _left(store: Store) -> list[str]:
    return [entry.key for entry in store.list(store.settings.results_bucket)]


BOTH = ["results/a.png.json", "results/n1/b.png.json"]


def test_a_dry_run_names_them_and_deletes_nothing(shell: Cli, store: Store) -> None:
    """The images that are gone are named, one a line, with their number; nothing changes."""
    result = shell("prune", "--dry-run")
    assert (result.exit_code, result.stdout) == (0, "n1/b.png\n")
    assert result.stderr == "1 result of images that are gone\n"
    assert _left(store) == BOTH


def test_they_are_deleted_on_a_word(shell: Cli, store: Store) -> None:
    """With --yes nobody is asked; a second time there is nothing to do."""
    result = shell("prune", "--yes")
    assert (result.exit_code, result.stderr) == (0, "1 result deleted\n")
    assert _left(store) == BOTH[:1]
    assert shell("prune", "--yes").stderr == "0 results of images that are gone\n"


@pytest.mark.parametrize(("answer", "left"), [("n\n", BOTH), ("", BOTH), ("y\n", BOTH[:1])])
def test_a_person_is_asked(shell: Cli, store: Store, answer: str, left: list[str]) -> None:
    """Without --yes nothing is deleted that nobody has agreed to."""
    result = CliRunner().invoke(main, ["prune"], env=shell.environment, input=answer)
    assert "Delete 1 result of images that are gone?" in result.stderr
    assert (_left(store), result.exit_code) == (left, 0 if left != BOTH else 1)


def test_an_empty_bucket_is_suspicious(shell: Cli, store: Store) -> None:
    """Where not one image is left, the bucket may be the wrong one: nothing is deleted without --even-all."""
    store.delete(store.settings.images_bucket, "a.png")
    result = shell("prune", "--yes")
    assert result.exit_code == 1
    assert "not one image is left" in result.stderr and "IMAGES_BUCKET" in result.stderr
    assert _left(store) == BOTH
    assert shell("prune", "--yes", "--even-all").exit_code == 0
    assert _left(store) == []


def test_copies_of_deleted_results_go_too(shell: Cli, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is deleted stands nowhere else afterwards, though its copy came late; copies of other results stay."""
    monkeypatch.setattr(copies, "MIN_ROWS", 1)
    prefix, bucket = store.settings.copies_prefix, store.settings.results_bucket
    etags = {entry.key: entry.etag for entry in store.list(bucket)}
    assert shell("prune", "--yes").exit_code == 0
    copies.write(store, prefix, [copies.copy_of(key, etags[key], {"of": key}) for key in BOTH])
    assert shell("prune", "--dry-run").exit_code == 0
    assert len(list(store.list(bucket, prefix))) == 1
    assert shell("prune", "--yes").exit_code == 0
    [left] = store.list(bucket, prefix)
    content = store.read(bucket, left.key)
    assert content and [line.split(b"\t")[0] for line in gzip.decompress(content[0]).splitlines()] == [
        b'"%s"' % BOTH[0].encode()
    ]


def test_results_of_further_models_go_too(shell: Cli, store: Store) -> None:
    """Also of an image that no other has judged; each image is named once, and the results of images that are there stay."""
    further = Store(settings_for(store.settings, "hue"))
    for key in ("a.png", "n1/b.png", "c.png"):
        result = classified_result(key)
        result["image"]["bucket"] = store.settings.images_bucket
        put_results(further, result)
    result = shell("prune", "--yes", SERVED_MODELS="hue")
    assert (result.stdout, result.stderr) == ("c.png\nn1/b.png\n", "3 results deleted\n")
    assert _left(store) == [result_key(further.settings, "a.png"), BOTH[0]]


def test_who_ends_it_early_keeps_no_vector_of_a_deleted_result(
    shell: Cli, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vectors go before the results by which a later prune would find them."""
    model = ModelIdentity("cosmoformer", 1, "a" * 64)
    row = Seen("n1/b.png", "e" * 32, b"\x00\x3c")
    key = new_key(store.settings, "", model.sha256)
    store.write_json(store.settings.results_bucket, key, document(model, [row]), replacing=None)

    def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr("cosmoformer.cli.commands.prune.prune", interrupted)
    assert shell("prune", "--yes").exit_code != 0
    assert list(listed(store)) == [] and _left(store) == BOTH
