"""Teach a trained model the score ``in_domain``, which tells what is no galaxy, and leave all else that it gives as it is.

    python -m training.domain_head --artifact cosmoformer/bundled/model.pt --data galaxies --out model.pt

A new run learns the score at its end (``foreign_pictures`` of its recipe); this is for models that are trained already. Only a
row of the last layer is learned (:mod:`training.heads.domain`): most of the minute or two goes into features of galaxies and
pictures. ``--others`` names parquet files with the column ``image`` of galaxies of other surveys, which are galaxies too: those
whose ``split`` is ``train`` are learned from, the others are measured. ``--record`` keeps what was measured. The artifact is
written only when it gives everything else as before, bit for bit, for images of the validation split.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet
from numpy.typing import NDArray

from cosmoformer.errors import CosmoFormerError
from cosmoformer.images.decoding import decode
from cosmoformer.models import artifact
from cosmoformer.models.artifact import Artifact, Metadata
from cosmoformer.models.outputs import DOMAIN
from cosmoformer.render.foreign import KINDS
from training import models
from training.data.cache import ImageCache
from training.data.decoding import LIMITS
from training.data.sources.parquet import read_rows
from training.data.splits import open_splits
from training.evaluation.domain import DomainFigures, Flagged, domain_figures, flagged, scores_of
from training.evaluation.inference import outputs
from training.export import pack_core
from training.heads.domain import DomainRecipe, drawing, learn
from training.heads.features import Draw, of_pictures
from training.heads.last_layer import Opened, open_artifact, task_of, with_rows

_OTHER_SEED = 1  # of rendered pictures that are measured, beside those that were learned from
_RENDERED_A_KIND = 20
_COMPARED = 512  # images on which the other outputs are compared


@dataclass(frozen=True)
class Survey:
    """Galaxies of another survey, as encoded files: those to learn from and those to measure."""

    name: str
    learned: tuple[bytes, ...]
    measured: tuple[bytes, ...]


def teach(
    path: Path, data: Path, cache: Path, recipe: DomainRecipe, model_name: str, surveys: list[Survey]
) -> tuple[bytes, dict[str, Any]]:
    """The artifact with the score, and what it was found to tell.

    Args:
        path: an artifact of a classification.
        data: whatever :func:`training.data.sources.open_catalogue` reads.
        cache: folder that decoded images are kept in.
        recipe: how to learn.
        model_name: which of :mod:`training.models` the artifact is of.
        surveys: of galaxies that are pictured otherwise.

    Raises:
        ValueError: the artifact gives no classes, or what else it gives would not stay the same.
    """
    before = artifact.load(path.read_bytes())
    facts, task = before.metadata, task_of(before)
    if not facts.classes:
        raise ValueError(f"{path} gives values of {facts.task}, no classes: the score stands beside classes")
    caches = open_splits(task, data, cache, facts.input_size, ("train", "val", "test"), facts.classes)
    opened = open_artifact(path, task, model_name)
    surveys = [replace(survey, learned=_drawn(survey.learned, recipe)) for survey in surveys]
    others = [_features(opened, survey.learned, facts, survey.name) for survey in surveys if survey.learned]
    row = learn(opened.trunk, task, caches["train"], caches["val"], recipe, others)
    core = opened.traced_with(with_rows(opened.last.layer, task.outputs, row.weight, row.bias))
    values = (*(value for value in facts.values if value != DOMAIN), DOMAIN)
    metadata = replace(facts, values=values, format=artifact.FORMAT)
    content = pack_core(opened.model, core, task.telling_domain(), metadata)
    after = artifact.load(content)
    _check_same(artifact.load(path.read_bytes()), after, caches["val"])
    found: dict[str, Any] = {"test": _figures(after, "test", caches["test"])}
    found["rendered"] = _rendered(after)
    found["surveys"] = [_measured(after, survey) for survey in surveys if survey.measured]
    found["learned_from"] = {survey.name: len(survey.learned) for survey in surveys}
    return content, found


def _drawn(files: tuple[bytes, ...], recipe: DomainRecipe) -> tuple[bytes, ...]:
    order = np.random.default_rng(recipe.seed).permutation(len(files))[: recipe.galaxies]
    return tuple(files[place] for place in order)


def _features(opened: Opened, files: tuple[bytes, ...], facts: Metadata, name: str) -> Any:
    return of_pictures(
        opened.trunk, _decoded(files), len(files), size=facts.input_size, crop=facts.crop, what=f"features of {name}"
    )


def _decoded(files: tuple[bytes, ...]) -> Draw:
    return lambda number: decode(files[number], LIMITS).pixels


def _check_same(before: Artifact, after: Artifact, cache: ImageCache) -> None:
    """Check that an artifact gives all that another gives, but for the score, bit for bit."""
    count = len([name for name in before.metadata.names if name != DOMAIN.name])
    rows = np.arange(min(len(cache.labels), _COMPARED))
    was = outputs(before, cache, rows, what="outputs, as they were")[:, :count]
    if not np.array_equal(was, outputs(after, cache, rows, what="outputs, as they are")[:, :count]):
        raise ValueError(
            "the other outputs would not stay as they are: the artifact was made by another version; export it again"
        )


def _figures(after: Artifact, split: str, cache: ImageCache) -> DomainFigures:
    scores: NDArray[np.float64] = outputs(after, cache, what=f"{split} galaxies")[:, -1]
    found = domain_figures(after, split, scores)
    assert found is not None
    return found


def _rendered(after: Artifact) -> list[Flagged]:
    """Pictures of the generators that were learned from, but others."""
    draw, kinds = drawing(_OTHER_SEED), list(KINDS)
    scores = scores_of(after, draw, _RENDERED_A_KIND * len(kinds), "other rendered pictures")
    return [flagged(kind, scores[place :: len(kinds)]) for place, kind in enumerate(kinds)]


def _measured(after: Artifact, survey: Survey) -> Flagged:
    return flagged(survey.name, scores_of(after, _decoded(survey.measured), len(survey.measured), survey.name))


def read_surveys(paths: list[Path]) -> list[Survey]:
    """Galaxies of parquet files, by survey: what stands before the first ``-`` of a file's name.

    Raises:
        ValueError: a file has no column ``image``.
    """
    tables: dict[str, list[pd.DataFrame]] = {}
    for path in paths:
        columns = pyarrow.parquet.read_schema(path).names
        if "image" not in columns:
            raise ValueError(f"{path} has no column image, but {', '.join(columns)}")
        tables.setdefault(path.stem.partition("-")[0], []).append(read_rows(path))
    return [_survey(name, pd.concat(parts, ignore_index=True)) for name, parts in tables.items()]


def _survey(name: str, table: pd.DataFrame) -> Survey:
    learned = table["split"] == "train" if "split" in table else pd.Series(False, index=table.index)
    return Survey(name, _files(table["image"][learned]), _files(table["image"][~learned]))


def _files(images: pd.Series[Any]) -> tuple[bytes, ...]:
    return tuple(Path(image).read_bytes() if isinstance(image, str) else image for image in images.dropna())


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``python -m training.domain_head``; the exit status."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    recipe = DomainRecipe(options.pictures, options.galaxies, options.flagged, options.strength, options.seed)
    try:
        surveys = read_surveys(options.others)
        content, found = teach(options.artifact, options.data, options.cache, recipe, options.model, surveys)
        record = {
            "from": artifact.digest(options.artifact.read_bytes()),
            "sha256": artifact.digest(content),
            "recipe": asdict(recipe),
            **found,
        }
        options.out.write_bytes(content)
        if options.record:
            options.record.write_text(json.dumps(record, indent=1, default=asdict) + "\n", encoding="utf-8")
    except (CosmoFormerError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    test: DomainFigures = found["test"]
    print(
        f"{options.out}: flagged are {test.galaxies.share:.2%} of {test.galaxies.pictures:,} test galaxies, "
        f"{test.strangers_share:.1%} of pictures by other generators"
        + "".join(f", {one.share:.1%} of {one.name}" for one in found["surveys"])
        + f"; sha256 {artifact.digest(content)}"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.domain_head",
        description="Teach a trained model what is no galaxy, and leave all else that it gives as it is.",
    )
    add = parser.add_argument
    add("--artifact", type=Path, required=True, help="TorchScript file that training wrote")
    add("--data", type=Path, required=True, help="galaxies, as training.train takes them")
    add("--out", type=Path, required=True, help="file for the artifact with the score")
    add("--others", type=Path, nargs="+", default=[], help="parquet files of other surveys' galaxies (column image)")
    add("--record", type=Path, help="file for recipe and figures, as JSON")
    add("--model", default="crossformer", help=f"which model it is: {', '.join(models.names())} (default: crossformer)")
    add("--cache", type=Path, default=Path(".cache"), help="folder for decoded images (default: .cache)")
    given = DomainRecipe()
    add("--pictures", type=int, default=given.pictures, help=f"that are no galaxy (default: {given.pictures})")
    add("--galaxies", type=int, default=given.galaxies, help=f"to learn from (default: {given.galaxies})")
    add(
        "--flagged",
        type=float,
        default=given.flagged,
        help=f"share of the validation split's galaxies under 0.5 (default: {given.flagged})",
    )
    add("--strength", type=float, default=given.strength, help=f"inverse of regularisation (default: {given.strength})")
    add("--seed", type=int, default=given.seed, help=f"of pictures and draws (default: {given.seed})")
    return parser


if __name__ == "__main__":
    sys.exit(main())
