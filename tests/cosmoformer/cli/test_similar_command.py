"""``cosmoformer similar`` at a real store, with a real model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cosmoformer.cli.commands import similar
from cosmoformer.storage.results import ResultsBucket, result_key
from tests.cosmoformer.cli.conftest import Cli
from tests.cosmoformer.judged_images import SAMPLES, Judged, noisy

FIRST = "demo/two_armed_spiral.jpg"


@pytest.fixture
def shell(cli: Cli, judged: Judged) -> Cli:
    """The command line at the samples, a copy of one of them, and one with noise; all have vectors."""
    content = SAMPLES["two_armed_spiral"]
    judged.judge("other/copy.jpg", content)
    judged.judge("other/noisy.jpg", noisy(content))
    shell = cli.at(judged.store.settings)
    filled = shell("similar", "--oddest", "--fill")
    assert filled.exit_code == 0, filled.output
    assert f"{len(SAMPLES) + 2} feature vectors computed" in filled.stderr
    return shell


def _lines(shell: Cli, *arguments: object) -> list[dict[str, Any]]:
    result = shell("similar", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_like_galaxies_come_nearest_first_and_the_same_are_named(shell: Cli, judged: Judged) -> None:
    """The same file and the same galaxy with noise are named, others not; a deleted result is not told, nor the image itself."""
    store = judged.store
    store.delete(store.settings.results_bucket, result_key(store.settings, "demo/barred_spiral.jpg"))
    lines = _lines(shell, FIRST)
    marks = {line["result"]["image"]["key"]: line["mark"] for line in lines}
    assert FIRST not in marks and "demo/barred_spiral.jpg" not in marks
    assert {key: mark for key, mark in marks.items() if mark} == {
        "other/copy.jpg": "same file",
        "other/noisy.jpg": "same galaxy?",
    }
    assert list(marks)[:2] == ["other/copy.jpg", "other/noisy.jpg"]
    distances = [line["distance"] for line in lines]
    assert distances == sorted(distances) and distances[0] == pytest.approx(0, abs=1e-3)
    assert len(_lines(shell, FIRST, "-n", "3")) == 3


def test_a_file_is_compared_as_an_image_is(shell: Cli, tmp_path: Path) -> None:
    """A file on this machine finds what has its bytes, and what is like it."""
    file = tmp_path / "mine.jpg"
    file.write_bytes(SAMPLES["two_armed_spiral"])
    lines = _lines(shell, file, "-n", "3")
    assert [line["mark"] for line in lines] == ["same file", "same file", "same galaxy?"]
    assert {line["result"]["image"]["key"] for line in lines[:2]} == {FIRST, "other/copy.jpg"}


def test_the_oddest_are_in_a_table_with_their_classes(shell: Cli, judged: Judged) -> None:
    """What has a near twin is not among the first; the table has distance, key, class and confidence."""
    lines = _lines(shell, "--oddest", "-n", "4")
    assert len(lines) == 4
    distances = [line["distance"] for line in lines]
    assert distances == sorted(distances, reverse=True)
    shown = shell("similar", "--oddest", "-n", "4").stdout
    for line in lines:
        prediction = line["result"]["prediction"]
        assert f"{prediction['confidence']:.3f}" in shown and line["result"]["image"]["key"] in shown


def test_what_was_judged_a_moment_ago_is_waited_for(
    shell: Cli, judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its vector comes some seconds after its result, and is found then."""
    judged.judge("new/late.jpg", SAMPLES["two_armed_spiral"])
    waited: list[float] = []

    def write_meanwhile(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            assert shell("similar", "--oddest", "--fill").exit_code == 0

    monkeypatch.setattr(similar.time, "sleep", write_meanwhile)
    lines = _lines(shell, "new/late.jpg", "-n", "3")
    assert {line["mark"] for line in lines} >= {"same file"} and len(waited) == 2


def test_what_cannot_be_compared_is_told(cli: Cli, judged: Judged, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image without a vector, a key that is none, both or neither of image and --oddest: each has its message."""
    shell = cli.at(judged.store.settings)
    monkeypatch.setattr(similar, "_PAUSE_S", 0.01)
    assert "no feature vector of 'demo/two_armed_spiral.jpg' is kept" in shell("similar", FIRST).stderr
    assert "there are no feature vectors in the results bucket" in shell("similar", "--oddest").stderr
    assert "neither the key of a classified image nor a file" in shell("similar", "nowhere.jpg").stderr
    assert shell("similar").exit_code == shell("similar", FIRST, "--oddest").exit_code == 2
    assert ResultsBucket(judged.store).read(FIRST)
