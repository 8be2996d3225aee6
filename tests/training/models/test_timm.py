"""timm's backbones: found by name, built for the task, exported as any model is, and never needed by what serves."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from training import models

LITE = "timm/tf_efficientnet_lite0"


@pytest.mark.parametrize(("name", "size"), [(LITE, 64), ("timm/vit_tiny_patch16_224", 96)])
def test_a_backbone_is_built_for_outputs_and_side(name: str, size: int) -> None:
    """A convolutional network and a transformer, whose side is fixed when it is made, give the task's outputs."""
    network = models.find(name).load(7, size, models.find(name).build(7, size).state_dict())
    assert network(torch.zeros(2, 3, size, size)).shape == (2, 7)


def test_a_wrong_name_names_near_ones() -> None:
    """A slip in a name is answered with names that exist."""
    with pytest.raises(ValueError, match=r"no network 'tf_efficientnet_light0'; there are tf_efficientnet_lite"):
        models.find("timm/tf_efficientnet_light0")
    with pytest.raises(ValueError, match=r"unknown model 'timm'; there are crossformer, timm/…"):
        models.find("timm")


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
