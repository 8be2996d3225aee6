"""Train CrossFormer on labelled galaxies.

The bundled model was made with these commands, from a folder of parquet files (see ``training.catalogue``); first at half the
side, which is four times cheaper:

    python -m training.train --data galaxies --size 112 --epochs 6 --out .cache/run-112
    python -m training.train --data galaxies --size 224 --epochs 1 --out .cache/run-224 \
        --init .cache/run-112/checkpoint.pt --learning-rate 3e-4 --drop-path 0.02
    python -m training.export --data galaxies --checkpoint .cache/run-224/checkpoint.pt --run crossformer-clean5-cpu-1 \
        --out cosmoformer/bundled/model.pt

(The first was begun with nine epochs and ended with six, so its learning rate fell faster from the fourth on.)

A run that was interrupted goes on at its last whole epoch when the same command is given again.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training.augment import Augmentation, normalise
from training.cache import ImageCache
from training.models.crossformer import CrossFormerGraph, build
from training.splits import open_splits
from training.tasks import TASKS


def main(argv: list[str] | None = None) -> None:
    """Entry point of ``python -m training.train``."""
    options = _parser().parse_args(argv)
    torch.manual_seed(options.seed)
    task = TASKS[options.task]
    caches = open_splits(task, options.data, options.cache, options.size, ("train", "val"))
    Run(options, caches["train"], caches["val"]).fit()


class Run:
    """One training run: the model, its moving average, the optimiser and where they are kept."""

    def __init__(self, options: argparse.Namespace, train: ImageCache, val: ImageCache) -> None:
        self.options, self.train, self.val = options, train, val
        self.device = torch.device(options.device)
        self.model = CrossFormerGraph(build(len(train.classes), options.size), options.drop_path).to(self.device)
        if options.init:
            start = torch.load(options.init, map_location=self.device, weights_only=True)
            self.model.model.load_state_dict(start["average"])
        # The averaged weights generalise better than the last ones, and are what is exported.
        self.average = {name: value.clone() for name, value in self.model.model.state_dict().items()}
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay, fused=True
        )
        self.steps_per_epoch = len(train.labels) // options.batch
        if not self.steps_per_epoch:
            raise ValueError(
                f"{len(train.labels)} training images are fewer than one batch of {options.batch}: lower --batch"
            )
        self.augment = Augmentation()
        self.epoch = 0
        options.out.mkdir(parents=True, exist_ok=True)
        self.checkpoint_path = options.out / "checkpoint.pt"
        if self.checkpoint_path.exists():
            self._resume()

    def fit(self) -> None:
        """Train to the last epoch, writing a checkpoint and a line of figures after each."""
        while self.epoch < self.options.epochs:
            started = time.monotonic()
            loss = self._train_epoch()
            self.epoch += 1
            figures = {
                "epoch": self.epoch,
                "train_loss": round(loss, 4),
                "val_accuracy": round(self._accuracy(), 5),
                "images_per_s": round(self.steps_per_epoch * self.options.batch / (time.monotonic() - started), 1),
            }
            print(json.dumps(figures), flush=True)
            with (self.options.out / "log.jsonl").open("a") as log:
                log.write(json.dumps(figures) + "\n")
            self._save()

    def _train_epoch(self) -> float:
        self.model.train()
        total = 0.0
        for step, (images, labels) in enumerate(self._batches()):
            for group in self.optimiser.param_groups:
                group["lr"] = self._learning_rate(self.epoch * self.steps_per_epoch + step)
            logits = self.model(normalise(self.augment(images)))
            loss = F.cross_entropy(logits, labels, label_smoothing=self.options.label_smoothing)
            self.optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimiser.step()
            self._update_average(self.epoch * self.steps_per_epoch + step)
            total += loss.item()
            if step % 50 == 49:
                print(
                    f"epoch {self.epoch + 1} step {step + 1}/{self.steps_per_epoch} loss {total / (step + 1):.4f}",
                    flush=True,
                )
        return float(total / self.steps_per_epoch)

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Shuffled batches of one epoch: float images (B, 3, S, S) in 0..1 and int64 labels (B,)."""
        order = np.random.default_rng((self.options.seed, self.epoch)).permutation(len(self.train.labels))
        for step in range(self.steps_per_epoch):
            rows = np.sort(order[step * self.options.batch : (step + 1) * self.options.batch])
            yield (
                _to_float(self.train.images(rows), self.device),
                torch.from_numpy(self.train.labels[rows]).to(self.device),
            )

    def _learning_rate(self, step: int) -> float:
        """Linear warm-up over the first twentieth, then a cosine down to zero."""
        peak: float = self.options.learning_rate
        total: int = self.options.epochs * self.steps_per_epoch
        warm_up = max(1, total // 20)
        if step < warm_up:
            return peak * (step + 1) / warm_up
        return peak * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (total - warm_up)))

    @torch.no_grad()
    def _update_average(self, step: int) -> None:
        decay = min(self.options.average_decay, (1 + step) / (10 + step))
        for name, value in self.model.model.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - decay)

    @torch.no_grad()
    def _accuracy(self) -> float:
        """Accuracy of the averaged weights on the validation split."""
        judge = CrossFormerGraph(build(len(self.train.classes), self.options.size)).to(self.device).eval()
        judge.model.load_state_dict(self.average)
        judge.fold()
        right = 0
        for start in range(0, len(self.val.labels), 64):
            images = normalise(_to_float(self.val.images(slice(start, start + 64)), self.device))
            right += int((judge(images).argmax(1).cpu().numpy() == self.val.labels[start : start + 64]).sum())
        return right / len(self.val.labels)

    def _save(self) -> None:
        state = {
            "epoch": self.epoch,
            "model": self.model.model.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "random": torch.get_rng_state(),
        }
        scratch = self.checkpoint_path.with_suffix(".tmp")
        torch.save(state, scratch)
        scratch.replace(self.checkpoint_path)  # an interruption never leaves half a checkpoint

    def _resume(self) -> None:
        state: dict[str, Any] = torch.load(self.checkpoint_path, map_location=self.device, weights_only=True)
        self.epoch = state["epoch"]
        self.model.model.load_state_dict(state["model"])
        self.average = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"].cpu())


def _to_float(images: Tensor, device: torch.device) -> Tensor:
    return images.to(device).float().div_(255)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.train", description="Train CrossFormer on labelled galaxies."
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of parquet files with images and labels")
    parser.add_argument("--task", choices=sorted(TASKS), default="clean5")
    parser.add_argument("--size", type=int, default=224, help="side of the training images, pixels")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--weight-decay", type=float, default=0.05)
    parser.add_argument("--label-smoothing", type=float, default=0.05)
    parser.add_argument("--drop-path", type=float, default=0.05)
    parser.add_argument("--average-decay", type=float, default=0.998)
    parser.add_argument("--init", type=Path, help="checkpoint whose averaged weights training starts from")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint.pt and log.jsonl")
    parser.add_argument("--cache", type=Path, default=Path(".cache"), help="folder for decoded images")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    main()
