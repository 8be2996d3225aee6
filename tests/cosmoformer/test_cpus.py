"""How many CPUs may be used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cosmoformer.cpus import cpu_limit

CORES = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("content", "expected"),
    [("max 100000", CORES), ("50000 100000", 1), ("150000 100000", min(CORES, 2)), ("99900000 100000", CORES)],
)
def test_the_limit_is_the_lesser_of_cores_and_quota(tmp_path: Path, content: str, expected: int) -> None:
    """A quota counts in whole CPUs, rounded up; a node's other cores do not count."""
    (tmp_path / "cpu.max").write_text(content + "\n")
    assert cpu_limit(tmp_path / "cpu.max") == expected


def test_without_a_quota_there_are_the_cores(tmp_path: Path) -> None:
    """Outside a cgroup of version 2 the file is absent."""
    assert cpu_limit(tmp_path / "cpu.max") == CORES
