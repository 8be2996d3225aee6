"""How a run's epochs are laid out: sides that grow, and a schedule that fits into the time there is."""

from __future__ import annotations

import pytest

from training.loop.checkpoint import Progress
from training.loop.recipe import Recipe
from training.loop.schedule import epochs_that_fit, planned, side_of

GROWING = Recipe(image_size=112, epochs=1000, sides=((56, 0.5), (84, 0.75)))


def test_sides_grow_with_the_epochs() -> None:
    """Each side has its share of the epochs, however many there are, and the last is the recipe's."""
    assert [side_of(epoch, 8, GROWING) for epoch in range(8)] == [56, 56, 56, 56, 84, 84, 112, 112]
    assert [side_of(epoch, 2, GROWING) for epoch in range(2)] == [56, 84]
    assert side_of(0, 8, Recipe(image_size=112)) == 112


@pytest.mark.parametrize(("left_s", "epochs"), [(0, 3), (9.9, 3), (10, 4), (95, 12), (1e9, 20)])
def test_as_many_epochs_fit_as_the_time_has_room_for(left_s: float, epochs: int) -> None:
    """With three behind and ten seconds each, the rest is whole epochs, and never more than the recipe has."""
    assert epochs_that_fit(3, left_s, {112: 10.0}, Recipe(image_size=112, epochs=20)) == epochs


def test_sides_that_were_not_seen_yet_cost_by_their_pixels() -> None:
    """After one quick epoch on small images, the dear ones to come are reckoned with; what was measured counts for more."""
    fit = epochs_that_fit(1, 100.0, {56: 1.0}, GROWING)
    costs = {56: 1.0, 84: 2.25, 112: 4.0}
    for epochs, is_enough in ((fit, True), (fit + 2, False)):
        needed = sum(costs[side_of(epoch, epochs, GROWING)] for epoch in range(1, epochs))
        assert (needed <= 100) is is_enough
    assert epochs_that_fit(1, 100.0, {56: 1.0, 112: 1.0}, GROWING) > fit


def test_without_minutes_or_a_measured_epoch_the_recipe_decides() -> None:
    """The plan is 0, the recipe's number, until there is something to reckon with."""
    measured = Progress(epoch_s={112: 6.0}, spent_s=60.0)
    assert planned(measured, 10, Recipe(image_size=112, epochs=1000)) == 0
    assert planned(Progress(), 0, Recipe(image_size=112, epochs=1000, minutes=2)) == 0
    assert planned(measured, 10, Recipe(image_size=112, epochs=1000, minutes=2)) == 20
