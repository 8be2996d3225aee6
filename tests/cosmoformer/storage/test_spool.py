"""Results on their way to a table, kept in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from cosmoformer.errors import InvalidRequest, PermanentError
from cosmoformer.storage.results import Result
from cosmoformer.storage.spool import MAGIC, Spool
from tests.cosmoformer.sample_results import classified_result, rejected_result

WORDS = {"prefix": "night/", "since": None}


ALL = [classified_result(f"{number:04} naïve\n.png") for number in range(1200)]


def some(start: int, end: int) -> list[Result]:
    return ALL[start:end]


def test_results_come_back_as_often_as_they_are_asked_for(tmp_path: Path) -> None:
    """In their order, exactly, also while more are added."""
    with Spool.at(tmp_path / "part", WORDS) as spool:
        assert (list(spool), len(spool), spool.last) == ([], 0, None)
        assert list(spool.add(some(0, 1200))) == list(range(1, 1201))
        assert list(spool) == list(spool) == some(0, 1200)
        more = rejected_result()
        list(spool.add([more]))
        assert (list(spool)[-1], len(spool), spool.last) == (more, 1201, more)
    assert (tmp_path / "part").stat().st_size < 200_000


def test_what_was_interrupted_is_gone_on_with(tmp_path: Path) -> None:
    """Every result that was added is there, and tells where to go on."""
    with pytest.raises(KeyboardInterrupt), Spool.at(tmp_path / "part", WORDS) as spool:
        for count in spool.add(some(0, 900)):
            if count == 777:
                raise KeyboardInterrupt
    with Spool.at(tmp_path / "part", WORDS) as spool:
        assert (len(spool), spool.last) == (777, some(776, 777)[0])
        list(spool.add(some(777, 900)))
        assert list(spool) == some(0, 900)


@pytest.mark.parametrize("cut", [1, 5, 400])
def test_what_a_crash_cut_off_is_left_out(tmp_path: Path, cut: int) -> None:
    """The last whole block is the end; what follows is written there."""
    with Spool.at(tmp_path / "part", WORDS) as spool:
        list(spool.add(some(0, 1000)))
    content = (tmp_path / "part").read_bytes()
    (tmp_path / "part").write_bytes(content[:-cut])
    with Spool.at(tmp_path / "part", WORDS) as spool:
        assert len(spool) == 500
        list(spool.add(some(500, 1000)))
        assert list(spool) == some(0, 1000)


@pytest.mark.parametrize("content", [b"an older file", b"\xff\xff\xff\xff", MAGIC[:3] + b"x"])
def test_a_file_of_somebody_else_is_refused(tmp_path: Path, content: bytes) -> None:
    """It stays as it is, and its name is told."""
    (tmp_path / "part").write_bytes(content)
    with pytest.raises(InvalidRequest, match=r"part is there and was not written by cosmoformer"):
        Spool.at(tmp_path / "part", WORDS)
    assert (tmp_path / "part").read_bytes() == content


@pytest.mark.parametrize("content", [b"", MAGIC[:3], MAGIC, MAGIC + b"\xff\xff\xff\xff"])
def test_a_spool_of_other_words_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    """And tells that it had held others; so is one that a crash left without any."""
    (tmp_path / "part").write_bytes(content)
    with Spool.at(tmp_path / "part", WORDS) as spool:
        list(spool.add(some(0, 3)))
    with Spool.at(tmp_path / "part", WORDS) as spool:
        assert (len(spool), spool.discarded) == (3, False)
    with Spool.at(tmp_path / "part", WORDS | {"prefix": ""}) as spool:
        assert (len(spool), spool.discarded) == (0, True)
        list(spool.add(some(5, 6)))
    with Spool.at(tmp_path / "part", WORDS | {"prefix": ""}) as spool:
        assert list(spool) == some(5, 6)


def test_two_processes_do_not_write_one_spool(tmp_path: Path) -> None:
    """The second is told."""
    with Spool.at(tmp_path / "part", WORDS), pytest.raises(PermanentError, match="another process writes"):
        Spool.at(tmp_path / "part", WORDS)
