"""What teachers say of a training split: the mean over teachers and views, computed once, for each galaxy its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.galaxies import small_catalogue
from training.augmentation.augment import scaled
from training.data.cache import ImageCache
from training.data.splits import open_splits
from training.distillation.lesson import lesson, live_lesson
from training.distillation.teachers import Teacher, open_teacher
from training.export import export
from training.loop import checkpoint
from training.loop.distributed import Place
from training.loop.job import Job
from training.loop.progress import Stop
from training.loop.recipe import Recipe
from training.loop.trainer import Trainer
from training.tasks import TASKS, Task

CPU = torch.device("cpu")
CLEAN5 = TASKS["clean5"].looking_at(0.5283)
RECIPE = Recipe(model="toy", image_size=16, crop=0.5283, epochs=2, batch_size=4, target_weight=1.0)


pytestmark = pytest.mark.usefixtures("toy_model")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_catalogue(tmp_path_factory.mktemp("data"), votes=True)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run: its checkpoint, and its artifact ``model.pt``."""
    folder = tmp_path_factory.mktemp("run")
    caches = open_splits(CLEAN5, data, data / "cache", 16, ("train", "val"))
    trainer = Trainer(Job(RECIPE, CLEAN5, caches["train"], caches["val"], folder, Place(0, 1, CPU)))
    best = trainer.fit(Stop())
    (folder / "model.pt").write_bytes(export(best, RECIPE, CLEAN5, caches["val"], "run", "version"))
    return folder


@pytest.fixture
def train(data: Path) -> ImageCache:
    return open_splits(CLEAN5, data, data / "cache", 16, ("train",), every=True)["train"]


def none(task: Task, side: int) -> ImageCache:
    raise AssertionError(f"no other images are needed, asked for {task.kept} at {side}")


def teaching(first: float, name: str = "t", votes: float = np.nan) -> Teacher:
    """One that says the same of every galaxy, whatever it sees."""
    says = torch.tensor([first, *[(1 - first) / 4] * 4, *[votes] * 37])
    return Teacher(name, name * 16, CLEAN5, 16, CPU, lambda images: says.repeat(len(images), 1))


def test_an_artifact_and_its_checkpoint_say_the_same(run: Path, train: ImageCache, tmp_path: Path) -> None:
    """Votes included; the artifact's class probabilities are those that it serves, at its temperature."""
    artifact, state = (open_teacher(run / name, CPU) for name in ("model.pt", checkpoint.NAME))
    assert (artifact.side, artifact.task.kept, artifact.task.outputs) == (16, CLEAN5.kept, 42)
    assert (state.side, state.task.kept, state.task.classes) == (16, CLEAN5.kept, CLEAN5.classes)
    images = train.images(slice(0, 6))
    told, others = (teacher.tell(scaled(images, 16)) for teacher in (artifact, state))
    from cosmoformer.models.artifact import load

    served = load((run / "model.pt").read_bytes()).module.cropped(images)
    assert torch.allclose(told[:, :5], served[:, :5], atol=1e-6)
    assert torch.allclose(told[:, 5:], others[:, 5:], atol=1e-5)
    answers = lesson([artifact], CLEAN5, train, none, views=1, folder=tmp_path).answers
    assert np.allclose(answers[:6], told.numpy(), atol=1e-6)


def test_an_ensemble_is_the_mean_and_votes_are_those_of_whom_gives_them(train: ImageCache, tmp_path: Path) -> None:
    """Probabilities are averaged over all teachers, votes over those who have them, and the names are told without paths."""
    found = lesson(
        [teaching(0.9, "a"), teaching(0.5, "b", 0.3)], CLEAN5, train, none, views=2, folder=tmp_path / "kept"
    )
    assert found.answers.shape == (len(train.labels), 42)
    assert np.allclose(found.answers[:, 0], 0.7)
    assert np.allclose(found.answers[:, 5:], 0.3)
    assert found.told == f"('a (SHA-256 {'a' * 16}…)', 'b (SHA-256 {'b' * 16}…)')"
    alone = lesson([teaching(0.9, "a")], CLEAN5, train, none, views=2, folder=tmp_path / "kept")
    assert np.isnan(alone.answers[:, 5:]).all()


def test_views_are_averaged_and_kept(train: ImageCache, tmp_path: Path) -> None:
    """Each view of each teacher is computed once: other teachers, or more views, cost only what is new."""
    seen: list[int] = []

    def corner(images: torch.Tensor) -> torch.Tensor:
        seen.append(len(images))
        bright = images[:, :1, 0, 0]
        return torch.cat([bright, (1 - bright) / 4 * torch.ones(1, 4), torch.full((len(images), 37), torch.nan)], dim=1)

    turning = replace(teaching(0.5, "c"), tell=corner)
    answers = lesson([turning], CLEAN5, train, none, views=8, folder=tmp_path).answers
    corners = train.pixels[:, [0, 0, -1, -1], [0, -1, 0, -1], 0].mean(axis=1) / 255
    assert np.allclose(answers[:, 0], corners, atol=1e-6)
    assert len(seen) == 8
    again = lesson([turning], CLEAN5, train, none, views=8, folder=tmp_path).answers
    lesson([turning], CLEAN5, train, none, views=4, folder=tmp_path)
    assert len(seen) == 8
    assert np.array_equal(again, answers, equal_nan=True)
    for changed in (replace(turning, sha256="d" * 16), turning):
        other = train if changed is not turning else replace(train, version="other")
        lesson([changed], CLEAN5, other, none, views=1, folder=tmp_path)
    assert len(seen) == 10


