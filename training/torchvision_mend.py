"""Let ``import torchvision`` work beside a CPU-only torch.

PyPI's torchvision wheel for Linux is built for CUDA. Its compiled extension does not load beside a CPU-only torch, so
``torchvision/_meta_registrations.py`` fails with ``operator torchvision::nms does not exist``, and with it everything
that imports torchvision, vit-pytorch included. Declaring the two operators' schemas first is enough for
``torchvision.transforms.v2`` and the models; ``torchvision.ops.nms`` and ``torchvision.io.decode_*`` stay unusable
(images are decoded with Pillow here).

Call :func:`mend` before the first import of torchvision or vit_pytorch; ``training`` does so for its modules.
"""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec
from pathlib import Path

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_library: torch.library.Library | None = None  # a Library undoes its definitions when it is collected


def mend() -> None:
    """Declare torchvision's operators if its own extension cannot: one that can (built for this torch) does so itself."""
    global _library
    found = importlib.util.find_spec("torchvision")
    if _library is not None or found is None or _loads(found):
        return
    _library = torch.library.Library("torchvision", "DEF")
    for schema in _SCHEMAS:
        _library.define(schema)


def _loads(package: ModuleSpec) -> bool:
    """Whether torchvision's compiled extension loads beside this torch."""
    folders = package.submodule_search_locations or []
    extensions = [path for folder in folders for path in Path(folder).glob("_C*.so")]
    try:
        for extension in extensions:
            torch.ops.load_library(str(extension))
    except OSError:
        return False
    return bool(extensions)
