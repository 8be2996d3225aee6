"""What ``pyproject.toml`` cannot say of the distribution.

The upload page stands in ``web/``, which is no package; it is installed as the data of ``cosmoformer.web``, so that
``cosmoformer up`` works outside a checkout.

For the ``func`` CLI the distribution has another name: its builders install the folder of ``func.yaml`` as a distribution that
must be named ``function``, and without extras. ``func.yaml`` therefore sets ``COSMOFORMER_FUNC`` to the function's name in the
build. Without it that part changes nothing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from setuptools import Distribution, setup

_WEB = Path("web")
_WEB_FILES = ["*.html", "*.css", "*.js", "*.json", "*.svg", "*.webp"]


class _Distribution(Distribution):
    """CosmoFormer with its page; or as one function, with the dependencies of its extra."""

    def parse_config_files(self, *arguments: Any, **options: Any) -> None:
        super().parse_config_files(*arguments, **options)
        # All in place: the metadata shares these lists.
        self.package_dir = dict(self.package_dir or {})
        if function := os.environ.get("COSMOFORMER_FUNC"):
            self._become_function(function)
        elif _WEB.is_dir():  # images of the functions are built without it
            self._add_page()

    def _add_page(self) -> None:
        self.package_data = dict(self.package_data or {})
        for folder in (_WEB, *sorted(path for path in _WEB.rglob("*") if path.is_dir())):
            package = ".".join(("cosmoformer", *folder.parts))
            self.packages.append(package)
            self.package_dir[package] = folder.as_posix()
            self.package_data[package] = _WEB_FILES

    def _become_function(self, extra: str) -> None:
        self.metadata.name = "function"
        self.packages.append("function")
        self.package_dir["function"] = "functions/classify/function"
        for name in (extra, "func"):
            self.install_requires.extend(self.extras_require[name])


setup(distclass=_Distribution)
