"""Write the artifact: one TorchScript file that takes uint8 images and gives predictions.

    python -m training.export --checkpoint runs/first/checkpoint.pt --data galaxies --out model.pt

See :mod:`cosmoformer.models.artifact` for what is inside and who loads it. A run does this itself at its end.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from cosmoformer.errors import CosmoFormerError
from cosmoformer.models import artifact
from cosmoformer.render import SAMPLES, render
from training import tasks
from training.artifact.features import give_features
from training.artifact.flat import FlatModule
from training.data.cache import ImageCache
from training.data.splits import open_splits
from training.heads import domain
from training.heads.domain import DomainRecipe
from training.heads.last_layer import with_rows
from training.loop import checkpoint, class_names
from training.loop.job import model_of, task_of
from training.loop.last_layer import LastLayer
from training.loop.predicting import outputs_of
from training.loop.recipe import Recipe, from_params
from training.tasks import Task

_log = logging.getLogger(__name__)

EQUAL_WITHIN = 1e-5  # between the training model and the artifact; see :func:`cosmoformer.models.artifact.tolerance`
_BATCHES = (1, 3, 16, 64)
_SELF_CHECK_SIDE = 64
_CPU = torch.device("cpu")


def export(
    weights: Mapping[str, Tensor],
    recipe: Recipe,
    task: Task,
    val: ImageCache,
    run: str,
    data_version: str,
    *,
    train: ImageCache | None = None,
) -> bytes:
    """The artifact of a trained model, with its temperature fitted on the validation split.

    Args:
        weights: of the model, by parameter name.
        recipe: what the model was trained with.
        task: what it learned, with its classes.
        val: the validation split.
        run: name or identifier of the training run.
        data_version: of the training split.
        train: the training split, where the score of what is no galaxy shall be learned from it, as the recipe says.

    Raises:
        ValueError: the artifact's predictions differ from the model's by more than :data:`EQUAL_WITHIN` at some batch size.
    """
    if recipe.target_weight:  # else nobody taught the model the votes
        task = task.telling_votes()
    kind = model_of(recipe)
    trained = kind.load(task.outputs, recipe.image_size, weights)
    inference = kind.for_inference(kind.load(task.outputs, recipe.image_size, weights))
    known = torch.from_numpy(val.labels), torch.from_numpy(val.targets.copy())
    temperature = task.calibrate(outputs_of(inference, val, _CPU), *known)
    if train is not None and recipe.foreign_pictures and task.is_classification:
        task = _with_domain(trained, inference, task, train, val, DomainRecipe(pictures=recipe.foreign_pictures))
    metadata = artifact.Metadata(
        task=task.name,
        classes=task.predicted if task.is_classification else (),
        input_size=recipe.image_size,
        crop=task.crop,
        temperature=round(temperature, 4),
        run=run,
        data_version=data_version,
        fractions=task.fractions,
        values=task.values,
        radii=task.radii,
    )
    return pack(trained, inference, task, metadata)


def _with_domain(
    trained: nn.Module, inference: nn.Module, task: Task, train: ImageCache, val: ImageCache, recipe: DomainRecipe
) -> Task:
    """Teach both forms of a model the score of what is no galaxy; the task that tells it, or as it was where that cannot be."""
    try:
        layers = [LastLayer.of(model, task.outputs) for model in (trained, inference)]
    except ValueError as error:
        _log.warning("the artifact does not tell what is no galaxy: %s", error)
        return task
    _log.info("learning what is no galaxy from %s rendered pictures", f"{recipe.pictures:,}")
    row = domain.learn(layers[1].trunk(inference), task, train, val, recipe)
    for model, last in zip((trained, inference), layers, strict=True):
        last.replaced(model, with_rows(last.layer, task.outputs, row.weight, row.bias).eval())
    return task.telling_domain()


def pack(trained: nn.Module, inference: nn.Module, task: Task, metadata: artifact.Metadata) -> bytes:
    """The artifact file of a model in its two forms.

    Args:
        trained: as it was trained, in evaluation mode.
        inference: the same function, prepared for tracing.
        task: gives what stands around the model.
        metadata: what travels with it.

    Raises:
        ValueError: as :func:`export`.
    """
    example = torch.zeros(2, 3, metadata.input_size, metadata.input_size)
    with torch.no_grad(), _quiet():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        core = torch.jit.trace(FlatModule(inference), example, check_trace=False)
    length = give_features(core) if _tells_features(task, metadata) else 0
    return pack_core(trained, core, task, replace(metadata, features=length))


def _tells_features(task: Task, metadata: artifact.Metadata) -> bool:
    """Whether what the task puts around a model knows of features behind its outputs; a task of one's own need not."""
    around = task.giving_features(1).artifact_module(nn.Identity(), metadata.input_size, metadata.temperature)
    return getattr(around, "features", 0) == 1


