"""Write the artifact: one TorchScript file that takes uint8 images and gives class probabilities.

    python -m training.export --checkpoint .cache/run-224/checkpoint.pt --data galaxies --out model.pt

See :mod:`cosmoformer.artifact` for what is inside and who loads it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cosmoformer import artifact
from cosmoformer.render import SAMPLES, render
from training.augment import normalise
from training.cache import ImageCache
from training.classifier import Classifier
from training.models.crossformer import CrossFormerGraph, build
from training.splits import open_splits
from training.tasks import TASKS

EQUAL_WITHIN = 1e-5  # of a probability, between the training model and the artifact
_BATCHES = (1, 3, 64)
_SELF_CHECK_SIDE = 64


def export(graph: CrossFormerGraph, metadata: artifact.Metadata) -> bytes:
    """The artifact of a trained model.

    Raises:
        ValueError: the artifact's probabilities differ from the model's by more than :data:`EQUAL_WITHIN` at some batch size.
    """
    graph = graph.eval().cpu().fold()
    example = torch.zeros(2, 3, metadata.input_size, metadata.input_size)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        warnings.simplefilter("ignore", DeprecationWarning)
        core = torch.jit.trace(graph, example, check_trace=False)
        module = torch.jit.script(Classifier(core, metadata.input_size, metadata.crop, metadata.temperature).eval())
    _check_equal(graph, module, metadata)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt"
        extra = {artifact.METADATA: _metadata_json(metadata), artifact.SELF_CHECK: _self_check(module)}
        torch.jit.save(module, str(path), _extra_files=extra)
        content = path.read_bytes()
    artifact.load(content)  # what cannot be served is never written
    return content


def _metadata_json(metadata: artifact.Metadata) -> str:
    return json.dumps({"format": artifact.FORMAT, **asdict(metadata)})


def _check_equal(graph: CrossFormerGraph, module: torch.jit.ScriptModule, metadata: artifact.Metadata) -> None:
    reference = Classifier(graph, metadata.input_size, metadata.crop, metadata.temperature).eval()
    generator = torch.Generator().manual_seed(0)
    for count in _BATCHES:
        images = torch.randint(0, 256, (count, 3, 300, 300), dtype=torch.uint8, generator=generator)
        with torch.inference_mode():
            difference = float((reference(images) - module(images)).abs().max())
        if not difference <= EQUAL_WITHIN:
            raise ValueError(
                f"at batch size {count} the artifact differs from the model by {difference:.2g} > {EQUAL_WITHIN}"
            )


def _self_check(module: torch.jit.ScriptModule) -> str:
    """A few rendered galaxies, small, and what the artifact says of them on this machine."""
    pictures = [render(galaxy, size=_SELF_CHECK_SIDE, seed=0) for galaxy in list(SAMPLES.values())[:2]]
    images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
    with torch.inference_mode():
        probabilities = module(images)
    return json.dumps(
        {"shape": list(images.shape), "pixels": images.numpy().tobytes().hex(), "probabilities": probabilities.tolist()}
    )


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature with the least negative log-likelihood (Guo et al. 2017, section 4.2).

    Args:
        logits: float (N, classes), of the validation split.
        labels: int64 (N,).
    """
    log_temperature = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.LBFGS([log_temperature], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = F.cross_entropy(logits / log_temperature.exp(), labels)
        value.backward()
        return value

    optimiser.step(loss)
    return float(log_temperature.exp().item())


def data_version(cache: ImageCache) -> str:
    """Digest of which galaxies, with which labels, a model was trained on."""
    text = "\n".join(f"{uid} {label}" for uid, label in zip(cache.uids, cache.labels, strict=True))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@torch.no_grad()
def _logits(graph: CrossFormerGraph, cache: ImageCache) -> Tensor:
    parts = [
        graph(normalise(cache.images(slice(start, start + 64)).float() / 255))
        for start in range(0, len(cache.labels), 64)
    ]
    return torch.cat(parts)


def main(argv: list[str] | None = None) -> None:
    """Entry point of ``python -m training.export``."""
    parser = argparse.ArgumentParser(
        prog="python -m training.export", description="Write the artifact of a checkpoint."
    )
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--task", choices=sorted(TASKS), default="clean5")
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of parquet files; its validation split calibrates"
    )
    parser.add_argument("--size", type=int, default=224, help="side the model was trained at, pixels")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--run", default="", help="identifier of the training run")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(argv)
    task = TASKS[options.task]
    graph = CrossFormerGraph(build(len(task.classes), options.size)).eval()
    graph.model.load_state_dict(torch.load(options.checkpoint, map_location="cpu", weights_only=True)["average"])
    graph.fold()
    caches = open_splits(task, options.data, options.cache, options.size, ("train", "val"))
    val = caches["val"]
    temperature = fit_temperature(_logits(graph, val), torch.from_numpy(val.labels))
    metadata = artifact.Metadata(
        task=task.name,
        classes=task.classes,
        input_size=options.size,
        crop=task.crop,
        temperature=round(temperature, 4),
        run=options.run or options.checkpoint.parent.name,
        data_version=data_version(caches["train"]),
    )
    options.out.write_bytes(content := export(graph, metadata))
    print(f"{options.out}: {len(content):,} bytes, sha256 {artifact.digest(content)}, temperature {temperature:.4f}")


if __name__ == "__main__":
    main()
