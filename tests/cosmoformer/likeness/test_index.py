"""The index of feature vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cosmoformer.likeness.index import Index


def _vectors(count: int, length: int = 32, seed: int = 0) -> NDArray[np.float16]:
    return np.random.default_rng(seed).normal(size=(count, length)).astype(np.float16)


def _indexed(vectors: NDArray[np.float16]) -> Index:
    index = Index(vectors.shape[1])
    index.add(range(len(vectors)), vectors)
    return index


def test_neighbours_are_those_at_the_smallest_angles() -> None:
    """Their numbers and distances are what comparing with every vector gives, whatever the vectors' lengths."""
    vectors = _vectors(300) * np.linspace(0.1, 10, 300).astype(np.float16)[:, None]
    units = vectors.astype(np.float64) / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    far = 1 - units @ units[7]
    found = _indexed(vectors).near(vectors[7], 10)
    assert found[0].number == 7
    assert [neighbour.distance for neighbour in found] == pytest.approx([far[one.number] for one in found], abs=2e-3)
    assert [neighbour.distance for neighbour in found] == pytest.approx(sorted(far)[:10], abs=2e-3)


def test_what_is_removed_is_not_found() -> None:
    """Fewer are found where there are fewer."""
    vectors = _vectors(5)
    index = _indexed(vectors)
    index.remove(3)
    assert {neighbour.number for neighbour in index.near(vectors[3], 10)} == {0, 1, 2, 4}
    assert len(index) == 4


def test_an_index_is_the_same_after_it_was_kept(tmp_path: Path) -> None:
    """It finds what it found, gives the same vectors, and takes more; another length or no index is refused."""
    vectors = _vectors(50)
    _indexed(vectors).save(tmp_path / "index")
    index = Index.load(tmp_path / "index", 32)
    assert index.near(vectors[4], 5) == _indexed(vectors).near(vectors[4], 5)
    assert np.array_equal(index.vectors([8, 2]), vectors[[8, 2]])
    index.add([50], -vectors[:1])
    assert index.near(-vectors[0], 1)[0].number == 50
    for path, length in ((tmp_path / "index", 16), (Path(__file__), 32)):
        with pytest.raises(ValueError, match=r"index|length"):
            Index.load(path, length)
    with pytest.raises(FileNotFoundError):
        Index.load(tmp_path / "none", 32)


def test_the_isolated_are_far_from_their_nearest() -> None:
    """Of one crowd and one that looks elsewhere, the latter is most isolated; one alone is not isolated at all."""
    crowd = _vectors(40) / 10 + 1
    vectors = np.concatenate([crowd, -crowd[:1]]).astype(np.float16)
    isolation = _indexed(vectors).isolation(range(41))
    assert isolation.argmax() == 40 and isolation[40] > 1.5 and isolation[:40].max() < 0.1
    assert _indexed(crowd[:1]).isolation([0]).tolist() == [0]


def test_one_galaxy_twice_is_told_from_two() -> None:
    """A vector with a little noise is of the same galaxy, others of the library are not, though all of them are alike."""
    vectors = (_vectors(200, 64) / 10 + 1).astype(np.float16)
    again = (vectors[5] + np.random.default_rng(9).normal(size=64) * 0.01).astype(np.float16)
    assert _indexed(vectors).same(again, [4, 5, 6]).tolist() == [False, True, False]