def test_a_teacher_of_another_side_and_crop_sees_its_own_images(data: Path, run: Path, tmp_path: Path) -> None:
    """What it says of a galaxy comes to that galaxy's row, in whatever order it saw them."""
    student = TASKS["clean5"]
    train = open_splits(student, data, data / "cache", 32, ("train",), every=True)["train"]
    theirs = open_splits(CLEAN5, data, data / "cache", 16, ("train",), every=True)["train"]
    turned = replace(theirs, pixels=theirs.pixels[::-1], labels=theirs.labels[::-1], uids=theirs.uids[::-1])
    asked: list[tuple[float, int]] = []

    def images(task: Task, side: int) -> ImageCache:
        asked.append((task.kept, side))
        return turned

    teacher = open_teacher(run / "model.pt", CPU)
    answers = lesson([teacher], student, train, images, views=1, folder=tmp_path).answers
    assert asked == [(CLEAN5.kept, 16)]
    rows = [theirs.uids.index(uid) for uid in train.uids]
    expected = teacher.tell(scaled(theirs.images(np.array(rows)), 16)).numpy()
    assert np.allclose(answers, expected, atol=1e-6)
    with pytest.raises(ValueError, match="galaxies of the training split are not among those that"):
        lesson([teacher], student, replace(train, uids=("new", *train.uids[1:])), images, views=1, folder=tmp_path)


def test_classes_in_another_order_are_followed_and_others_refused(train: ImageCache, tmp_path: Path) -> None:
    """Answers go to the class of the same name; a teacher of other classes cannot teach."""
    reversed_task = replace(CLEAN5, classes=CLEAN5.classes[::-1])
    teacher = replace(teaching(0.6, "r"), task=reversed_task)
    answers = lesson([teacher], CLEAN5, train, none, views=1, folder=tmp_path).answers
    assert np.allclose(answers[:, 4], 0.6)
    stranger = replace(teacher, task=replace(CLEAN5, classes=("a", "b")))
    with pytest.raises(ValueError, match=r"r knows the classes \('a', 'b'\)"):
        lesson([stranger], CLEAN5, train, none, views=1, folder=tmp_path)


def test_what_cannot_teach_says_why(tmp_path: Path) -> None:
    """A missing file tells how to get one, other bytes are named."""
    with pytest.raises(FileNotFoundError, match=r"no teacher at .*none\.pt: train one \(recipe teacher\)"):
        open_teacher(tmp_path / "none.pt", CPU)
    (tmp_path / "broken.pt").write_bytes(b"PK\x03\x04 no model")
    with pytest.raises(ValueError, match=r"broken\.pt is no checkpoint"):
        open_teacher(tmp_path / "broken.pt", CPU)


@pytest.mark.parametrize("name", ["model.pt", checkpoint.NAME])
def test_a_teacher_that_learned_no_votes_tells_none(data: Path, train: ImageCache, tmp_path: Path, name: str) -> None:
    """Its network has outputs for them, which nothing was ever taught: only its classes are learned from."""
    recipe = replace(RECIPE, epochs=1, target_weight=0.0)
    caches = open_splits(CLEAN5, data, data / "cache", 16, ("train", "val"))
    best = Trainer(Job(recipe, CLEAN5, caches["train"], caches["val"], tmp_path, Place(0, 1, CPU))).fit(Stop())
    (tmp_path / "model.pt").write_bytes(export(best, recipe, CLEAN5, caches["val"], "run", "version"))
    told = open_teacher(tmp_path / name, CPU).tell(scaled(train.images(slice(0, 4)), 16))
    assert told[:, :5].sum(dim=1).allclose(torch.ones(4)) and told[:, 5:].isnan().all()


def test_teachers_asked_live_see_what_the_student_sees(run: Path) -> None:
    """At their own side, each in the student's order, averaged; one that looks at another part of an image is refused."""
    teacher = open_teacher(run / checkpoint.NAME, CPU)
    found = live_lesson([teacher, teaching(0.5, "b", 0.3)], CLEAN5)
    assert found.answers is None and found.tell
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    small = torch.nn.functional.interpolate(images, size=[16, 16], mode="bilinear", antialias=True)
    told = found.tell(images)
    assert torch.allclose(told, (teacher.tell(small) + teaching(0.5, "b", 0.3).tell(small)) / 2, atol=1e-6)
    with pytest.raises(ValueError, match="both must see the same"):
        live_lesson([teacher], TASKS["clean5"])


def test_a_student_learns_from_what_is_said_in_every_step(data: Path, train: ImageCache, tmp_path: Path) -> None:
    """Teachers who are always of one opinion win over labels, where theirs is the whole loss."""
    splits = open_splits(CLEAN5, data, data / "cache", 16, ("train", "val"), every=True)
    recipe = replace(RECIPE, epochs=8, learning_rate=0.05, teacher_weight=1.0, teacher_views=0, augmentation="best")
    job = Job(recipe, CLEAN5, splits["train"], splits["val"], tmp_path, Place(0, 1, CPU))
    trainer = Trainer(replace(job, lesson=live_lesson([teaching(0.96, votes=0.2)], CLEAN5)))
    best = trainer.fit(Stop())
    assert (trainer.predict(best, splits["val"])[:, 0] > 0.5).all()
