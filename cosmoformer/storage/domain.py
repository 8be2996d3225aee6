"""Whether an image looks like a galaxy to a model, as results have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Domain:
    """Whether an image looks like a galaxy to the model.

    Attributes:
        in_domain: how much it looks like those that the model was trained on, 0 to 1.
        no_galaxy_below: what it takes not to be marked as no galaxy.
    """

    in_domain: float
    no_galaxy_below: float


def domain_members(domain: Domain | None) -> dict[str, Any]:
    """What a prediction says of it; nothing where the model does not tell."""
    if domain is None:
        return {}
    return {
        "in_domain": domain.in_domain,
        "no_galaxy": domain.in_domain < domain.no_galaxy_below,
        "no_galaxy_below": domain.no_galaxy_below,
    }
