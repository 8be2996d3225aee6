"""Any backbone of timm (PyTorch Image Models, Wightman 2019): the model ``timm/<name>``, such as ``timm/tf_efficientnet_lite0``.

A name may have the tag of its pretrained weights (``resnet50.tv_in1k``), which says what they were trained on. Its parameters
have timm's own names, so that a file of timm's weights is a start (see :mod:`training.loop.initial_weights`).
This module, and so timm, is imported only when such a model is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import timm
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import Tensor, nn

from training.artifact.folded import fold
from training.artifact.mobilevit_inference import rewrite_blocks
from training.models import Model, of_one_side

_POSITIONS = "pos_embed"  # as timm's vision transformers call it


def find(name: str) -> Model:
    """The model ``timm/<name>``, for images of any side that the network itself takes.

    Raises:
        ValueError: timm has no network of this name; the message names near ones.
    """
    _check_known(name)
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
        if has_one_side:
            _check_patches(name, network, image_size)
        return network

    if has_one_side:
        look_at = of_one_side(f"timm/{name}")
        return Model(f"timm/{name}", (), build, lambda network: network, look_at, _adapted, with_maps=_WithMaps)
    return Model(f"timm/{name}", (), build, lambda network: rewrite_blocks(fold(network)), with_maps=_WithMaps)


class _WithMaps(nn.Module):
    """A network of timm's that gives its feature maps, too.

    Raises:
        ValueError: timm gives no maps of it.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        classifier = getattr(network, "get_classifier", lambda: None)()
        if not (hasattr(network, "forward_intermediates") and isinstance(classifier, nn.Linear)):
            raise ValueError(f"timm gives no feature maps of {type(network).__name__}: take another network")
        self.network: Any = network

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Outputs and maps, as :attr:`training.models.Model.with_maps` says."""
        last, maps = self.network.forward_intermediates(images)
        features = self.network.forward_head(last, pre_logits=True)
        return self.network.get_classifier()(features), [*maps, features[:, :, None, None]]


def _check_known(name: str) -> None:
    base, _, tag = name.partition(".")
    networks = timm.list_models()
    known = timm.list_pretrained(f"{base}.*") if tag and base in networks else networks
    if name not in known:
        near = ", ".join(get_close_matches(name, known, n=5, cutoff=0.5)) or "none that is near"
        raise ValueError(f"timm {timm.__version__} has no network {name!r}; there are {near}")


def _check_patches(name: str, network: nn.Module, image_size: int) -> None:
    """A part of a patch at the edge would be left out without a word."""
    patch = getattr(getattr(network, "patch_embed", None), "patch_size", (1,))[0]
    if image_size % patch:
        raise ValueError(f"timm/{name} has patches of {patch} pixels: expected a multiple of that, got {image_size}")


def _adapted(network: nn.Module, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Weights of a vision transformer with its position embedding resampled to the side of ``network``'s images."""
    own, given = getattr(network, _POSITIONS, None), weights.get(_POSITIONS)
    if own is None or given is None or own.shape == given.shape or own.ndim != given.ndim:
        return weights
    side: Any = network.get_submodule("patch_embed").grid_size
    more = 0 if getattr(network, "no_embed_class", False) else getattr(network, "num_prefix_tokens", 1)
    resampled = resample_abs_pos_embed(given, new_size=list(side), num_prefix_tokens=more)
    return {**weights, _POSITIONS: resampled}


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
