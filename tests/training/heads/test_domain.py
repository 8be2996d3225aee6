"""The score of what is no galaxy: what it is learned from, where 0.5 is, and what it costs the other outputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import training.models
from cosmoformer.models import artifact
from cosmoformer.models.outputs import DOMAIN
from tests.training.galaxies import CLEAN5, small_catalogue
from training.augmentation.augment import normalise, scaled
from training.data.cache import ImageCache
from training.data.splits import open_splits
from training.distillation.teachers import open_teacher
from training.evaluation.inference import outputs
from training.export import export
from training.heads.domain import DomainRecipe, drawing, elsewhere, learn
from training.heads.last_layer import open_artifact, task_of
from training.loop import checkpoint
from training.loop.last_layer import LastLayer
from training.loop.recipe import Recipe

SIDE = 16
FEW = DomainRecipe(pictures=60, galaxies=30, flagged=0.1)
CPU = torch.device("cpu")
Splits = dict[str, ImageCache]


pytestmark = pytest.mark.usefixtures("toy_model")


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Splits:
    data = small_catalogue(tmp_path_factory.mktemp("data"), per_class=12, votes=True)
    return open_splits(CLEAN5, data, data / "cache", SIDE, ("train", "val"))


@pytest.fixture(scope="module")
def exported(splits: Splits, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One run's artifact with votes, without the score and with it."""
    torch.manual_seed(0)
    weights = training.models.find("toy").build(CLEAN5.outputs, SIDE).state_dict()
    folder = tmp_path_factory.mktemp("artifacts")
    for name, pictures in (("without.pt", 0), ("with.pt", 60)):
        recipe = Recipe(model="toy", image_size=SIDE, target_weight=1.0, foreign_pictures=pictures)
        content = export(weights, recipe, CLEAN5, splits["val"], "run", "data", train=splits["train"])
        (folder / name).write_bytes(content)
    return folder / "without.pt", folder / "with.pt"


def test_a_run_teaches_it_and_nothing_else_changes(exported: tuple[Path, Path], splits: Splits) -> None:
    """The artifact gives one more value, from 0 to 1; all others are the same, bit for bit."""
    without, with_score = (artifact.load(path.read_bytes()) for path in exported)
    assert (without.metadata.values, with_score.metadata.values) == ((), (DOMAIN,))
    assert with_score.metadata.names == (*without.metadata.names, "in_domain")
    told = outputs(with_score, splits["val"])
    assert np.array_equal(told[:, :-1], outputs(without, splits["val"]))
    assert 0 < told[:, -1].min() < told[:, -1].max() < 1


def test_half_is_where_the_recipe_says(splits: Splits) -> None:
    """As many of the validation split's galaxies have less than 0.5 as asked for; pictures of other kinds mostly have."""
    torch.manual_seed(0)
    model = training.models.find("toy").build(CLEAN5.outputs, SIDE).eval()
    trunk = LastLayer.of(model, CLEAN5.outputs).trunk(model)
    row = learn(trunk, CLEAN5, splits["train"], splits["val"], FEW)
    assert (row.weight.shape, row.bias.shape) == ((1, 48), (1,))
    known = np.flatnonzero(~(splits["val"].targets[:, CLEAN5.targets.index("Class1.3")] > 0.5))
    images = splits["val"].images(known).float() / 255
    with torch.inference_mode():
        scores = (trunk(normalise(images)) @ row.weight.T + row.bias).sigmoid()
    assert (scores < 0.5).float().mean() == pytest.approx(FEW.flagged, abs=1 / len(images))


