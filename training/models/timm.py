"""Any backbone of timm (PyTorch Image Models, Wightman 2019): the model ``timm/<name>``, such as ``timm/tf_efficientnet_lite0``.

Its parameters have timm's own names, so that a file of timm's weights is a start (see :mod:`training.loop.initial_weights`).
This module, and so timm, is imported only when such a model is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import timm
from torch import Tensor, nn

from training.models import Model


def find(name: str) -> Model:
    """The model ``timm/<name>``, for images of any side that the network itself takes.

    Raises:
        ValueError: timm has no network of this name; the message names near ones.
    """
    known = timm.list_models()
    if name not in known:
        near = ", ".join(get_close_matches(name, known, n=5, cutoff=0.5)) or "none that is near"
        raise ValueError(f"timm {timm.__version__} has no network {name!r}; there are {near}")
    has_one_side = _has_one_side(name)

    def build(outputs: int, image_size: int, *, drop_path: float = 0.0, dropout: float = 0.0) -> nn.Module:
        options: dict[str, Any] = {"drop_rate": dropout}
        if drop_path:
            options["drop_path_rate"] = drop_path
        if has_one_side:
            options["img_size"] = image_size
        try:
            network: nn.Module = timm.create_model(name, pretrained=False, num_classes=outputs, **options)
        except TypeError as error:
            raise ValueError(f"timm/{name} cannot be made with {', '.join(options)}: {error}") from None
        return network

    def look_at(network: nn.Module, image_size: int) -> None:
        if has_one_side:
            raise ValueError(f"timm/{name} takes images of one side only: leave out the recipe's sides")

    return Model(f"timm/{name}", (), build, lambda network: network, look_at)


def pretrained(name: str) -> Mapping[str, Tensor]:
    """Weights that timm's own loader fetches for a network, or has kept from before, by name.

    Raises:
        OSError: they cannot be fetched.
        ValueError: there are none, or timm has no network of this name.
    """
    find(name)
    try:
        network: nn.Module = timm.create_model(name, pretrained=True)
    except RuntimeError as error:  # where it knows of no weights; what fails on the way is an OSError
        raise ValueError(f"timm has no pretrained weights for {name}: {error}") from None
    return network.state_dict()


def _has_one_side(name: str) -> bool:
    """Whether the network is made for one side of its images, as vision transformers are."""
    settings = timm.get_pretrained_cfg(name, allow_unregistered=True)
    return bool(settings and settings.fixed_input_size)
