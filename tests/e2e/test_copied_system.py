"""Two systems in one machine: a copied data folder beside its original."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import require_ceph
from tests.e2e.running_system import RunningSystem
from tests.sparse import copy_folder

OPTIONS = {"IDLE_SECONDS": "4"}


@pytest.fixture
def pair(tmp_path: Path, galaxies: list[tuple[str, bytes]]) -> Iterator[tuple[RunningSystem, RunningSystem]]:
    """A system that has judged an image, started again, and a copy of it on other ports."""
    require_ceph()
    original = RunningSystem(tmp_path / "original", OPTIONS)
    copied = RunningSystem(tmp_path / "copied", OPTIONS)
    try:
        original.start()
        original.wait_for_results(original.drop("before/", galaxies[:1]))
        original.stop()
        copy_folder(original.folder, copied.folder)
        original.start()
        copied.start()
        yield original, copied
    finally:
        copied.stop()
        original.stop()


def test_a_copied_data_folder_runs_beside_its_original(
    pair: tuple[RunningSystem, RunningSystem], galaxies: list[tuple[str, bytes]]
) -> None:
    """Both have what was there before; what is dropped into either is judged there and unknown to the other."""
    keys = {system: system.drop(f"{system.folder.name}/", galaxies[1:4]) for system in pair}
    for system in pair:
        assert len(system.wait_for_results(keys[system])) == 3
        assert list(system.results.keys("before/"))
        other = next(found for found in pair if found is not system)
        assert not list(system.results.keys(f"{other.folder.name}/"))
        urls = [webhook["url"] for webhook in system.registry.get("webhooks", max_results=100)["webhooks"]]
        assert urls == [f"{system.settings.ingest_url}/hooks/mlflow"]
        assert system.command("replay", "--list").stdout == "no dead letters\n"
