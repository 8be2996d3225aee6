"""The tasks that can be learned, by name: each module of this package that has a ``TASK``."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from training.tasks.base import Task

__all__ = ["TASKS", "Task"]


def _find() -> dict[str, Task]:
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__) if module.name != "base"]
    return {module.TASK.name: module.TASK for module in modules}


TASKS = _find()
