"""The models that can be trained, by name. A new one is one new module in this package with a constant ``MODEL``.

A module of :data:`FAMILIES` stands for many, ``family/name``: it has ``find`` and ``pretrained`` instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules

from torch import Tensor, nn

FAMILIES = ("timm",)


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
        in_parts: the same function of the same weights as modules in each other, whose feature maps can be watched.
    """

    name: str
    image_sizes: tuple[int, ...]
    build: Callable[..., nn.Module]
    for_inference: Callable[[nn.Module], nn.Module]
    look_at: Callable[[nn.Module, int], None] = lambda network, image_size: None
    in_parts: Callable[[nn.Module], nn.Module] = lambda network: network

    def load(self, outputs: int, image_size: int, weights: Mapping[str, Tensor]) -> nn.Module:
        """One with these weights, on the CPU and in evaluation mode."""
        model = self.build(outputs, image_size)
        model.load_state_dict(weights)
        return model.eval()


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
