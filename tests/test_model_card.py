"""The model card quotes the figures that were measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CARD = (ROOT / "mlflow" / "model-card.md").read_text(encoding="utf-8")
MEASURED = json.loads((ROOT / "cosmoformer" / "bundled" / "model.json").read_text())


@pytest.mark.parametrize("name", [name for name in MEASURED["metrics"] if name != "test_images"])
def test_every_measured_figure_is_in_the_card(name: str) -> None:
    """Each figure of the evaluation stands in the card, to the last digit."""
    assert str(MEASURED["metrics"][name]) in CARD


def test_the_card_names_data_and_temperature() -> None:
    """The card belongs to the bundled artifact: its data version and temperature are the artifact's."""
    assert MEASURED["tags"]["data_version"] in CARD
    assert MEASURED["params"]["temperature"] in CARD
