"""timm's backbones: found by name, built for the task, exported as any model is, and never needed by what serves."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import torch

from training import models
from training.loop import recipe
from training.loop.initial_weights import start_from

LITE = "timm/tf_efficientnet_lite0"


@pytest.mark.parametrize(
    ("name", "size"),
    [
        (LITE, 64),
        ("timm/vit_tiny_patch16_224", 96),
        ("timm/vit_small_patch14_dinov2.lvd142m", 56),
        ("timm/resnet18.tv_in1k", 32),
        ("timm/densenet121", 32),
        ("timm/convnext_atto", 32),
    ],
)
def test_a_backbone_is_built_for_outputs_and_side(name: str, size: int) -> None:
    """Convolutional networks and transformers, whose side is fixed when they are made, give the task's outputs."""
    network = models.find(name).load(7, size, models.find(name).build(7, size).state_dict())
    assert network(torch.zeros(2, 3, size, size)).shape == (2, 7)


def test_the_backbones_that_recipes_name_exist() -> None:
    """Also those that a comment proposes: timm knows them, and the weights by their tags."""
    named = {
        name.rstrip(".")
        for file in recipe.FOLDER.glob("*.toml")
        for name in re.findall(r"timm/[\w.]+", file.read_text(encoding="utf-8"))
    }
    assert {"timm/resnet101.tv_in1k", "timm/vit_base_patch14_reg4_dinov2.lvd142m", LITE} < named
    for name in named:
        assert models.find(name).name == name


def test_a_wrong_name_names_near_ones() -> None:
    """A slip in a name is answered with names that exist."""
    with pytest.raises(ValueError, match=r"no network 'tf_efficientnet_light0'; there are tf_efficientnet_lite"):
        models.find("timm/tf_efficientnet_light0")
    with pytest.raises(ValueError, match=r"no network 'resnet18.imagenet'; there are resnet18\."):
        models.find("timm/resnet18.imagenet")
    with pytest.raises(ValueError, match=r"unknown model 'timm'; there are .*crossformer, .*timm/…"):
        models.find("timm")


def test_images_are_made_of_whole_patches() -> None:
    """A side that leaves part of a patch over is refused, not cut off."""
    with pytest.raises(ValueError, match="has patches of 16 pixels: expected a multiple of that, got 72"):
        models.find("timm/vit_tiny_patch16_224").build(5, 72)


def test_a_position_embedding_fits_another_side() -> None:
    """A transformer's weights of one side start one of another: positions are resampled, not left fresh; all else stays."""
    kind = models.find("timm/vit_tiny_patch16_224")
    large, small = kind.build(5, 96), kind.build(5, 64)
    weights = kind.adapted(small, large.state_dict())
    assert start_from(small, weights) == []
    assert torch.equal(small.state_dict()["pos_embed"][:, :1], large.state_dict()["pos_embed"][:, :1])  # of no place
    assert weights["pos_embed"].shape == (1, 1 + 16, 192)
    assert kind.adapted(large, large.state_dict()).keys() == large.state_dict().keys()


def test_a_backbone_of_one_side_takes_no_other() -> None:
    """Sides that grow are refused where positions are learned."""
    kind = models.find("timm/vit_tiny_patch16_224")
    with pytest.raises(ValueError, match="takes images of one side only"):
        kind.look_at(kind.build(5, 64), 96)


def test_chances_to_drop_act_or_are_refused() -> None:
    """Dropout and stochastic depth change what is computed while training; a network without the latter says so."""
    images = torch.randn(4, 3, 64, 64)
    network = models.find(LITE).build(5, 64, drop_path=0.5, dropout=0.5).train()
    assert not torch.equal(network(images), network(images))
    with pytest.raises(ValueError, match="timm/vgg11 cannot be made with drop_rate, drop_path_rate"):
        models.find("timm/vgg11").build(5, 64, drop_path=0.5)


def test_only_timm_has_pretrained_weights() -> None:
    """A model that is none of timm's says that there is nothing to fetch."""
    with pytest.raises(ValueError, match="crossformer has no pretrained weights: only timm/… have"):
        models.pretrained("crossformer")


def test_nothing_else_imports_timm() -> None:
    """The training command and its models load without it, and so do the functions."""
    code = "import sys, training.train, functions.classify.predictor; sys.exit('timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
