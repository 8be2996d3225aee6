"""CosmoFormer: galaxy morphology as a serverless, event-driven system.

    >>> from cosmoformer import Classifier, Client

:class:`Classifier` classifies files and arrays in this process; :class:`Client` drops images into a running system and reads
its results. Both are imported when they are first used: ``import cosmoformer`` alone takes milliseconds and needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cosmoformer.api.classifier import Classifier, Prediction
    from cosmoformer.api.client import Client, Dropped, Results

__all__ = ["Classifier", "Client", "Dropped", "Prediction", "Results"]

_HOMES = {
    "Classifier": "classifier",
    "Prediction": "classifier",
    "Client": "client",
    "Dropped": "client",
    "Results": "client",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(import_module(f"cosmoformer.api.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
