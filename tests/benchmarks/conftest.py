"""What the benchmarks' quick modes need: servers that run once for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks import models
from benchmarks.disturbances import DisturbedSystem, given_or_new
from benchmarks.surroundings import surroundings
from cosmoformer.settings import Settings
from tests.conftest import require_ceph


@pytest.fixture(scope="session")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A store and a registry that has the benchmarks' model."""
    require_ceph()
    with surroundings(tmp_path_factory.mktemp("benchmarks") / "system", models.prepare().artifact) as settings:
        yield settings


@pytest.fixture(scope="session")
def disturbed() -> Iterator[DisturbedSystem]:
    """A whole system for all that leave it as it was."""
    require_ceph()
    with given_or_new() as running:
        yield running
