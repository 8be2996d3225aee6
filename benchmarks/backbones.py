"""One prediction of each light model on one thread: ``python -m benchmarks.backbones``.

MobileViT and the models that it was compared with on Galaxy10 (Tan 2023, table 3), at the paper's side: the graph in our artifact
against ONNX Runtime on the same weights, turn by turn, in the thread's own time; beside it an image of a batch, and what artifact
and process take. The weights are random: their values change no timing.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from benchmarks import harness
from benchmarks.harness import Goal, Report
from benchmarks.latency import onnxruntime_of
from benchmarks.models import exported
from cosmoformer.models import artifact
from training import export, models
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


def main(argv: list[str] | None = None) -> Report:
    """Entry point."""
    parser = harness.parser("backbones", "One prediction of each light model on one thread.")
    parser.add_argument("--only", action="append", help="one of timm's names instead of all; may be repeated")
    options = parser.parse_args(argv)
    rounds, side = (2, _QUICK_SIDE) if options.quick else (40, SIDE)
    names = options.only or ((FIRST,) if options.quick else BACKBONES)
    torch.set_num_threads(1)
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
    content, trained = _artifact(name, side)
    path = folder / "model.pt"
    path.write_bytes(content)
    own = artifact.load(content)
    image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    variants = {
        "ours": _core(own, image),
        "ONNX Runtime": onnxruntime_of(exported(trained, image, folder / "model.onnx"), image.numpy()),
    }
    for action in variants.values():
        for _ in range(3):
            action()
    samples = harness.interleaved(rounds, {key: _timer(action) for key, action in variants.items()})
    for key, seconds in samples.items():
        report.add(name, f"seconds, {key}", seconds, "s")
    batch = _core(own, image.expand(BATCH, -1, -1, -1).contiguous())
    report.add(name, "seconds an image of a batch", [_timer(batch)() / BATCH for _ in range(3)], "s")
    taken = footprint(path)
    report.add(name, "artifact", [taken.file_bytes / 1e6], "MB")
    report.add(name, "memory", [taken.memory_bytes / 1e6], "MB")
    ratio = harness.ratio(samples["ours"], samples["ONNX Runtime"])
    report.add(name, "ours against ONNX Runtime", [ratio], "")
    if name == FIRST:
        report.goals.append(Goal("MobileViT-S, against ONNX Runtime on the same weights", ratio, 1.1))


def _artifact(name: str, side: int) -> tuple[bytes, nn.Module]:
    """An artifact of a backbone with fresh weights, and the model as it is trained."""
    kind = models.find(f"timm/{name}").in_symmetric_range()
    torch.manual_seed(0)
    weights = kind.build(_TASK.outputs, side).state_dict()
    trained = kind.load(_TASK.outputs, side, weights)
    inference = kind.for_inference(kind.load(_TASK.outputs, side, weights))
    facts = artifact.Metadata(
        task=_TASK.name,
        classes=_TASK.classes,
        input_size=side,
        crop=_TASK.crop,
        temperature=1.0,
        run="benchmark",
        data_version="benchmark",
    )
    return export.pack(trained, inference, _TASK, facts), trained


def _timer(action: Callable[[], object]) -> Callable[[], float]:
    return lambda: harness.timed(action, time.thread_time)


def _core(own: artifact.Artifact, images: torch.Tensor) -> Callable[[], object]:
    def predict() -> object:
        with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            return own.module.core(images)

    return predict


if __name__ == "__main__":
    main()
