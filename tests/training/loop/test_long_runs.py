"""How long a run is and what it learns from: schedules that grow or fit into minutes, sides that grow, teachers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.loop.small_runs import PLACE, job
from training.data.feeder import Batch
from training.loop import checkpoint, schedule
from training.loop.job import Lesson
from training.loop.optimisation import learning_rate_at
from training.loop.progress import Stop, Stopped
from training.loop.trainer import Trainer

pytestmark = pytest.mark.usefixtures("toy_model")


def test_a_run_is_made_longer_from_its_checkpoint(tmp_path: Path) -> None:
    """With more epochs a finished run goes on where it ended, on a schedule that is as long; with fewer it is refused."""
    Trainer(job(tmp_path, epochs=2)).fit(Stop())
    longer = Trainer(job(tmp_path, epochs=4))
    assert (longer.progress.judged, longer.steps, longer.is_over) == (2, 48, False)
    seen: list[float] = []
    _after_each_step(longer, lambda: seen.append(longer.optimiser.param_groups[0]["lr"]))
    longer.fit(Stop())
    assert longer.progress.judged == 4
    assert seen == [learning_rate_at(at, 48, longer.recipe) for at in range(24, 48)]
    with pytest.raises(ValueError, match="differs in epochs 4 → 2"):
        Trainer(job(tmp_path, epochs=2))


def test_a_run_that_stopped_for_want_of_patience_goes_on_when_made_longer(tmp_path: Path) -> None:
    """More epochs are a wish to go on, also for a run that had ended itself."""
    settings = {"patience": 1, "learning_rate": 1e-9}
    first = Trainer(job(tmp_path, epochs=50, **settings))
    first.fit(Stop())
    assert first.is_over
    assert not Trainer(job(tmp_path, epochs=60, **settings)).is_over


def test_minutes_fit_the_schedule_to_the_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that may take a minute, on a clock by which a step takes a second, plans as many epochs as that has room for."""
    clock = _Clock()
    monkeypatch.setattr(schedule.time, "monotonic", clock.read)
    run = Trainer(job(tmp_path, epochs=1000, minutes=1.0))
    clock.advance_with(run, seconds=1.0)
    run.fit(Stop())
    assert run.progress.judged == run.epochs == 5  # of twelve steps
    assert learning_rate_at(run.progress.step - 1, run.steps, run.recipe) < 0.01 * run.recipe.learning_rate
    assert run.progress.spent_s == 60
    again = Trainer(job(tmp_path, epochs=1000, minutes=1.0))
    assert again.is_over
    longer = Trainer(job(tmp_path, epochs=1000, minutes=2.0))
    assert (longer.is_over, longer.epochs) == (False, 10)
    at_most = Trainer(job(tmp_path / "short", epochs=2, minutes=1.0))
    clock.advance_with(at_most, seconds=1.0)
    at_most.fit(Stop())
    assert at_most.progress.judged == 2


def test_more_of_what_does_not_hold_a_run_back_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More epochs than its minutes have room for, and more minutes than its epochs need; no minutes are no limit."""
    clock = _Clock()
    monkeypatch.setattr(schedule.time, "monotonic", clock.read)
    for folder, epochs in (("by minutes", 1000), ("by epochs", 2)):
        run = Trainer(job(tmp_path / folder, epochs=epochs, minutes=1.0))
        clock.advance_with(run, seconds=1.0)
        run.fit(Stop())
    with pytest.raises(ValueError, match=r"not made longer by more epochs: its minutes are used up after 5 epochs"):
        Trainer(job(tmp_path / "by minutes", epochs=2000, minutes=1.0))
    with pytest.raises(ValueError, match=r"not made longer by more minutes: its epochs are used up after 2 epochs"):
        Trainer(job(tmp_path / "by epochs", epochs=2, minutes=9.0))
    assert Trainer(job(tmp_path / "by minutes", epochs=1000)).epochs == 1000
    endless = Trainer(job(tmp_path / "without limit", epochs=1))
    clock.advance_with(endless, seconds=1.0)
    endless.fit(Stop())
    with pytest.raises(ValueError, match=r"differs in minutes 0.0 → 1.0"):
        Trainer(job(tmp_path / "without limit", epochs=1, minutes=1.0))


def test_a_stopped_run_does_not_get_its_minutes_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was spent before a run was stopped counts when it goes on."""
    clock = _Clock()
    monkeypatch.setattr(schedule.time, "monotonic", clock.read)
    first, stop = Trainer(job(tmp_path, epochs=1000, minutes=1.0)), Stop()
    clock.advance_with(first, seconds=1.0, after=lambda: first.progress.step == 30 and stop.set())
    with pytest.raises(Stopped):
        first.fit(stop)
    again = Trainer(job(tmp_path, epochs=1000, minutes=1.0))
    assert (again.progress.spent_s, again.epochs) == (30, 5)
    clock.advance_with(again, seconds=2.0)
    again.fit(Stop())
    assert again.progress.spent_s == 30 + 6 * 2
    assert again.progress.judged == 3  # the fourth would take 24 seconds of 18


