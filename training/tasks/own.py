"""Anybody's own classes: those that the catalogue's labels name, in alphabetical order, on whole images."""

from __future__ import annotations

from training.tasks.base import Task

TASK = Task(name="own", label_column="label", classes=())
