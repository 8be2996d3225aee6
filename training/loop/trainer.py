"""The training loop.

Every step draws its randomness from the seed and its own number, and checkpoints know the step. So a run that was killed and
one that was not end with the same weights.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.augmentation.augment import scaled
from training.data.cache import ImageCache
from training.data.feeder import Batch, Feeder
from training.data.sampler import batch_rows, epoch_order
from training.loop import checkpoint
from training.loop.checkpoint import Progress
from training.loop.job import Job, model_of
from training.loop.last_layer import to_training
from training.loop.objective import Objective
from training.loop.optimisation import (
    MovingAverage,
    class_weights,
    learning_rate_at,
    make_optimiser,
    resolve_precision,
    row_weights,
    set_learning_rate,
)
from training.loop.predicting import predict
from training.loop.progress import Bar, Stop
from training.loop.record import RunRecord
from training.loop.schedule import Stopwatch, planned, side_of
from training.loop.state import begin, go_on, state_of

_log = logging.getLogger(__name__)

_LOG_EVERY = 20  # steps between two lines of figures; each waits for the device
_CHECKPOINT_EVERY_S = 300.0


class TrainingDiverged(RuntimeError):
    """The loss is no longer a number."""


class Trainer:
    """One run: made anew, or as its folder's checkpoint left it.

    Raises:
        ValueError: the training split is smaller than a batch, or the folder holds a run of another recipe or other data.
    """

    def __init__(self, job: Job) -> None:
        recipe, self.place = job.recipe, job.place
        self.job, self.recipe, self.task = job, recipe, job.task
        self.record: RunRecord | None = None
        self.device = job.place.device
        torch.manual_seed(recipe.seed)
        self.kind = model_of(recipe)
        self.model = self.kind.build(
            job.task.outputs, recipe.image_size, drop_path=recipe.drop_path, dropout=recipe.dropout
        )
        begin(self.model, self.kind, job)
        self.model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        labels, weights = self._teaching()
        self.objective = Objective(job, weights.to(self.device) if recipe.class_balance == "weights" else None)
        network = self.objective.network(self.model, self.kind)
        if job.compile:
            network.compile(dynamic=False)  # batches of one size; a side that changes is compiled anew
        self.network = job.place.wrap(network)
        self.average = MovingAverage(self.model, recipe.average_decay)
        self.best = {name: value.clone() for name, value in self.average.weights.items()}
        self.optimiser = make_optimiser(self.model, recipe)
        self.precision = resolve_precision(recipe.precision, self.device)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == torch.float16)
        self.augment = recipe.augment()
        self.feeder = Feeder(job.train, self.device, job.lesson.answers if job.lesson else None)
        self.progress = Progress()
        self.side = recipe.image_size  # that the model takes at present
        self.stopwatch = Stopwatch()
        self.row_weights = row_weights(labels, weights) if recipe.class_balance == "sampling" else None
        epoch_images = min(recipe.epoch_images or len(labels), len(labels))
        self.steps_per_epoch = epoch_images // recipe.batch_size
        if not self.steps_per_epoch:
            raise ValueError(
                f"{epoch_images} training images are fewer than one batch of {recipe.batch_size}: lower batch_size"
            )
        if recipe.batch_size % job.place.world_size:
            raise ValueError(
                f"batch_size {recipe.batch_size} cannot be shared by {job.place.world_size} processes evenly"
            )
        self.path = job.folder / checkpoint.NAME
        if self.path.exists():
            go_on(self, checkpoint.read(self.path, self.device))
            _log.info("going on at step %d of %d", self.progress.step, self.steps)

    def _teaching(self) -> tuple[Tensor, Tensor]:
        """Labels of the rows that are learned from, and the weights of their classes."""
        job = self.job
        teaching = job.task.teaching(job.train.labels, self.recipe.target_weight)
        self.rows = np.arange(len(teaching)) if job.lesson else np.flatnonzero(teaching)
        labels = torch.from_numpy(job.train.labels[self.rows])
        return labels, class_weights(labels, len(job.task.classes), self.recipe)

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.steps_per_epoch * self.epochs

    @property
    def epochs(self) -> int:
        """Epochs of the whole run: the recipe's, or those that fit into its minutes as far as is known."""
        return self.progress.epochs or self.recipe.epochs

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to train."""
        return self.progress.judged >= self.epochs or self.progress.stopped

    @property
    def epoch(self) -> int:
        """Whole epochs behind."""
        return self.progress.step // self.steps_per_epoch

    def fit(self, stop: Stop, record: RunRecord | None = None) -> dict[str, Tensor]:
        """Train to the end, or until told to stop.

        Args:
            stop: looked at every few steps.
            record: gets the figures; those after the checkpoint that the run goes on from are taken back.

        Returns:
            The best averaged weights, by parameter name.

        Raises:
            TrainingDiverged: the loss is no number any more.
            Stopped: ``stop`` was set; a checkpoint was written.
        """
        self.record = record
        if record:
            record.truncate_after(self.progress.step)
        self.stopwatch.start()
        with Bar(self.steps, self.progress.step, is_shown=self.place.is_first) as bar:
            while not self.is_over:
                if self.progress.judged == self.epoch:  # else the run was stopped just before it was judged
                    self._train_epoch(bar, stop)
                with self.stopwatch.judging():
                    self._judge(bar)
                self._plan(bar)
                self.save()
        return self.best

    def _train_epoch(self, bar: Bar, stop: Stop) -> None:
        epoch, first = divmod(self.progress.step, self.steps_per_epoch)
        order = self.rows[epoch_order(len(self.rows), self.recipe.seed, epoch, self.row_weights)]
        rows = [
            batch_rows(order, step, self.recipe.batch_size, self.place.rank, self.place.world_size)
            for step in range(first, self.steps_per_epoch)
        ]
        to_training(self.network)
        total = torch.tensor(self.progress.loss_sum, device=self.device)
        agrees_quickly = self.place.world_size == 1 or self.device.type == "cpu"
        started, saved = time.monotonic(), time.monotonic()
        for done, batch in enumerate(self.feeder.batches(rows), start=1):
            total += self.step(batch)
            self.stopwatch.count(done)
            # After any step where agreeing costs nothing: 20 of a CPU may take longer than a cluster waits.
            is_told = agrees_quickly and self.place.agree(stop.is_set())
            if done % _LOG_EVERY == 0 or done == len(rows) or is_told:
                self.progress.loss_sum = self.place.mean(total)
                self._note(bar, done * self.recipe.batch_size / (time.monotonic() - started))
                if is_told or self.place.agree(stop.is_set()):
                    self.save()
                    stop.leave()
                if self.place.agree(time.monotonic() - saved > _CHECKPOINT_EVERY_S):
                    self.save()
                    saved = time.monotonic()
        self.stopwatch.settle(len(rows))  # the figures just noted waited for the device

    def step(self, batch: Batch, learning_rate: float | None = None) -> Tensor:
        """One optimiser step on a batch.

        Args:
            batch: this process's share of it.
            learning_rate: instead of the schedule's.

        Returns:
            The loss, a scalar on the device.
        """
        # Two streams: from one, what is dropped of an image would depend on how it is turned.
        moment = (self.recipe.seed, self.progress.step, self.place.rank)
        torch.manual_seed(_seed_of(*moment, 0))  # dropout and stochastic depth
        generator = torch.Generator(self.device).manual_seed(_seed_of(*moment, 1))
        rate = learning_rate_at(self.progress.step, self.steps, self.recipe) if learning_rate is None else learning_rate
        set_learning_rate(self.optimiser, rate)
        self._look_at(side_of(self.progress.step // self.steps_per_epoch, self.epochs, self.recipe))
        seen = self.augment(scaled(batch.images, self.side), generator)
        with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            loss = self.objective(self.network, seen, batch)
        self.optimiser.zero_grad(set_to_none=True)
        if guide := self.objective.guide:
            guide.zero_grad()
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimiser)
        if self.recipe.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self.scaler.step(self.optimiser)
        if guide:
            guide.step(self.scaler, rate)
        self.scaler.update()
        self.average.update()
        self.progress.step += 1
        return loss.detach()

    def _look_at(self, side: int) -> None:
        if side != self.side:
            self.kind.look_at(self.model, side)
            self.side = side

    def _note(self, bar: Bar, images_per_s: float) -> None:
        steps = (self.progress.step - 1) % self.steps_per_epoch + 1
        loss = self.progress.loss_sum / steps
        if not math.isfinite(loss):
            raise TrainingDiverged(
                f"the loss is {loss} at step {self.progress.step}: lower learning_rate or clip_norm, or use precision fp32"
            )
        rate = self.optimiser.param_groups[0]["lr"]
        bar.show(self.progress.step, f"epoch {self.epoch_now} loss {loss:.4f} {images_per_s:,.0f} images/s")
        self._log({"train/loss": loss, "train/learning_rate": rate, "train/images_per_s": images_per_s})

    @property
    def epoch_now(self) -> int:
        """The epoch of the last step, from 1."""
        return (self.progress.step - 1) // self.steps_per_epoch + 1

    def _judge(self, bar: Bar) -> None:
        """Score the averaged weights on the validation split, and keep them if they are the best."""
        predictions = self.predict(self.average.weights, self.job.val)
        figures = self.task.judge(predictions, self.job.val.labels, self.job.val.targets)
        score = float(figures["score"])  # a checkpoint holds no numbers of numpy's
        if score > self.progress.best_score:
            self.progress.best_score, self.progress.best_epoch = score, self.epoch
            self.best = {name: value.clone() for name, value in self.average.weights.items()}
        self.progress.judged = self.epoch
        waited = self.epoch - self.progress.best_epoch
        # Agreed: whoever went on alone would wait for the others for ever.
        self.progress.stopped = self.place.agree(bool(self.recipe.patience) and waited >= self.recipe.patience)
        loss = self.progress.loss_sum / self.steps_per_epoch
        self.progress.loss_sum = 0.0
        bar.say(f"epoch {self.epoch}/{self.epochs}: training loss {loss:.4f}, validation score {score:.5f}")
        judged = {f"val/{name}": value for name, value in figures.items()}
        self._log({"epoch": self.epoch, "epoch/train_loss": loss, **judged})

    def _plan(self, bar: Bar) -> None:
        """Reckon how many epochs fit into the recipe's minutes, from what they took so far."""
        progress, agreed = self.progress, self.place.mean
        progress.spent_s = agreed(torch.tensor(progress.spent_s + self.stopwatch.lap(), device=self.device))
        if epoch_s := agreed(torch.tensor(self.stopwatch.epoch_s(self.steps_per_epoch), device=self.device)):
            progress.epoch_s[self.side] = epoch_s
        before = self.epochs
        progress.epochs = planned(progress, self.epoch, self.recipe)
        if self.epochs != before:
            bar.say(f"{self.epochs} epochs fit into {self.recipe.minutes:g} minutes")
            bar.expect(self.steps)

    def predict(self, weights: Mapping[str, Tensor], cache: ImageCache) -> NDArray[np.float64]:
        """Predictions (N, classes) of some weights for a split, without augmentation."""
        judge = self.kind.for_inference(self.kind.load(self.task.outputs, self.recipe.image_size, weights))
        return predict(judge.to(self.device), self.task, cache, self.device)

    def _log(self, metrics: dict[str, float]) -> None:
        if self.record:
            self.record.log(self.progress.step, metrics)

    def save(self) -> None:
        """Write the checkpoint."""
        self.progress.spent_s += self.stopwatch.lap()
        if self.place.is_first:
            checkpoint.save(self.path, state_of(self))


def _seed_of(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