class _Clock:
    """A clock that stands still but for a run's steps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def read(self) -> float:
        return self.now

    def advance_with(self, run: Trainer, seconds: float, after: Callable[[], object] = lambda: None) -> None:
        def tick() -> None:
            self.now += seconds
            after()

        _after_each_step(run, tick)


def _after_each_step(run: Trainer, after: Callable[[], object]) -> None:
    take_step = run.step

    def step(batch: Batch, learning_rate: float | None = None) -> torch.Tensor:
        loss = take_step(batch, learning_rate)
        after()
        return loss

    run.step = step  # type: ignore[method-assign]


def test_sides_grow_and_the_last_is_judged(tmp_path: Path) -> None:
    """Epochs begin on smaller images, and what is judged are whole ones."""
    run = Trainer(job(tmp_path, epochs=4, sides=((4, 0.5), (8, 0.75))))
    shapes: list[int] = []
    run.network.register_forward_pre_hook(lambda _, images: shapes.append(images[0].shape[-1]))
    run.fit(Stop())
    assert shapes == [4] * 24 + [8] * 12 + [16] * 12
    assert run.progress.best_score > 0.5


def test_a_lesson_teaches_galaxies_without_labels(tmp_path: Path) -> None:
    """From what teachers say alone, of galaxies none of which has a label or votes, colours are told apart."""
    plain = job(tmp_path / "plain", epochs=1)
    answers = np.full((96, 5), np.nan, np.float32)
    strongest = plain.train.pixels.mean(axis=(1, 2)).argmax(1)
    answers[:, :3] = np.eye(3, dtype=np.float32)[strongest] * 0.94 + 0.02
    blank = replace(plain.train, labels=np.full(96, -1), targets=np.full((96, 2), np.nan, np.float32))
    settings = {"epochs": 12, "teacher_weight": 1.0, "target_weight": 0.0}
    taught = replace(job(tmp_path / "taught", **settings), train=blank, lesson=Lesson(answers, "('m.pt',)"))
    run = Trainer(taught)
    run.fit(Stop())
    assert run.progress.best_score > 0.9
    state = checkpoint.read(tmp_path / "taught" / checkpoint.NAME, PLACE.device)
    assert state["recipe"]["teacher"] == "('m.pt',)"
    with pytest.raises(ValueError, match="differs in teacher"):
        Trainer(replace(taught, lesson=Lesson(answers, "('other.pt',)")))


def test_a_run_that_is_stopped_between_sides_goes_on_to_the_same_end(tmp_path: Path) -> None:
    """The side follows from the step: a run that was stopped on middle-sized images has the weights of one that was not."""
    settings = {"epochs": 4, "sides": ((4, 0.5), (8, 0.75))}
    ends = []
    for folder, stops_at in ((tmp_path / "through", None), (tmp_path / "broken", 30)):
        run, stop = Trainer(job(folder, **settings)), Stop()
        if stops_at:
            _after_each_step(run, lambda run=run, stop=stop: run.progress.step == 30 and stop.set())  # type: ignore[misc]
            with pytest.raises(Stopped):
                run.fit(stop)
            run = Trainer(job(folder, **settings))
            assert run.progress.step == stops_at
        run.fit(Stop())
        ends.append(run.model.state_dict())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
