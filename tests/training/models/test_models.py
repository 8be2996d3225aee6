"""CrossFormer in the form that is trained, against vit-pytorch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from training import models
from training.loop.last_layer import LastLayer
from training.models.crossformer import MODEL, CrossFormerGraph, CrossFormerSize, build

#: Every operation of the model once in each of its stages: to capture a graph takes time for each of them.
SHALLOW = CrossFormerSize(depth=(1, 1, 1, 1))


@pytest.mark.parametrize("size", [64, 112, 160, 224])
def test_the_graph_computes_vit_pytorchs_function(size: int) -> None:
    """The channels-last graph gives the logits of vit-pytorch's CrossFormer, folded or not."""
    torch.manual_seed(1)
    reference = build(5, size).eval()
    for parameter in reference.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    images = torch.randn(3, 3, size, size)
    with torch.no_grad():
        expected = reference(images)
        assert torch.allclose(CrossFormerGraph(reference).eval()(images), expected, atol=2e-5, rtol=1e-4)
        assert torch.allclose(MODEL.for_inference(CrossFormerGraph(reference))(images), expected, atol=2e-5, rtol=1e-4)


def test_the_graph_has_vit_pytorchs_gradients() -> None:
    """Training through the graph is training CrossFormer: every parameter gets the gradient it would get there."""
    torch.manual_seed(2)
    model = build(5, 112)
    images, labels = torch.randn(2, 3, 112, 112), torch.tensor([0, 3])
    names = [name for name, _ in model.named_parameters()]
    gradients = []
    for function in (model, CrossFormerGraph(model)):
        loss = torch.nn.functional.cross_entropy(function(images), labels)
        gradients.append(torch.autograd.grad(loss, list(model.parameters()), allow_unused=True))
    for name, expected, got in zip(names, *gradients, strict=True):
        if expected is None or got is None:  # of a window of one token: softmax over it is 1, whatever the bias is
            assert not any(part is not None and part.abs().max() > 1e-6 for part in (expected, got)), name
        else:
            assert torch.allclose(expected, got, atol=1e-4, rtol=1e-3), name


def test_the_graph_can_be_captured_whole() -> None:
    """As training on a GPU compiles it: one graph with its gradient, mixed precision and stochastic depth, without a break."""
    torch.manual_seed(3)
    model = CrossFormerGraph(build(5, 112, SHALLOW), drop_path=0.2).train()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    images = torch.randn(2, 3, 112, 112)
    losses = []
    for function in (model, compiled):
        torch.manual_seed(4)
        with torch.autocast("cpu", torch.bfloat16):
            losses.append(function(images).float().square().mean())
    losses[1].backward()
    assert torch.allclose(losses[0], losses[1], rtol=0.05)
    assert all(torch.isfinite(value.grad).all() for value in model.parameters() if value.grad is not None)


def test_the_model_has_the_size_of_the_thesis() -> None:
    """With eight classes the model has the thesis's 5,497,980 parameters."""
    assert sum(parameter.numel() for parameter in build(8).parameters()) == 5_497_980


def test_dropout_and_stochastic_depth_act_in_training_only() -> None:
    """While training two passes differ, for each of the two alone; afterwards none."""
    images = torch.randn(2, 3, 112, 112)
    kind = models.find("crossformer")
    for chances in ({"drop_path": 0.5}, {"dropout": 0.5}):
        model = kind.build(5, 112, **chances).train()
        assert not torch.equal(model(images), model(images))
        model.eval()
        assert torch.equal(model(images), model(images))


def test_an_unknown_model_or_size_is_named() -> None:
    """A model that does not exist lists those that do, a size that does not fit lists those that fit."""
    with pytest.raises(ValueError, match=r"unknown model 'resnet'; there are .*crossformer"):
        models.find("resnet")
    with pytest.raises(ValueError, match=r"\[64, 112, 160, 224\], got 100"):
        build(5, 100)


@pytest.mark.parametrize("name", ["crossformer", "timm/tf_efficientnet_lite0", "timm/vit_tiny_patch16_224"])
@pytest.mark.parametrize("is_symmetric", [False, True])
def test_a_model_shows_its_maps(name: str, is_symmetric: bool) -> None:
    """Beside the very outputs that it gives without; from the first stage to the pooled features that the last layer is given."""
    torch.manual_seed(7)
    plain = models.find(name)
    kind = plain.in_symmetric_range() if is_symmetric else plain
    model = kind.build(5, 112).eval()
    assert kind.with_maps is not None
    images = torch.randn(2, 3, 112, 112)
    with torch.no_grad():
        outputs, maps = kind.with_maps(model)(images)
        assert torch.allclose(outputs, model(images), atol=1e-5)
        assert torch.allclose(LastLayer.of(model, 5).layer(maps[-1].flatten(1)), outputs, atol=1e-5)
    sides = [one.shape[-1] for one in maps]
    assert sides == sorted(sides, reverse=True) and sides[-1] == 1 and len(sides) > 4


def test_a_network_without_maps_says_so() -> None:
    """It cannot guide, and is named."""
    kind = models.find("timm/tf_efficientnet_lite0")
    assert kind.with_maps is not None
    with pytest.raises(ValueError, match="no feature maps of Linear"):
        kind.with_maps(nn.Linear(1, 1))
    distilled = models.find("timm/deit_tiny_distilled_patch16_224")  # two last layers
    assert distilled.with_maps is not None
    with pytest.raises(ValueError, match="no feature maps of VisionTransformerDistilled"):
        distilled.with_maps(distilled.build(5, 64))


@pytest.mark.parametrize("size", [64, 160])
def test_a_model_looks_at_another_side(size: int) -> None:
    """Brought from one side to another and back, a model computes what one built for that side does."""
    torch.manual_seed(5)
    kind = models.find("crossformer")
    model = kind.build(5, 112).eval()
    other = kind.load(5, size, model.state_dict())
    images, own = torch.randn(2, 3, size, size), torch.randn(2, 3, 112, 112)
    with torch.no_grad():
        before = model(own)
        kind.look_at(model, size)
        assert torch.equal(model(images), other(images))
        kind.look_at(model, 112)
        assert torch.equal(model(own), before)


def test_a_compiled_model_follows_to_another_side() -> None:
    """As training on a GPU does with sides that grow: the compiled model gives what the plain one gives at each, in one graph."""
    torch.manual_seed(6)
    model = CrossFormerGraph(build(5, 112, SHALLOW)).train()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True, dynamic=False)
    for size in (64, 112):
        MODEL.look_at(model, size)
        images = torch.randn(2, 3, size, size)
        assert torch.allclose(compiled(images), model(images), atol=1e-5)
