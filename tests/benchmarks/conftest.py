"""What the benchmarks' quick modes need: a store and a registry that run once for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks import models
from benchmarks.surroundings import surroundings
from cosmoformer.settings import Settings
from tests.conftest import require_ceph


@pytest.fixture(scope="session")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A store and a registry that has the benchmarks' model."""
    require_ceph()
    with surroundings(tmp_path_factory.mktemp("benchmarks") / "system", models.prepare().artifact) as settings:
        yield settings
