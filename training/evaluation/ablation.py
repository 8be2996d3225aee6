"""What a network relies on, from inside: Ablation-CAM (Desai & Ramaswamy 2020), by the grad-cam package.

Each channel of the last feature map is set to zero in turn; those whose absence lowers an output are added up, as much as they
lower it. Unlike occlusion (:mod:`cosmoformer.models.explanation`), which an artifact answers by predictions alone, it needs the
network itself.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cosmoformer.errors import PermanentError


def ablation_map(model: nn.Module, image: Tensor, output: int) -> NDArray[np.float32]:
    """How much an output relies on each place of an image, float32 (S, S), from 0 to 1.

    Args:
        model: in evaluation mode; it takes normalised images (N, 3, S, S) and gives (N, outputs).
        image: one image (1, 3, S, S), normalised.
        output: its column.

    Raises:
        ValueError: the model has no feature map.
        PermanentError: the grad-cam package is not installed.
    """
    try:
        from pytorch_grad_cam import AblationCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    except ImportError as error:
        raise PermanentError(f"ablation maps need grad-cam: {error}", "pip install 'cosmoformer[cam]'") from None
    with AblationCAM(model, [last_map(model, image)]) as ablation:
        found: NDArray[np.float32] = ablation(image, [ClassifierOutputTarget(output)])[0]
    return found


def last_map(model: nn.Module, image: Tensor) -> nn.Module:
    """The outermost part of a model that gives its last feature map, (N, C, H, W) with more than one place.

    Raises:
        ValueError: no part does.
    """
    found: list[nn.Module] = []

    def note(part: nn.Module, _: object, given: object) -> None:
        if isinstance(given, Tensor) and given.ndim == 4 and given.shape[-1] > 1:
            found.append(part)

    hooks = [part.register_forward_hook(note) for part in model.modules() if part is not model]
    with torch.inference_mode():
        model(image)
    for hook in hooks:
        hook.remove()
    if not found:
        raise ValueError("the model gives no feature map whose channels could be left out")
    return found[-1]
