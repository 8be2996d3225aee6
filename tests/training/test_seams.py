"""Room for what comes: a model and a task of another kind are one new file each, and share everything else."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch

import training.models
import training.tasks
from cosmoformer.models import artifact
from cosmoformer.models.registry import ModelVersion
from cosmoformer.storage.facts import ImageFacts, Origin
from cosmoformer.storage.result_shape import schema
from functions.classify import predictor
from tests.training.galaxies import small_catalogue
from tests.training.toy import add_toy_model
from training import export
from training.data.splits import open_splits
from training.finish import finish
from training.loop.distributed import Place
from training.loop.job import Job
from training.loop.progress import Stop
from training.loop.recipe import Recipe
from training.loop.record import RunRecord
from training.loop.trainer import Trainer
from training.tasks import Task

FRACTIONS = '''
"""A toy: the first question's vote fractions, judged by their root mean square error."""

import numpy as np
import torch
from torch import nn

from training.augmentation.augment import MEAN, STD
from training.tasks.base import Task


class Shares(nn.Module):
    """Pixels to shares."""

    def __init__(self, core: nn.Module) -> None:
        super().__init__()
        self.core = core
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.core((images.float() / 255 - self.mean) / self.std), dim=1)


class Fractions(Task):
    """Vote fractions of one question."""

    @property
    def predicted(self):
        return self.targets

    def judged(self, table):
        return table[list(self.targets)].notna().all(axis=1)

    def teaching(self, labels, target_weight):
        return np.full(len(labels), True)

    def loss(self, outputs, labels, targets, **options):
        known = targets.isfinite().all(dim=1)
        return ((self.predictions(outputs[known]) - targets[known]) ** 2).mean()

    def predictions(self, outputs, temperature=1.0):
        return torch.softmax(outputs, dim=1)

    def judge(self, predictions, labels, targets):
        rmse = np.sqrt(((predictions - targets) ** 2).mean())
        return {"score": -rmse, "rmse": rmse}

    def calibrate(self, outputs, labels, targets):
        return 1.0

    def artifact_module(self, core, input_size, temperature):
        return Shares(core)


QUESTION = ("Class1.1", "Class1.2", "Class1.3")
TASK = Fractions("fractions", "clean5", (), files="gz_challenge-*.parquet", questions=(QUESTION,))
'''


@pytest.fixture
def fractions(tmp_path: Path) -> Iterator[Task]:
    """The task, as one more file where tasks are looked for, and the toy model likewise."""
    models, tasks = add_toy_model(tmp_path / "models"), tmp_path / "tasks"
    tasks.mkdir()
    (tasks / "fractions.py").write_text(FRACTIONS)
    training.tasks.__path__.append(str(tasks))
    yield training.tasks._find()["fractions"]
    training.models.__path__.remove(models)
    training.tasks.__path__.remove(str(tasks))
    sys.modules.pop("training.tasks.fractions")


def test_a_new_task_and_a_new_model_share_the_loop(fractions: Task, tmp_path: Path) -> None:
    """Vote fractions are learned from the same catalogue by the same loop, and the model is exported by the same code."""
    data = small_catalogue(tmp_path / "data", votes=True)
    caches = open_splits(fractions, data, tmp_path / "cache", 16, ("train", "val"))
    assert np.isfinite(caches["val"].targets).all()
    recipe = Recipe(model="toy", task="fractions", image_size=16, epochs=30, batch_size=8, learning_rate=0.05)
    place = Place(0, 1, torch.device("cpu"))
    (tmp_path / "run").mkdir()
    run = Trainer(Job(recipe, fractions, caches["train"], caches["val"], tmp_path / "run", place))
    val = caches["val"]
    start = fractions.judge(run.predict(run.average.weights, val), val.labels, val.targets)
    best = run.fit(Stop())
    end = fractions.judge(run.predict(best, val), val.labels, val.targets)
    assert end["rmse"] < start["rmse"]
    assert Trainer(run.job).progress.best_score == -end["rmse"]
    content = export.export(best, recipe, fractions, val, "run", caches["train"].version)
    model = artifact.load(content)
    assert model.metadata.names == fractions.targets and model.metadata.classes == ()
    shares = model.predict(val.images(slice(None))).double().numpy()
    assert np.allclose(shares, run.predict(best, val), atol=1e-5)
    record = RunRecord(tmp_path / "run", "fractions", {}, {})
    finish(run, best, data, tmp_path / "cache", record)
    record.finish("FINISHED")
    assert '"test_rmse"' in (tmp_path / "run" / "metrics.jsonl").read_text()
    assert (tmp_path / "run" / "artifacts" / "model.pt").exists()
    report = json.loads((tmp_path / "run" / "artifacts" / "report.json").read_text())  # what registering takes
    assert report["metrics"]["test_rmse"] > 0
    assert report["tags"]["task"] == "fractions"


@pytest.mark.parametrize("balance", ["weights", "sampling"])
def test_a_task_without_classes_takes_any_recipe(fractions: Task, tmp_path: Path, balance: str) -> None:
    """Where there are no classes to balance, a recipe that balances them trains all the same."""
    data = small_catalogue(tmp_path / "data", votes=True)
    caches = open_splits(fractions, data, tmp_path / "cache", 16, ("train", "val"))
    recipe = Recipe(model="toy", task="fractions", image_size=16, epochs=1, batch_size=8, class_balance=balance)
    place = Place(0, 1, torch.device("cpu"))
    (tmp_path / "run").mkdir()
    run = Trainer(Job(recipe, fractions, caches["train"], caches["val"], tmp_path / "run", place))
    run.fit(Stop())
    assert run.progress.judged == 1


def test_a_task_that_is_no_classification_is_served(fractions: Task, tmp_path: Path) -> None:
    """Its artifact says that it gives values, and the classify function's predictor makes a valid result of them."""
    data = small_catalogue(tmp_path / "data", votes=True)
    val = open_splits(fractions, data, tmp_path / "cache", 16, ("val",))["val"]
    weights = training.models.find("toy").build(fractions.outputs, 16).state_dict()
    model = artifact.load(export.export(weights, Recipe(model="toy", image_size=16), fractions, val, "run", "data"))
    assert [value.name for value in model.metadata.values] == list(fractions.targets)
    outputs = predictor.predict(model, predictor.preprocess(val.images(slice(1))[0].permute(1, 2, 0).numpy()))
    version = ModelVersion("fractions", 1, "", "mlflow-artifacts:/m", model.sha256)
    image, origin = ImageFacts(None, None, None, 3, None), Origin(None, None, None, datetime.now(UTC))
    result = predictor.classification(image, outputs, model, version, origin, unsure_below=0.7, no_galaxy_below=0.5)
    jsonschema.validate(json.loads(json.dumps(result)), schema())
    assert result["prediction"]["task"] == "fractions"
    assert tuple(result["prediction"]["values"]) == fractions.targets
