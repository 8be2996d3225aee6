"""Locality guidance: which maps belong together, that a student comes nearer to them, and that a run goes on with its guide."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import training.models
from tests.training.loop.small_runs import PLACE, TASK, job
from training.augmentation.augment import normalise
from training.loop import checkpoint
from training.loop import job as jobs
from training.loop.guidance import Guidance
from training.loop.job import Job, Lesson
from training.loop.progress import Stop
from training.loop.recipe import RecipeError
from training.loop.trainer import Trainer
from training.models import Model


class Convolutions(nn.Module):
    """Two stages and a last layer."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 6, 3, stride=4, padding=1), nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.last = nn.Linear(8, outputs)

    def forward(self, images: Tensor) -> Tensor:
        return self.with_maps(images)[0]

    def with_maps(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        first = self.first(images).relu()
        second = self.second(first).relu()
        features = second.mean(dim=(2, 3), keepdim=True)
        return self.last(features.flatten(1)), [first, second, features]


class Shown(nn.Module):
    def __init__(self, network: Convolutions) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        return self.network.with_maps(images)


def build(outputs: int, image_size: int, *, drop_path: float = 0.0, dropout: float = 0.0) -> nn.Module:
    return Convolutions(outputs)


STUDENT = Model("convolutions", (), build, lambda model: model, with_maps=Shown)  # type: ignore[arg-type]


@pytest.fixture
def student(monkeypatch: pytest.MonkeyPatch) -> None:
    find = training.models.find
    monkeypatch.setattr(jobs.models, "find", lambda name: STUDENT if name == "convolutions" else find(name))


def lesson() -> Lesson:
    """A teacher of the student's kind, with weights of its own."""
    torch.manual_seed(3)
    teacher = Convolutions(TASK.outputs).eval()

    def show(images: Tensor) -> tuple[Tensor, list[Tensor]]:
        with torch.no_grad():
            outputs, maps = teacher.with_maps(images)
        return TASK.told(outputs), maps

    return Lesson(None, "('a teacher',)", lambda images: show(images)[0], show)


def guided(folder: Path, **changes: object) -> Job:
    options = {
        "model": "convolutions",
        "guide_weight": 1.0,
        "teacher_views": 0,
        "batch_size": 16,
        "dropout": 0.0,
        "epochs": 3,
    }
    return replace(job(folder, **(options | changes)), lesson=lesson())


def maps_of(*sides: int, channels: int = 4) -> list[Tensor]:
    generator = torch.Generator().manual_seed(sum(sides))
    return [torch.randn(8, channels, side, side, generator=generator) for side in sides]


def test_maps_of_about_the_same_side_belong_together() -> None:
    """To each of the student's the teacher's smallest that is not below it, averaged to its side; a linear map
    of it costs nothing."""
    teacher = maps_of(56, 28, 14, 4, 1, channels=6)
    student = [teacher[1], teacher[2], nn.functional.adaptive_avg_pool2d(teacher[3], 3), teacher[4]]
    guidance = Guidance(student, teacher)
    with torch.no_grad():
        for head, place in zip(guidance.heads, (1, 2, 3, 4), strict=True):
            # What scales the teacher's channels, as the layer that the student would have to learn.
            mean, std = teacher[place].mean(dim=(0, 2, 3)), teacher[place].var(dim=(0, 2, 3), correction=0).sqrt()
            head.weight.copy_(torch.diag(1 / std)[:, :, None, None])
            head.bias.copy_(-mean / std)
    assert guidance(student, teacher) < 1e-4
    assert guidance([one.flip(0) for one in student], teacher) > 0.5


def test_a_student_of_larger_maps_than_any_is_compared_with_the_first() -> None:
    """Nothing is enlarged beyond what the teacher has: its map is spread over the student's places."""
    assert torch.isfinite(Guidance(maps_of(64), maps_of(32, 16))(maps_of(64), maps_of(32, 16)))


@pytest.mark.usefixtures("student")
def test_a_guided_student_sees_as_its_teacher(tmp_path: Path) -> None:
    """Its maps tell the teacher's better than those of one that only heard the answers."""
    differences = {}
    for weight in (0.0, 4.0):
        run = Trainer(guided(tmp_path / str(weight), guide_weight=weight, epochs=20, learning_rate=0.005))
        run.fit(Stop())
        images = run.job.train.images(slice(0, 96)).float() / 255
        assert run.job.lesson is not None and run.job.lesson.show is not None
        with torch.no_grad():
            own, theirs = run.model.with_maps(normalise(images))[1], run.job.lesson.show(images)[1]
        differences[weight] = sum(map(_unexplained, own[:2], theirs[:2]))
    assert differences[4.0] < 0.8 * differences[0.0]


def _unexplained(own: Tensor, theirs: Tensor) -> float:
    """Share of the variance of a map's channels that no linear map of another's gives."""
    x, y = (one.permute(0, 2, 3, 1).flatten(0, 2) for one in (own, theirs))
    x, y = torch.cat([x, torch.ones(len(x), 1)], dim=1), y - y.mean(dim=0)
    return float((y - x @ torch.linalg.pinv(x) @ y).square().sum() / y.square().sum())


@pytest.mark.usefixtures("student")
def test_a_stopped_run_goes_on_with_what_the_guide_learned(tmp_path: Path) -> None:
    """Ended after an epoch and gone on with, it has the weights of a run that went through, those of its guide included."""
    Trainer(guided(tmp_path / "through")).fit(Stop())
    first = Trainer(guided(tmp_path / "broken"))
    take, first_epoch = first._train_epoch, []

    def one_epoch(*given: object) -> None:
        if first_epoch:
            raise KeyboardInterrupt
        first_epoch.append(True)
        take(*given)  # type: ignore[arg-type]

    first._train_epoch = one_epoch  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        first.fit(Stop())
    Trainer(guided(tmp_path / "broken")).fit(Stop())
    through, broken = (
        checkpoint.read(tmp_path / name / checkpoint.NAME, PLACE.device) for name in ("through", "broken")
    )
    for part in (lambda state: state["model"], lambda state: state["guide"]["guidance"]):
        one, other = part(through), part(broken)
        assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.usefixtures("student")
def test_nothing_is_learned_before_the_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The images that show how large maps are leave a student's running statistics alone."""
    monkeypatch.setattr(Convolutions, "__init__", _with_statistics)
    norm = Trainer(guided(tmp_path)).model.get_submodule("first.1")
    assert isinstance(norm, nn.BatchNorm2d) and norm.num_batches_tracked == 0
    assert norm.running_mean is not None and not norm.running_mean.any()


_plain = Convolutions.__init__


def _with_statistics(network: Convolutions, outputs: int) -> None:
    _plain(network, outputs)
    network.first = nn.Sequential(network.first, nn.BatchNorm2d(6))


@pytest.mark.usefixtures("student", "toy_model")
def test_what_cannot_be_guided_says_why(tmp_path: Path) -> None:
    """A student without maps, and a teacher that is not asked in every step."""
    with pytest.raises(RecipeError, match="toy has no feature maps"):
        Trainer(guided(tmp_path, model="toy"))
    with pytest.raises(RecipeError, match="set teacher_views to 0"):
        Trainer(replace(guided(tmp_path), lesson=None))
