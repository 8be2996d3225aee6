"""Galaxy Zoo 2 without the galaxies that have no summary: the task ``gz2`` less its class ``irregular``."""

from __future__ import annotations

from dataclasses import replace

from training.tasks import gz2

TASK = replace(gz2.TASK, name="gz2_decided", classes=tuple(name for name in gz2.TASK.classes if name != "irregular"))
