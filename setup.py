"""The distribution under another name, for the ``func`` CLI; everything else about it is in ``pyproject.toml``.

The CLI's builders install the folder of ``func.yaml`` as a distribution that must be named ``function``, and without extras.
``func.yaml`` therefore sets ``COSMOFORMER_FUNC`` to the function's name in the build. Without it this file changes nothing.
"""

from __future__ import annotations

import os
from typing import Any

from setuptools import Distribution, setup


class _FuncDistribution(Distribution):
    """CosmoFormer as one function: that package beside the others, and the dependencies of its extra."""

    def parse_config_files(self, *arguments: Any, **options: Any) -> None:
        super().parse_config_files(*arguments, **options)
        self.metadata.name = "function"
        # In place: the metadata shares this list.
        self.packages.append("function")
        self.package_dir = {**(self.package_dir or {}), "function": "functions/classify/function"}
        for extra in (os.environ["COSMOFORMER_FUNC"], "func"):
            self.install_requires.extend(self.extras_require[extra])


setup(distclass=_FuncDistribution if os.environ.get("COSMOFORMER_FUNC") else Distribution)