def test_what_volunteers_took_for_an_artifact_is_no_galaxy_to_learn_from(splits: Splits) -> None:
    """Galaxies of the training split that most saw a star or an artifact in change nothing, whatever they show."""
    torch.manual_seed(0)
    model = training.models.find("toy").build(CLEAN5.outputs, SIDE).eval()
    trunk = LastLayer.of(model, CLEAN5.outputs).trunk(model)
    train, rows = splits["train"], {}
    column = CLEAN5.targets.index("Class1.3")
    for brightness in (0, 255):
        pixels, targets = np.array(train.pixels), np.nan_to_num(train.targets)
        targets[:, column] = 0.0
        targets[:5, column], pixels[:5] = 0.9, brightness
        changed = replace(train, pixels=pixels, targets=targets)
        rows[brightness] = learn(trunk, CLEAN5, changed, splits["val"], FEW)
    assert torch.equal(rows[0].weight, rows[255].weight)


def test_training_starts_and_teaches_without_the_score(exported: tuple[Path, Path], splits: Splits) -> None:
    """Weights that a run starts from, and what a teacher says, are those of the artifact without it."""
    one, other = (checkpoint.weights_of(path) for path in exported)
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    images = splits["val"].images(slice(3))
    said = [open_teacher(path, CPU).tell(scaled(images, images.shape[-1])) for path in exported]
    assert said[0].shape == (3, 42) and torch.equal(*said)


def test_an_artifact_is_opened_with_the_rows_that_it_has(exported: tuple[Path, Path]) -> None:
    """Its last layer has the score's row too, and its task tells what the artifact tells."""
    for path, rows in zip(exported, (42, 43), strict=True):
        task = task_of(artifact.load(path.read_bytes()))
        assert len(task.values) == rows - 42 and task.fractions
        opened = open_artifact(path, task, "toy")
        assert opened.last.layer.out_features == rows
        assert opened.trunk(torch.zeros(2, 3, SIDE, SIDE)).shape == (2, 48)


@pytest.mark.parametrize(("model", "count"), [("toy", 48), ("toy_without_last_layer", 5)])
def test_a_model_without_a_last_layer_is_left_alone(
    splits: Splits, caplog: pytest.LogCaptureFixture, model: str, count: int
) -> None:
    """The run's artifact comes without the score, and the log says so; of two layers with as many outputs the last one counts."""
    classes = tuple(f"class {number}" for number in range(count))
    task = replace(CLEAN5, classes=classes, questions=(), tree=None)
    val = replace(splits["val"], classes=classes, targets=splits["val"].targets[:, :0])
    weights = training.models.find(model).build(count, SIDE).state_dict()
    recipe = Recipe(model=model, image_size=SIDE, foreign_pictures=20)
    made = artifact.load(export(weights, recipe, task, val, "run", "data", train=val))
    assert (DOMAIN in made.metadata.values) is (model == "toy")
    told = f"does not tell what is no galaxy: expected one last layer with {count} outputs, found 0"
    assert (told in caplog.text) is (model != "toy")


def test_pictures_are_each_their_own() -> None:
    """A picture depends on its number and the seed alone, so that threads may draw them in any order; half are JPEGs."""
    draw = drawing(0)
    assert np.array_equal(draw(17), drawing(0)(17)) and not np.array_equal(draw(17), drawing(1)(17))
    assert {draw(number).shape for number in (5, 15)} == {(224, 224, 3)}


def test_galaxies_of_elsewhere_are_larger_and_of_other_colours() -> None:
    """A disc grows, by itself the same way each time, and grey is grey no more."""
    y, x = np.mgrid[:64, :64] - 31.5
    disc = np.where(np.hypot(x, y) < 12, 200, 10).astype(np.uint8)
    images = torch.from_numpy(np.broadcast_to(disc, (8, 3, 64, 64)).copy())
    rows = np.arange(8)
    seen = elsewhere(0)(images, rows)
    assert torch.equal(seen, elsewhere(0)(images, rows)) and not torch.equal(seen[0], seen[1])
    areas = [(image > image.float().mean()).float().mean().item() for image in seen]
    assert all(area > (disc > 100).mean() * 0.98 for area in areas) and max(areas) > 2 * (disc > 100).mean()
    assert all((image[0] != image[2]).any() for image in seen)
