"""A store that gives temporary keys."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import require_ceph
from tests.temporary_keys import StsStore, running_sts_store


@pytest.fixture(scope="package")
def sts_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StsStore]:
    """A Ceph node with temporary keys, SSE-C and buckets as host names."""
    require_ceph()
    with running_sts_store(tmp_path_factory.mktemp("sts")) as store:
        yield store
