"""Let ``import torchvision`` work beside a CPU-only torch.

PyPI's torchvision wheel is built for CUDA. Its compiled extension does not load beside a CPU-only torch, so
``torchvision/_meta_registrations.py`` fails with ``operator torchvision::nms does not exist``, and with it everything
that imports torchvision, vit-pytorch included. Declaring the two operators' schemas first is enough for
``torchvision.transforms.v2`` and the models; ``torchvision.ops.nms`` and ``torchvision.io.decode_*`` stay unusable
(images are decoded with Pillow here).

Call :func:`mend` before the first import of torchvision or vit_pytorch; ``training`` does so for its modules.
"""

from __future__ import annotations

import importlib.util

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_library: torch.library.Library | None = None  # a Library undoes its definitions when it is collected


def mend() -> None:
    """Declare torchvision's operators if its own extension could not."""
    global _library
    if torch.version.cuda is not None or _library is not None or importlib.util.find_spec("torchvision") is None:
        return
    _library = torch.library.Library("torchvision", "DEF")
    for schema in _SCHEMAS:
        _library.define(schema)
