"""The loop: it learns, it goes on exactly where it was, and it stops when told."""

from __future__ import annotations

import json
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import training.models
from cosmoformer.models import artifact
from tests.training.loop.small_runs import PLACE, TASK, job
from training.data.feeder import Batch
from training.export import export
from training.loop import checkpoint, initial_weights, progress, trainer
from training.loop.learning_rate_finder import Trial, find_learning_rate, suggest
from training.loop.progress import Stop, Stopped
from training.loop.record import RunRecord
from training.loop.trainer import Trainer, TrainingDiverged

pytestmark = pytest.mark.usefixtures("toy_model")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = checkpoint.read(folder / checkpoint.NAME, PLACE.device)
    return {**state["model"], **{f"average {name}": value for name, value in state["average"].items()}}


def test_a_run_learns_and_keeps_its_best_epoch(tmp_path: Path) -> None:
    """Colours are told apart after a few epochs, and the best epoch's averaged weights are returned."""
    run = Trainer(job(tmp_path, epochs=12))
    best = run.fit(Stop())
    assert run.progress.best_score > 0.9
    predictions = run.predict(best, run.job.val)
    judged = TASK.judge(predictions, run.job.val.labels, run.job.val.targets)
    assert judged["score"] == run.progress.best_score


@pytest.mark.parametrize("balance", ["none", "weights", "sampling"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_balance_and_precision_runs(tmp_path: Path, balance: str, precision: str) -> None:
    """Each way of balancing classes, in each precision of a CPU, comes to finite weights."""
    Trainer(job(tmp_path, epochs=1, class_balance=balance, precision=precision)).fit(Stop())
    assert all(value.isfinite().all() for value in weights(tmp_path).values() if value.is_floating_point())


@pytest.mark.parametrize(("steps", "optimiser"), [(3, "adamw"), (12, "adamw"), (29, "adamw"), (12, "muon")])
def test_a_stopped_run_goes_on_to_the_same_end(
    tmp_path: Path, steps: int, optimiser: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in an epoch, at its end or later, and started again, a run has the weights of one that ran through."""
    monkeypatch.setattr(trainer, "_LOG_EVERY", 1)
    Trainer(job(tmp_path / "through", optimiser=optimiser)).fit(Stop())
    first, stop = Trainer(job(tmp_path / "broken", optimiser=optimiser)), Stop()
    take_step = first.step

    def step_then_wish(batch: Batch, learning_rate: float | None = None) -> torch.Tensor:
        loss = take_step(batch, learning_rate)
        if first.progress.step == steps:
            stop.set()
        return loss

    monkeypatch.setattr(first, "step", step_then_wish)
    with pytest.raises(Stopped):
        first.fit(stop)
    again = Trainer(job(tmp_path / "broken", optimiser=optimiser))
    assert again.progress.step == steps
    again.fit(Stop())
    through, broken = weights(tmp_path / "through"), weights(tmp_path / "broken")
    assert all(torch.equal(through[name], broken[name]) for name in through)


def test_a_checkpoint_of_before_a_field_was_added_goes_on(tmp_path: Path) -> None:
    """What a recipe of then did not name has the value that it has by default."""
    run = Trainer(job(tmp_path, epochs=1))
    run.fit(Stop())
    path = tmp_path / checkpoint.NAME
    state = checkpoint.read(path, PLACE.device)
    checkpoint.save(
        path, state | {"recipe": {name: value for name, value in state["recipe"].items() if name != "crop"}}
    )
    assert Trainer(job(tmp_path, epochs=1)).progress == run.progress
    with pytest.raises(ValueError, match=r"differs in crop 0\.0 → 0\.5"):
        Trainer(job(tmp_path, epochs=1, crop=0.5))


def test_another_number_of_processes_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each process draws its own randomness, so a run that others go on with is not the same; it says so."""
    Trainer(job(tmp_path)).save()
    Trainer(job(tmp_path))
    assert not caplog.records
    path = tmp_path / checkpoint.NAME
    checkpoint.save(path, {**checkpoint.read(path, PLACE.device), "processes": 2})
    Trainer(job(tmp_path))
    assert "begun by 2 processes, gone on with by 1" in caplog.text


def test_the_record_has_each_step_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that were written after the checkpoint that a run goes on from are not doubled."""
    monkeypatch.setattr(trainer, "_LOG_EVERY", 1)
    folder = tmp_path / "run"
    record = RunRecord(folder, "run", {}, {})
    first = Trainer(job(folder, epochs=2))
    save, saves = first.save, iter([True, False])

    def save_once() -> None:
        if next(saves):
            save()
        else:
            raise KeyboardInterrupt  # as if killed: lines of the second epoch are there, its checkpoint is not

    monkeypatch.setattr(first, "save", save_once)
    with pytest.raises(KeyboardInterrupt):
        first.fit(Stop(), record)
    record.finish("KILLED")
    Trainer(job(folder, epochs=2)).fit(Stop(), RunRecord(folder, "run", {}, {}))
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines if "train/loss" in line["metrics"]]
    assert steps == list(range(1, 25))
    assert [line["metrics"]["epoch"] for line in lines if "epoch" in line["metrics"]] == [1, 2]


def test_a_run_without_progress_stops_early(tmp_path: Path) -> None:
    """With a patience of two epochs and nothing to learn from, the run ends before its time and stays ended."""
    settings = {"epochs": 50, "patience": 2, "learning_rate": 1e-9}
    run = Trainer(job(tmp_path, **settings))
    run.fit(Stop())
    assert run.epoch < 50
    assert run.epoch == run.progress.best_epoch + 2
    again = Trainer(job(tmp_path, **settings))
    again.fit(Stop())
    assert again.progress.step == run.progress.step


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    """A checkpoint of another recipe is not gone on from, and the difference is named."""
    Trainer(job(tmp_path, epochs=1)).fit(Stop())
    with pytest.raises(ValueError, match=r"differs in learning_rate 0\.02 → 0\.01"):
        Trainer(job(tmp_path, epochs=1, learning_rate=0.01))


def test_a_broken_checkpoint_is_named(tmp_path: Path) -> None:
    """Bytes that are no checkpoint are refused by name."""
    (tmp_path / checkpoint.NAME).write_bytes(b"PK\x03\x04 half of it")
    with pytest.raises(ValueError, match=r"checkpoint\.pt is no checkpoint"):
        Trainer(job(tmp_path))


def test_an_epoch_may_be_shorter_than_the_data(tmp_path: Path) -> None:
    """With 40 images an epoch and batches of eight, each of two epochs has five steps, of other galaxies."""
    run = Trainer(job(tmp_path, epochs=2, epoch_images=40))
    run.fit(Stop())
    assert (run.steps, run.progress.step, run.progress.judged) == (10, 10, 2)


def test_too_few_images_are_told(tmp_path: Path) -> None:
    """Fewer images than a batch would train nothing at all."""
    with pytest.raises(ValueError, match="96 training images are fewer than one batch of 100: lower batch_size"):
        Trainer(job(tmp_path, batch_size=100))


def test_a_diverging_run_says_so(tmp_path: Path) -> None:
    """A loss that is no number ends the run with what to change."""
    with pytest.raises(TrainingDiverged, match="lower learning_rate"):
        Trainer(job(tmp_path, learning_rate=1e38, clip_norm=0.0, epochs=30)).fit(Stop())


def test_training_starts_from_given_weights(tmp_path: Path) -> None:
    """A checkpoint's weights are taken where they fit; a layer with other outputs stays fresh; strangers are refused."""
    Trainer(job(tmp_path, epochs=2)).fit(Stop())
    found = checkpoint.weights_of(tmp_path / checkpoint.NAME)
    model = training.models.find("toy").build(5, 16)
    assert initial_weights.start_from(model, found) == []
    other = training.models.find("toy").build(4, 16)
    assert initial_weights.start_from(other, found) == ["4.bias", "4.weight"]
    with pytest.raises(ValueError, match="another model's"):
        initial_weights.start_from(torch.nn.Linear(2, 2), found)


def test_the_learning_rate_finder_finds_the_steepest_fall() -> None:
    """On a loss with a known slope the suggestion is where it falls fastest."""
    rates = np.logspace(-6, 0, 100)
    losses = 2 - 1 / (1 + np.exp(-4 * (np.log10(rates) + 3)))
    assert suggest([Trial(*pair) for pair in zip(rates, losses, strict=True)]) == pytest.approx(1e-3, rel=0.3)
    with pytest.raises(ValueError, match="expected 10 trials or more"):
        suggest([Trial(1e-6, 1.0)] * 3)


def test_the_learning_rate_finder_leaves_no_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It prints a table and a suggestion that can be used as it stands, and writes nothing."""
    rate = find_learning_rate(job(tmp_path / "run"))
    assert f"--set learning_rate={rate:.1e}" in capsys.readouterr().out
    assert not (tmp_path / "run" / checkpoint.NAME).exists()


def test_stop_is_seen_from_another_thread() -> None:
    """The wish to stop may come from anywhere."""
    stop = Stop()
    threading.Thread(target=stop.set).start()
    assert stop._wish.wait(5)
    assert stop.is_set()


def test_running_statistics_are_judged_resumed_and_exported(tmp_path: Path) -> None:
    """A model with a batch norm is scored with the statistics that it was trained with, and so is its artifact."""
    run = Trainer(job(tmp_path, model="toy_with_statistics", epochs=12, batch_size=16))
    best = run.fit(Stop())
    assert run.progress.best_score > 0.9
    assert torch.equal(run.average.weights["0.running_mean"], run.model.state_dict()["0.running_mean"])
    assert torch.equal(Trainer(run.job).best["0.running_mean"], best["0.running_mean"])
    content = export(best, run.recipe, TASK, run.job.val, "run", "version")
    found = artifact.load(content).predict(run.job.val.images(slice(None))).double().numpy()[:, : len(TASK.classes)]
    assert (found.argmax(1) == run.predict(best, run.job.val).argmax(1)).all()


def test_classes_in_another_order_are_another_run(tmp_path: Path) -> None:
    """The same galaxies with their classes in another order are not gone on with: outputs would change their meaning."""
    first = job(tmp_path, epochs=1)
    Trainer(first).fit(Stop())
    turned = replace(first, train=replace(first.train, classes=("blue", "green", "red")))
    with pytest.raises(ValueError, match="differs in the data"):
        Trainer(turned)


def test_a_stop_is_seen_at_the_next_step(tmp_path: Path) -> None:
    """Twenty steps may take longer than a cluster waits: a run that was told to stop takes one more."""
    run, stop = Trainer(job(tmp_path, epochs=50)), Stop()
    stop.set()
    with pytest.raises(Stopped):
        run.fit(stop)
    assert Trainer(run.job).progress.step == 1


def test_what_only_measures_ends_where_it_is() -> None:
    """SIGTERM ends a block that loses nothing at once, also one that it came before."""
    with Stop.on_signals() as stop:
        with pytest.raises(Stopped), stop.at_once():
            try:
                signal.raise_signal(signal.SIGTERM)
            except Exception:  # as code has it that takes whatever happens for its own failure
                pytest.fail("was swallowed")
            pytest.fail("went on")
        with pytest.raises(Stopped), stop.at_once():
            pytest.fail("began")


def test_one_press_that_comes_twice_is_one() -> None:
    """Under torchrun Ctrl-C reaches a process twice: only a later one interrupts."""
    with Stop.on_signals() as stop:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
        time.sleep(progress._ONE_PRESS_S + 0.1)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_file_of_other_weights_is_no_checkpoint(tmp_path: Path) -> None:
    """Weights as others save them are refused as a start, and told apart from a checkpoint."""
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other\.pt is no checkpoint.*no recipe, progress"):
        checkpoint.weights_of(tmp_path / "other.pt")
