"""The rounds of ``python -m benchmarks.chaos``, a few of them and with few images."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import chaos
from benchmarks.disturbances import DISTURBANCES
from tests.conftest import require_ceph

#: By other ways than these, images do not get lost: nobody hears of them, nobody can keep them, they go or change meanwhile.
ROUNDS = ("kill ingest", "kill everything", "SIGTERM", "disk is full", "overwrite", "delete")
#: A sweep leaves images to their notifications for longer, by default: whatever was missed must have been found otherwise.
BEFORE_ANY_PERIODIC_SWEEP_S = 200.0


def test_no_image_is_lost_late_wrong_or_doubled(tmp_path: Path) -> None:
    """Killed, starved, overwritten or deleted in mid-stream: each image ends with its one right result, and without waiting."""
    require_ceph()
    report = chaos.main(["--images", "20", "--out", str(tmp_path), "--rounds", *ROUNDS])
    assert len(report.figures) == len(ROUNDS)
    faults = {goal.what: goal.value for goal in report.goals if goal.what.startswith("images ")}
    assert len(faults) == 5
    assert set(faults.values()) == {0}, json.dumps(report.data["rounds"], indent=1)
    late = {found["name"]: found["late_s"] for found in report.data["rounds"]}
    assert max(late.values()) < BEFORE_ANY_PERIODIC_SWEEP_S, late


def test_every_disturbance_has_a_name_of_its_own() -> None:
    """The table has the 17 rounds, each of which can be chosen."""
    assert len({entry.name for entry in DISTURBANCES}) == len(DISTURBANCES) == 17
