"""A prediction in a few words, for terminals and lists."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

_HEADLINE_VALUES = 2
#: How the name of a value ends that is the uncertainty of another one, whose name stands before it.
ERROR = "_error"


def headline(prediction: Mapping[str, Any]) -> str:
    """A prediction in a few words: its class, or the first of its numbers."""
    if "class" in prediction:
        return str(prediction["class"])
    numbers = numbers_of(prediction, 4)
    shown = ", ".join(f"{name} {number}" for name, number in islice(numbers.items(), _HEADLINE_VALUES))
    return f"{shown}, …" if len(numbers) > _HEADLINE_VALUES else shown


def mark_of(prediction: Mapping[str, Any]) -> str:
    """What a prediction is marked as, the graver mark first; empty for none."""
    return "no galaxy" if prediction.get("no_galaxy") else "unsure" if prediction.get("unsure") else ""


def numbers_of(prediction: Mapping[str, Any], digits: int) -> dict[str, str]:
    """The numbers of a prediction without a class, by name: its values, then the vote fractions as ``question: answer``."""
    fractions = {
        f"{question}: {answer}": f"{fraction:.{digits}g}"
        for question, votes in prediction.get("votes", {}).items()
        for answer, fraction in votes["fractions"].items()
    }
    return values_of(prediction, digits) | fractions


def values_of(prediction: Mapping[str, Any], digits: int) -> dict[str, str]:
    """The values of a prediction by name, with unit: ``54.21 ± 3.1 deg`` where one of the name and ``_error`` stands beside it.

    Args:
        prediction: as a result has it.
        digits: significant digits; an uncertainty has two.
    """
    values, units = prediction.get("values", {}), prediction.get("units", {})
    found = {}
    for name, value in values.items():
        if name.removesuffix(ERROR) in values.keys() - {name}:
            continue
        error = f" ± {values[name + ERROR]:.2g}" if name + ERROR in values else ""
        found[name] = f"{value:.{digits}g}{error} {units.get(name, '')}".rstrip()
    return found
