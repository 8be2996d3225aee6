"""The schedule, the moving average, class weights and the order of galaxies."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from training.data.sampler import batch_rows, epoch_order
from training.loop.optimisation import MovingAverage, class_weights, learning_rate_at, make_optimiser, resolve_precision
from training.loop.recipe import Recipe, RecipeError
from training.models.crossformer import CrossFormerGraph, build

CPU = torch.device("cpu")


def test_the_learning_rate_rises_then_falls_to_zero() -> None:
    """A linear warm-up reaches the peak, the cosine passes its half in the middle and ends at zero."""
    recipe = Recipe(learning_rate=2.0, warmup=0.1)
    rates = [learning_rate_at(step, 1000, recipe) for step in range(1001)]
    assert rates[0] == pytest.approx(0.02)
    assert rates[99] == max(rates) == 2.0
    assert rates[550] == pytest.approx(1.0)
    assert rates[1000] == pytest.approx(0.0)


def test_the_learning_rate_may_fall_exponentially() -> None:
    """By the rate every so many steps, however long the run is (Tan 2023, equation 2); the first step has the highest."""
    recipe = Recipe(learning_rate=0.002, warmup=0.0, schedule="exponential", decay_rate=0.01, decay_steps=10_000)
    for steps in (1000, 30_000):
        assert learning_rate_at(0, steps, recipe) == 0.002
        assert learning_rate_at(500, steps, recipe) == pytest.approx(0.002 * 0.01**0.05)
    assert learning_rate_at(10_000, 30_000, recipe) == pytest.approx(0.00002)


def test_norms_and_biases_are_not_decayed() -> None:
    """Only matrices and kernels have weight decay, and every parameter is optimised."""
    model = CrossFormerGraph(build(5))
    decayed, others = make_optimiser(model, Recipe(weight_decay=0.1)).param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    norms = {id(value) for name, value in model.named_parameters() if name.endswith((".g", ".b", ".bias"))}
    assert norms <= {id(value) for value in others["params"]}
    assert len(decayed["params"]) + len(others["params"]) == len(list(model.parameters()))


def test_the_average_follows_and_forgets_the_start() -> None:
    """Weights that stay where they are become the average, whatever they were at first."""
    model = nn.Linear(2, 1)
    average = MovingAverage(model, decay=0.99)
    with torch.no_grad():
        model.weight.fill_(3.0)
    for _ in range(200):
        average.update()
    assert torch.allclose(average.weights["weight"], torch.full((1, 2), 3.0), atol=1e-3)


def test_class_weights_lift_rare_classes() -> None:
    """At power one all classes count the same in total, at zero every galaxy does; the mean over galaxies is one."""
    labels = torch.tensor([0] * 90 + [1] * 10 + [-1] * 50)
    equal = class_weights(labels, 2, Recipe(balance_power=1.0))
    assert torch.allclose(equal * torch.tensor([90.0, 10.0]), torch.tensor([50.0, 50.0]))
    assert torch.allclose(class_weights(labels, 2, Recipe(balance_power=0.0)), torch.ones(2))


def test_precision_is_what_the_device_can() -> None:
    """A CPU computes in fp32 unless told otherwise, and is never given fp16."""
    assert resolve_precision("auto", CPU) == torch.float32
    assert resolve_precision("bf16", CPU) == torch.bfloat16
    with pytest.raises(RecipeError, match="needs a GPU"):
        resolve_precision("fp16", CPU)


def test_an_epoch_shows_every_galaxy_once() -> None:
    """The order is a permutation, the same for the same seed and epoch and another for another."""
    order = epoch_order(100, seed=1, epoch=0)
    assert sorted(order) == list(range(100))
    assert np.array_equal(order, epoch_order(100, seed=1, epoch=0))
    assert not np.array_equal(order, epoch_order(100, seed=1, epoch=1))


def test_weighted_sampling_draws_rare_galaxies_more_often() -> None:
    """A galaxy with nine times the weight is drawn about nine times as often."""
    weights = np.array([1.0] * 900 + [9.0] * 100)
    drawn = np.concatenate([epoch_order(1000, 0, epoch, weights) for epoch in range(50)])
    assert (drawn >= 900).mean() == pytest.approx(0.5, abs=0.02)


def test_processes_share_a_batch() -> None:
    """The shares of all processes are disjoint and together the batch."""
    order = epoch_order(64, 0, 0)
    shares = [batch_rows(order, 2, 16, rank, 4) for rank in range(4)]
    assert {len(share) for share in shares} == {4}
    assert sorted(np.concatenate(shares)) == sorted(order[32:48])
