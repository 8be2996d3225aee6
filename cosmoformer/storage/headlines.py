"""A prediction in a few words, for terminals and lists."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

_HEADLINE_VALUES = 2


def headline(prediction: Mapping[str, Any]) -> str:
    """A prediction in a few words: its class, or the first of its numbers."""
    if "class" in prediction:
        return str(prediction["class"])
    numbers = numbers_of(prediction)
    shown = ", ".join(f"{name} {value:.4g}" for name, value in islice(numbers.items(), _HEADLINE_VALUES))
    return f"{shown}, …" if len(numbers) > _HEADLINE_VALUES else shown


def mark_of(prediction: Mapping[str, Any]) -> str:
    """What a prediction is marked as, the graver mark first; empty for none."""
    return "no galaxy" if prediction.get("no_galaxy") else "unsure" if prediction.get("unsure") else ""


def numbers_of(prediction: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a prediction without a class, by name: its values, then the vote fractions as ``question: answer``."""
    fractions = {
        f"{question}: {answer}": fraction
        for question, votes in prediction.get("votes", {}).items()
        for answer, fraction in votes["fractions"].items()
    }
    return dict(prediction.get("values", {})) | fractions
