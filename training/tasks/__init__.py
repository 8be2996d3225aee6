"""The tasks that can be learned, by name: each module of this package that has a ``TASK``."""

from __future__ import annotations

import csv
from importlib import import_module
from pkgutil import iter_modules

from training.tasks.base import Task

__all__ = ["TASKS", "Task", "class_names", "find"]


def _find() -> dict[str, Task]:
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    return {module.TASK.name: module.TASK for module in modules if hasattr(module, "TASK")}


TASKS = _find()


def find(name: str) -> Task:
    """A task by its name.

    Raises:
        ValueError: there is none of this name.
    """
    if name not in TASKS:
        raise ValueError(f"unknown task {name!r}; there are {', '.join(sorted(TASKS))}")
    return TASKS[name]


def class_names(text: str | None) -> list[str] | None:
    """Class names that a person separates by commas, those with a comma in double quotes; None where none are given."""
    return [name.strip() for name in next(csv.reader([text], skipinitialspace=True))] if text else None
