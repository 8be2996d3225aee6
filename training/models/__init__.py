"""The models that can be trained, by name. A new one is one new module in this package with a constant ``MODEL``.

A module of :data:`FAMILIES` stands for many, ``family/name``: it has ``find`` and ``pretrained`` instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import torch
from torch import Tensor, nn

from training.augmentation.augment import MEAN, STD
from training.augmentation.image_operations import GREY

FAMILIES = ("timm",)
_NETWORK = "network."  # before the names of weights in an :class:`Outer`


@dataclass(frozen=True)
class Model:
    """How a model is made.

    Attributes:
        name: as recipes call it.
        image_sizes: sides of square images that it takes, pixels.
        build: makes it, with fresh weights: ``build(outputs, image_size, drop_path=..., dropout=...)``. It takes normalised
            float images (N, 3, S, S) and gives (N, outputs). No parameter's or buffer's name has two underscores in a row.
        for_inference: prepares a trained one, in place, for tracing and returns it: constants folded, nothing random.
        look_at: makes one, in place, take images of another of its sides; ``look_at(model, image_size)``.
        adapted: what other weights of the same network become in one, as another side's position embedding;
            ``adapted(model, weights)``.
        takes_grey: whether ``build`` takes ``channels``, of which one for grey images has 1; all others get three equal ones.
        with_maps: the same weights as a network that gives its outputs, and beside them its feature maps, float (N, C, H, W):
            of every stage in order, and last the pooled features (N, C, 1, 1). None where nothing of the kind is known.
        in_parts: the same function of the same weights as modules in each other, whose feature maps can be watched.
    """

    name: str
    image_sizes: tuple[int, ...]
    build: Callable[..., nn.Module]
    for_inference: Callable[[nn.Module], nn.Module]
    look_at: Callable[[nn.Module, int], None] = lambda network, image_size: None
    adapted: Callable[[nn.Module, Mapping[str, Tensor]], Mapping[str, Tensor]] = lambda network, weights: weights
    takes_grey: bool = False
    with_maps: Callable[[nn.Module], nn.Module] | None = None
    in_parts: Callable[[nn.Module], nn.Module] = lambda network: network

    def load(self, outputs: int, image_size: int, weights: Mapping[str, Tensor]) -> nn.Module:
        """One with these weights, on the CPU and in evaluation mode."""
        model = self.build(outputs, image_size)
        model.load_state_dict(weights)
        return model.eval()

    def in_grey(self) -> Model:
        """The same for grey images: it takes RGB as ever, and its network sees how bright they are, no colours."""
        channels = 1 if self.takes_grey else 3

        def build(outputs: int, image_size: int, **options: Any) -> nn.Module:
            more = {"channels": channels} if self.takes_grey else {}
            return self.build(outputs, image_size, **options, **more)

        return replace(self, build=build)._within(lambda network: Grey(network, channels))

    def in_symmetric_range(self) -> Model:
        """The same with pixels from -1 to 1: it takes normalised ones as ever, and its network sees those."""
        return self._within(Symmetric)

    def _within(self, wrap: Callable[[nn.Module], Outer]) -> Model:
        """The same in a module that changes the images first; it stands there as ``network``."""

        def inside(change: Callable[..., Any]) -> Callable[..., Any]:
            return lambda outer, *others: change(outer.network, *others)

        def adapted(outer: nn.Module, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
            bare = {name.removeprefix(_NETWORK): value for name, value in weights.items()}
            found: Mapping[str, Tensor] = inside(self.adapted)(outer, bare)
            return {f"{_NETWORK}{name}": value for name, value in found.items()}

        maps = self.with_maps
        return replace(
            self,
            build=lambda *given, **options: wrap(self.build(*given, **options)),
            for_inference=lambda outer: wrap(inside(self.for_inference)(outer)),
            look_at=inside(self.look_at),
            adapted=adapted,
            with_maps=(lambda outer: wrap(inside(maps)(outer))) if maps else None,
            in_parts=lambda outer: wrap(inside(self.in_parts)(outer)),
        )


class Outer(nn.Module):
    """A network whose images are changed first.

    Args:
        network: takes images (N, channels, S, S) of its own kind.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def shown(self, images: Tensor) -> Tensor:
        """What the network sees of normalised RGB images (N, 3, S, S)."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """The network's outputs for normalised RGB images (N, 3, S, S)."""
        outputs: Tensor = self.network(self.shown(images))
        return outputs


class Grey(Outer):
    """A network that sees grey images.

    Args:
        network: takes normalised images with so many channels.
        channels: 1, or 3 equal ones.
    """

    weights: Tensor

    def __init__(self, network: nn.Module, channels: int) -> None:
        super().__init__(network)
        self.channels = channels
        # Of normalised channels: brightness less its mean, over its standard deviation where the colours vary together.
        weights = torch.tensor(GREY) * torch.tensor(STD)
        self.register_buffer("weights", (weights / weights.sum()).view(1, 3, 1, 1), persistent=False)

    def shown(self, images: Tensor) -> Tensor:
        """How bright they are."""
        grey = (images * self.weights).sum(dim=1, keepdim=True)
        return grey.expand(-1, self.channels, -1, -1)


class Symmetric(Outer):
    """A network that sees pixels from -1 to 1."""

    scale: Tensor
    offset: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.register_buffer("scale", 2 * torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("offset", 2 * torch.tensor(MEAN).view(1, 3, 1, 1) - 1, persistent=False)

    def shown(self, images: Tensor) -> Tensor:
        """The same images, black at -1 and white at 1."""
        return images * self.scale + self.offset


def without_branches(name: str, drop_path: float) -> None:
    """Refuse stochastic depth for a network that has no residual branches.

    Raises:
        ValueError: ``drop_path`` is not 0.
    """
    if drop_path:
        raise ValueError(f"{name} has no residual branches to drop: set drop_path to 0, got {drop_path}")


def of_one_side(name: str) -> Callable[[nn.Module, int], None]:
    """The ``look_at`` of a network whose weights are made for one side: it refuses any other."""

    def look_at(network: nn.Module, image_size: int) -> None:
        raise ValueError(f"{name} takes images of one side only: leave out the recipe's sides")

    return look_at


def names() -> list[str]:
    """Names of all models; of a family ``family/…``."""
    modules = sorted(module.name for module in iter_modules(__path__))
    return [f"{name}/…" if name in FAMILIES else name for name in modules]


def find(name: str) -> Model:
    """A model by its name.

    Raises:
        ValueError: there is none of this name.
    """
    family, _, member = name.partition("/")
    if family in FAMILIES and member:
        found: Model = import_module(f"{__name__}.{family}").find(member)
        return found
    if name in FAMILIES or name not in names():
        raise ValueError(f"unknown model {name!r}; there are {', '.join(names())}")
    model: Model = import_module(f"{__name__}.{name}").MODEL
    return model


def pretrained(name: str) -> Mapping[str, Tensor]:
    """Weights that somebody else trained a model to and publishes, by parameter name.

    Raises:
        OSError: they cannot be fetched.
        ValueError: there are none for this model.
    """
    family, _, member = name.partition("/")
    if family not in FAMILIES or not member:
        raise ValueError(f"{name} has no pretrained weights: only {', '.join(f'{name}/…' for name in FAMILIES)} have")
    weights: Mapping[str, Tensor] = import_module(f"{__name__}.{family}").pretrained(member)
    return weights
