"""Frozen features: only the last layer learns, and statistics stay those that the weights go with."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import training.models
from tests.training.loop.small_runs import job
from tests.training.toy import add_toy_model
from training.loop.initial_weights import Start
from training.loop.last_layer import LastLayer, freeze_features, to_training
from training.loop.progress import Stop
from training.loop.trainer import Trainer


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.5), nn.Linear(36, 5))


def test_only_the_last_layer_learns() -> None:
    """All else has no gradient, its batch norm keeps its statistics in training, and dropout acts as before."""
    model = network()
    freeze_features(model, 5)
    to_training(model)
    before = model[1].running_mean.clone()
    images = torch.rand(8, 3, 5, 5)
    assert not torch.equal(model(images), model(images))
    assert torch.equal(model[1].running_mean, before)
    assert [name for name, parameter in model.named_parameters() if parameter.requires_grad] == ["4.weight", "4.bias"]
    thawed = network()
    to_training(thawed)
    thawed(images)
    assert not torch.equal(thawed[1].running_mean, before)


def test_a_model_without_one_last_layer_says_so() -> None:
    """There is none with so many outputs, or several of which none comes last."""
    with pytest.raises(ValueError, match="expected one last layer with 7 outputs, found 0"):
        LastLayer.of(network(), 7)
    with pytest.raises(ValueError, match="expected one last layer with 5 outputs, found 0"):
        LastLayer.of(nn.Sequential(network(), nn.Linear(5, 5), nn.Linear(5, 2)), 5)


@pytest.mark.parametrize("outputs", [1, 2, 8, 16, 32, 64])
def test_a_crossformer_has_one_last_layer(outputs: int) -> None:
    """Whatever layers inside have as many outputs, in the form for training and in that for inference."""
    kind = training.models.find("crossformer")
    trained = kind.build(outputs, 64)
    for model in (trained, kind.for_inference(trained)):
        name, layer = (last := LastLayer.of(model, outputs)).name, last.layer
        assert (layer.in_features, layer.out_features) == (256, outputs) and "to_logits" in name


def test_a_run_with_frozen_features_leaves_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After a run they are bit for bit those that it began with; ones that nobody taught are warned of."""
    add_toy_model(tmp_path / "models")
    frozen = job(tmp_path / "run", model="toy_with_statistics", freeze=True, epochs=1)
    caplog.set_level(logging.WARNING)
    start = {name: value.clone() for name, value in Trainer(frozen).model.state_dict().items()}
    assert "the features are frozen, and fresh" in caplog.text
    caplog.clear()
    run = Trainer(replace(frozen, start=Start(start, "weights/start.pt")))
    run.fit(Stop())
    assert not caplog.text
    end = run.model.state_dict()
    assert [name for name in start if not torch.equal(start[name], end[name])] == ["5.weight", "5.bias"]
