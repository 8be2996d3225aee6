"""One prediction of each light model on one thread: ``python -m benchmarks.backbones``.

MobileViT and the models that it was compared with on Galaxy10 (Tan 2023, table 3), at the paper's side: the graph in our artifact
against ONNX Runtime on the same weights, turn by turn, in the thread's own time; beside it an image of a batch, and what artifact
and process take. The weights are random: but for batch norms that let nothing through, as fresh ones may, they change no timing.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks import harness
from benchmarks.harness import Goal, Report
from benchmarks.latency import ORT, onnxruntime_of
from benchmarks.models import exported, packed
from cosmoformer.models import artifact
from training import models
from training.evaluation.footprint import footprint
from training.tasks import find

FIRST = "mobilevit_s"
BACKBONES = (
    FIRST,
    "mobilevit_xs",
    "mobilevit_xxs",
    "vit_base_patch16_224",
    "resnet50",
    "resnetv2_50",
    "densenet121",
    "tf_efficientnetv2_s",
    "mobilenetv1_100",
    "mobilenetv2_100",
    "mobilenetv3_large_100",
    "mobilenetv4_conv_small",
)
SIDE, BATCH = 256, 32  # pixels, as in the paper; images
_QUICK_SIDE = 64
_TASK = find("galaxy10")
_ARTIFACT, _ONNX = "model.pt", "model.onnx"
OURS = "ours"


def main(argv: list[str] | None = None) -> Report:
    """Entry point."""
    parser = harness.parser("backbones", "One prediction of each light model on one thread.")
    parser.add_argument("--only", action="append", help="one of timm's names instead of all; may be repeated")
    options = parser.parse_args(argv)
    rounds, side = (2, _QUICK_SIDE) if options.quick else (40, SIDE)
    names = options.only or ((FIRST,) if options.quick else BACKBONES)
    title = f"One prediction of light models at {side} pixels, one thread, against ONNX Runtime"
    report = Report("backbones", title, {"quick": options.quick})
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            _measure(report, name, side, rounds, Path(folder))
    report.notes.append(
        f"Batches are of {BATCH} images; memory is that of a process with torch that has predicted once."
    )
    harness.write(report, options.out)
    return report


def _measure(report: Report, name: str, side: int, rounds: int, folder: Path) -> None:
    _apart(_write, name, side, folder)
    samples, batches = _apart(_times, side, rounds, folder)
    for key, seconds in samples.items():
        report.add(name, f"seconds, {key}", seconds, "s")
    report.add(name, "seconds an image of a batch", batches, "s")
    taken = footprint(folder / _ARTIFACT)
    report.add(name, "artifact", [taken.file_bytes / 1e6], "MB")
    report.add(name, "memory", [taken.memory_bytes / 1e6], "MB")
    ratio = harness.ratio(samples[OURS], samples[ORT])
    report.add(name, "ours against ONNX Runtime", [ratio], "")
    if name == FIRST:
        report.goals.append(Goal("MobileViT-S, against ONNX Runtime on the same weights", ratio, 1.1))


def _apart(function: Callable[..., Any], *given: Any) -> Any:
    """What a function returns in a process of its own: memory that an export has used and freed is not reused."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *given).result()


def _write(name: str, side: int, folder: Path) -> None:
    torch.set_num_threads(1)
    content, trained = _artifact(name, side)
    (folder / _ARTIFACT).write_bytes(content)
    exported(trained, _image(side), folder / _ONNX)


def _times(side: int, rounds: int, folder: Path) -> tuple[dict[str, list[float]], list[float]]:
    """Seconds of a prediction in each runtime, and of an image of a batch in ours, as a server has them: nothing went before."""
    torch.set_num_threads(1)
    own, image = artifact.load((folder / _ARTIFACT).read_bytes()), _image(side)
    variants = {OURS: _core(own, image), ORT: onnxruntime_of(folder / _ONNX, image.numpy())}
    for action in variants.values():
        for _ in range(3):
            action()
    samples = harness.interleaved(rounds, {key: _timer(action) for key, action in variants.items()})
    batch = _core(own, image.expand(BATCH, -1, -1, -1).contiguous())
    return samples, [_timer(batch)() / BATCH for _ in range(3)]


def _image(side: int) -> torch.Tensor:
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))


def _artifact(name: str, side: int) -> tuple[bytes, nn.Module]:
    """An artifact of a backbone with random weights, and the model as it is trained."""
    kind = models.find(f"timm/{name}").in_symmetric_range()
    torch.manual_seed(0)
    content, trained, _ = packed(kind, _TASK, side, lived(kind.build(_TASK.outputs, side)).state_dict())
    return content, trained


def lived(network: nn.Module) -> nn.Module:
    """A fresh network with batch norms, in place, that have seen something: each number matters, and none is zero."""
    with torch.no_grad():
        for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
            assert norm.running_mean is not None and norm.running_var is not None
            norm.running_mean.normal_(0, 0.1)
            norm.running_var.uniform_(0.5, 2)
            norm.weight.uniform_(0.5, 1.5)
            norm.bias.normal_(0, 0.1)
    return network.eval()


def _timer(action: Callable[[], object]) -> Callable[[], float]:
    return lambda: harness.timed(action, time.thread_time)


def _core(own: artifact.Artifact, images: torch.Tensor) -> Callable[[], object]:
    def predict() -> object:
        with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            return own.module.core(images)

    return predict


if __name__ == "__main__":
    main()
