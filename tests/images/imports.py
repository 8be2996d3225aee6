"""Which of the project's packages a module needs to start, read from the imports at the top of modules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.images.containerfiles import ROOT

_PACKAGES = {"cosmoformer", "functions", "training"}


def needed_packages(module: str) -> set[str]:
    """Top-level packages of the project that importing a module imports, directly or not."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen and (path := _file(name)):
            seen.add(name)
            waiting += [name.rpartition(".")[0], *_imported(path)]
    return {name.partition(".")[0] for name in seen}


def _file(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    if module.partition(".")[0] not in _PACKAGES:
        return None
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def _imported(path: Path) -> Iterator[str]:
    """Names that may be modules; imports inside functions are left to those who call them."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
