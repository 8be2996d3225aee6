"""Teach a trained model the votes of a decision tree, and leave its classes as they are.

    python -m training.votes_head --artifact cosmoformer/bundled/model.pt --data galaxies --out model.pt

Only the last layer learns, and of it only the rows of the votes, from the features that the rest of the network gives for the
training galaxies with all votes: a minute of learning after a few of computing features. The loss is the task's own, each
question's cross-entropy weighted by how many were asked, which is least where the fractions are those of the volunteers. The
epoch is chosen by the error on the validation split; ``--record`` keeps what was measured there and on the test split. The
artifact is written only when it gives the same classes as before, bit for bit.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cosmoformer.errors import CosmoFormerError
from cosmoformer.models import artifact
from cosmoformer.models.artifact import Artifact
from training import models
from training.data.cache import ImageCache
from training.data.splits import open_splits
from training.evaluation.inference import outputs
from training.evaluation.votes import VoteFigures, vote_figures
from training.export import pack_core
from training.heads.features import of_images
from training.heads.last_layer import open_artifact, task_of
from training.tasks import Task

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HeadRecipe:
    """How the rows of the votes are learned.

    Attributes:
        epochs: passes over the training galaxies.
        batch_size: galaxies a step.
        learning_rate: of AdamW, at its highest; it rises over the first 30 % of the steps and falls to nothing.
        weight_decay: of AdamW.
        seed: of the order of the galaxies.
    """

    epochs: int = 12
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    seed: int = 0


@dataclass(frozen=True)
class Examples:
    """Features and votes of galaxies.

    Attributes:
        features: float32 (N, features).
        votes: float32 (N, answers), cumulative; NaN where they are not known.
    """

    features: Tensor
    votes: Tensor


def teach(
    path: Path, data: Path, cache: Path, recipe: HeadRecipe, model_name: str
) -> tuple[bytes, dict[str, VoteFigures]]:
    """The artifact with votes, and how well it tells them on the validation and the test split.

    Args:
        path: an artifact of a task with a decision tree.
        data: whatever :func:`training.data.sources.open_catalogue` reads.
        cache: folder that decoded images are kept in.
        recipe: how to learn.
        model_name: which of :mod:`training.models` the artifact is of.

    Raises:
        ValueError: the task has no decision tree, the data no galaxy with all votes, or the classes would not stay the same.
    """
    before = artifact.load(path.read_bytes())
    facts, task = before.metadata, task_of(before).telling_votes()
    if task.fractions is None or task.tree is None:
        raise ValueError(f"the task {task.name!r} has no decision tree whose votes could be learned")
    caches = open_splits(task, data, cache, facts.input_size, ("train", "val", "test"), facts.classes)
    opened = open_artifact(path, task, model_name)
    train, val = (_examples(opened.trunk, caches[split], split) for split in ("train", "val"))
    _learn(opened.last.layer, task, train, val, recipe)
    metadata = replace(facts, fractions=task.fractions, format=artifact.FORMAT)
    content = pack_core(opened.model, opened.traced_with(opened.last.layer), task, metadata)
    after = artifact.load(content)
    found = {}
    for split in ("val", "test"):
        told = outputs(after, caches[split], what=f"{split} galaxies")
        if split == "val":
            _check_same_classes(artifact.load(path.read_bytes()), caches[split], told)
        votes = slice(len(facts.classes), task.outputs)
        found[split] = vote_figures(task.tree, told[:, votes], caches[split].targets)
    return content, found


def _examples(trunk: nn.Module, cache: ImageCache, split: str) -> Examples:
    """Features of the galaxies with all votes: what the last layer is given for them."""
    rows = np.flatnonzero(np.isfinite(cache.targets).all(axis=1))
    if not len(rows):
        raise ValueError(f"no galaxy of the {split} split has all votes")
    seen = of_images(trunk, cache, rows, what=f"features of {split} galaxies")
    return Examples(seen, torch.from_numpy(cache.targets[rows]))


def _learn(layer: nn.Linear, task: Task, train: Examples, val: Examples, recipe: HeadRecipe) -> None:
    """Set the rows of the votes to those of the best epoch; features are standardised, so that one rate suits all."""
    count, end = len(task.classes), task.outputs
    mean, scale = train.features.mean(dim=0), train.features.std(dim=0).clamp(min=1e-6)
    votes = nn.Linear(train.features.shape[1], end - count)
    with torch.no_grad():
        votes.weight.copy_(layer.weight[count:end] * scale)
        votes.bias.copy_(layer.bias[count:end] + layer.weight[count:end] @ mean)
    judge = _judge(task, Examples((val.features - mean) / scale, val.votes))
    best = _descend(votes, task, Examples((train.features - mean) / scale, train.votes), recipe, judge)
    weight = best["weight"] / scale
    with torch.no_grad():
        layer.weight[count:end] = weight
        layer.bias[count:end] = best["bias"] - weight @ mean


def _judge(task: Task, val: Examples) -> Callable[[nn.Linear], float]:
    def rmse(votes: nn.Linear) -> float:
        with torch.no_grad():
            logits = votes(val.features)
        shares = torch.cat(
            [part.softmax(dim=1) for part in logits.split([len(q) for q in task.questions], dim=1)], dim=1
        )
        assert task.tree is not None
        return vote_figures(task.tree, shares.numpy(), val.votes.numpy()).rmse

    return rmse


def _descend(
    votes: nn.Linear, task: Task, train: Examples, recipe: HeadRecipe, judge: Callable[[nn.Linear], float]
) -> dict[str, Tensor]:
    steps = -(-len(train.votes) // recipe.batch_size)
    rate = recipe.learning_rate
    optimiser = torch.optim.AdamW(votes.parameters(), lr=rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps * recipe.epochs + 1)
    generator = torch.Generator().manual_seed(recipe.seed)
    best, score = {name: value.clone() for name, value in votes.state_dict().items()}, judge(votes)
    _log.info("before: validation RMSE %.5f", score)
    for epoch in range(1, recipe.epochs + 1):
        for rows in torch.randperm(len(train.votes), generator=generator).split(recipe.batch_size):
            loss = task.votes_loss(votes(train.features[rows]), train.votes[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        found = judge(votes)
        _log.info("epoch %d: validation RMSE %.5f", epoch, found)
        if found < score:
            best, score = {name: value.clone() for name, value in votes.state_dict().items()}, found
    return best


def _check_same_classes(before: Artifact, cache: ImageCache, told: NDArray[np.float64]) -> None:
    count = len(before.metadata.classes)
    if not np.array_equal(outputs(before, cache, what="classes, as they were")[:, :count], told[:, :count]):
        raise ValueError(
            "the classes would not stay as they are: the artifact was made by another version; export it again"
        )


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``python -m training.votes_head``; the exit status."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    recipe = HeadRecipe(options.epochs, options.batch_size, options.learning_rate, options.weight_decay, options.seed)
    try:
        content, found = teach(options.artifact, options.data, options.cache, recipe, options.model)
        options.out.write_bytes(content)
        if options.record:
            from_sha256 = artifact.digest(options.artifact.read_bytes())
            record = {"from": from_sha256, "sha256": artifact.digest(content), "recipe": asdict(recipe)}
            figures = {split: asdict(one) for split, one in found.items()}
            options.record.write_text(json.dumps(record | figures, indent=1) + "\n", encoding="utf-8")
    except (CosmoFormerError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    told = ", ".join(f"{split} RMSE {one.rmse:.5f} on {one.images:,} galaxies" for split, one in found.items())
    print(f"{options.out}: {told}; sha256 {artifact.digest(content)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.votes_head",
        description="Teach a trained model the votes, and leave its classes as they are.",
    )
    add = parser.add_argument
    add("--artifact", type=Path, required=True, help="TorchScript file that training wrote")
    add("--data", type=Path, required=True, help="galaxies with votes, as training.train takes them")
    add("--out", type=Path, required=True, help="file for the artifact with votes")
    add("--record", type=Path, help="file for recipe and figures, as JSON")
    add("--model", default="crossformer", choices=models.names(), help="which model it is (default: crossformer)")
    add("--cache", type=Path, default=Path(".cache"), help="folder for decoded images (default: .cache)")
    given = HeadRecipe()
    add("--epochs", type=int, default=given.epochs, help=f"passes (default: {given.epochs})")
    add("--batch-size", type=int, default=given.batch_size, help=f"galaxies a step (default: {given.batch_size})")
    add(
        "--learning-rate",
        type=float,
        default=given.learning_rate,
        help=f"at its highest (default: {given.learning_rate})",
    )
    add("--weight-decay", type=float, default=given.weight_decay, help=f"of AdamW (default: {given.weight_decay})")
    add("--seed", type=int, default=given.seed, help=f"of the order of galaxies (default: {given.seed})")
    return parser


if __name__ == "__main__":
    sys.exit(main())