def pack_core(trained: nn.Module, core: nn.Module, task: Task, metadata: artifact.Metadata) -> bytes:
    """The same of a model that is traced already."""
    module = module_of(core, task, metadata)
    reference = task.artifact_module(trained, metadata.input_size, metadata.temperature).eval()
    # Each view is another pass through the same core: where there are many, two sizes must do.
    _check_equal(reference, module, metadata.input_size, _BATCHES if task.views == 1 else _BATCHES[:2])
    return write(module, metadata)


def module_of(core: nn.Module, task: Task, metadata: artifact.Metadata) -> torch.jit.ScriptModule:
    """What stands in an artifact's file: a traced model and what the task puts around it."""
    around = task.giving_features(metadata.features)
    with torch.no_grad(), _quiet():
        module: torch.jit.ScriptModule = torch.jit.script(
            around.artifact_module(core, metadata.input_size, metadata.temperature).eval()
        )
    return module


def write(module: torch.jit.ScriptModule, metadata: artifact.Metadata) -> bytes:
    """The artifact file of a module, with its self-check."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt"
        extra = {artifact.METADATA: _metadata_json(metadata), artifact.SELF_CHECK: _self_check(module)}
        torch.jit.save(module, str(path), _extra_files=extra)
        content = path.read_bytes()
    artifact.load(content)  # what cannot be served is never written
    return content


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit
        yield


def _metadata_json(metadata: artifact.Metadata) -> str:
    return json.dumps(asdict(metadata))


def _check_equal(reference: nn.Module, module: torch.jit.ScriptModule, size: int, batches: Sequence[int]) -> None:
    generator = torch.Generator().manual_seed(0)
    for count in batches:
        images = torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)
        with torch.inference_mode():
            expected = reference(images)
            difference = float((expected - module(images)).abs().max())
        allowed = artifact.tolerance(EQUAL_WITHIN, expected)
        if not difference <= allowed < math.inf:
            raise ValueError(
                f"at batch size {count} the artifact differs from the model by {difference:.2g} > {allowed:.2g}"
            )


def _self_check(module: torch.jit.ScriptModule) -> str:
    """A few small rendered galaxies, and the artifact's predictions for them on this machine."""
    pictures = [render(galaxy, size=_SELF_CHECK_SIDE, seed=0) for galaxy in list(SAMPLES.values())[:2]]
    images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
    with torch.inference_mode():
        outputs = module(images)
    return json.dumps(
        {"shape": list(images.shape), "pixels": images.numpy().tobytes().hex(), "probabilities": outputs.tolist()}
    )


def main(argv: list[str] | None = None) -> int:
    """Entry point of ``python -m training.export``; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m training.export", description="Write the artifact of a checkpoint's best weights."
    )
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument(
        "--data", type=Path, required=True, help="what it was trained on; the validation split calibrates"
    )
    parser.add_argument("--classes", help="class names in order, separated by commas (default: the checkpoint's)")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument(
        "--views",
        type=int,
        default=0,
        help="turned and mirrored views of an image that the artifact gives the mean of, such as 16 (default: the recipe's)",
    )
    parser.add_argument("--run", default="", help="identifier of the training run (default: the checkpoint's folder)")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(argv)
    try:
        content = _export_checkpoint(options)
        options.out.write_bytes(content)
    except (CosmoFormerError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    temperature = artifact.read_metadata(content).temperature
    print(f"{options.out}: {len(content):,} bytes, sha256 {artifact.digest(content)}, temperature {temperature}")
    return 0


def _export_checkpoint(options: argparse.Namespace) -> bytes:
    state = checkpoint.read(options.checkpoint, _CPU)
    recipe = from_params(state["recipe"])
    recipe = replace(recipe, views=options.views or recipe.views)
    task, classes = task_of(recipe), _classes(options, state.get("data", {}).get("classes", ""))
    caches = open_splits(task, options.data, options.cache, recipe.image_size, ("train", "val"), classes)
    return export(
        state["best"],
        recipe,
        task.with_classes(caches["train"].classes),
        caches["val"],
        options.run or options.checkpoint.parent.name,
        caches["train"].version,
        train=caches["train"],
    )


def _classes(options: argparse.Namespace, told: str) -> Sequence[str]:
    """The classes in the order of the checkpoint's outputs, which the data do not know."""
    given = tasks.class_names(options.classes)
    if told and given and not class_names.are_told(told, given):
        raise ValueError(
            f"{options.checkpoint} is of the classes {class_names.read(told)}, not {tuple(given)}: leave --classes out"
        )
    return given or class_names.read(told)


if __name__ == "__main__":
    sys.exit(main())
