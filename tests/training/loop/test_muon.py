"""Muon for hidden matrices, AdamW for the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from training.loop.muon import MuonAndAdamW
from training.loop.optimisation import make_optimiser, set_learning_rate
from training.loop.recipe import Recipe, RecipeError
from training.models.crossformer import CrossFormerGraph, build

RATE = 0.01
RECIPE = Recipe(optimiser="muon", learning_rate=RATE, weight_decay=0.0)


class Block(nn.Module):
    """A linear layer, a 1x1 convolution, a larger one, a norm and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(48, 64)
        self.pointwise = nn.Conv2d(64, 32, 1)
        self.wide = nn.Conv2d(3, 48, 3)
        self.norm = nn.LayerNorm(48)
        self.head = nn.Linear(64, 32)


def updates(model: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """How each weight moves in one step along random gradients."""
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    for value in model.parameters():
        value.grad = torch.randn_like(value)
    optimiser.step()
    return {name: value.detach() - before[name] for name, value in model.named_parameters()}


def spread_of(matrix: Tensor) -> float:
    """Largest over smallest singular value."""
    values = torch.linalg.svdvals(matrix.squeeze())
    return float(values.max() / values.min())


def test_hidden_matrices_move_alike_in_all_directions() -> None:
    """An update by Muon has singular values of about one size; a head's or a larger kernel's has the size of AdamW's step."""
    torch.manual_seed(0)
    model = Block()
    moved = updates(model, make_optimiser(model, RECIPE))
    for name in ("linear.weight", "pointwise.weight"):
        assert spread_of(moved[name]) < 2
        assert float(moved[name].square().mean().sqrt()) == pytest.approx(0.2 * RATE, rel=0.35)
    assert spread_of(moved["head.weight"]) > 4
    for name in ("head.weight", "wide.weight", "norm.bias", "linear.bias"):
        assert torch.allclose(moved[name].abs(), torch.full_like(moved[name], RATE), rtol=0.01)


def test_every_parameter_is_optimised_once() -> None:
    """All parameters stand in one group each, and nearly all of a CrossFormer's are Muon's."""
    model = CrossFormerGraph(build(5))
    groups = make_optimiser(model, RECIPE).param_groups
    listed = [id(value) for group in groups for value in group["params"]]
    assert sorted(listed) == sorted(id(value) for value in model.parameters())
    share = sum(value.numel() for value in groups[0]["params"]) / sum(value.numel() for value in model.parameters())
    assert share > 0.85


def test_a_learning_rate_of_zero_moves_nothing() -> None:
    """The schedule reaches both optimisers."""
    model = Block()
    optimiser = make_optimiser(model, RECIPE)
    set_learning_rate(optimiser, 0.0)
    assert not any(value.any() for value in updates(model, optimiser).values())


def test_a_weight_without_a_gradient_stays() -> None:
    """What a step did not reach is left as it is, also where an earlier step reached it."""
    torch.manual_seed(0)
    model = Block()
    optimiser = make_optimiser(model, RECIPE)
    updates(model, optimiser)
    optimiser.zero_grad()
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    optimiser.step()
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_a_gradient_scaler_skips_what_overflowed(optimiser: str) -> None:
    """As fp16 needs it: gradients are scaled back before the step, and a step with one that is no number is left out."""
    torch.manual_seed(0)
    model = Block()
    made = make_optimiser(model, replace(RECIPE, optimiser=optimiser))
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    scaler.scale(torch.zeros(()))  # makes its state
    for overflows in (False, True):
        before = {name: value.detach().clone() for name, value in model.named_parameters()}
        for value in model.parameters():
            value.grad = torch.randn_like(value) * 1024
        if overflows:
            model.norm.bias.grad = torch.full((48,), torch.inf)
        scaler.unscale_(made)
        assert model.linear.weight.grad is not None and model.linear.weight.grad.std() < 2
        scaler.step(made)
        scaler.update()
        assert all(torch.equal(value, before[name]) == overflows for name, value in model.named_parameters())
    assert scaler.get_scale() == 512


def test_a_model_without_hidden_matrices_is_refused() -> None:
    """AdamW in its place would not be what the recipe says."""
    with pytest.raises(RecipeError, match="use adamw"):
        make_optimiser(nn.Linear(64, 64), RECIPE)


def test_a_closure_is_refused() -> None:
    """It would be called in vain."""
    optimiser = MuonAndAdamW([nn.Parameter(torch.zeros(32, 32))], [{"params": nn.Parameter(torch.zeros(1))}], 0.1, 0.0)
    with pytest.raises(NotImplementedError, match="no closure"):
        optimiser.step(lambda: 0.0)
