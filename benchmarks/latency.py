"""One prediction on one thread, and one warm request: ``python -m benchmarks.latency``.

The prediction: the graph in our artifact, the thesis's traced model with the same weights, and the limit: ONNX Runtime and
OpenVINO on the same graph; all of the same normalised picture, to logits. Beside them our whole artifact, from pixels to
probabilities. The request: a CloudEvent with a picture to its reply, against decoding and predicting in this process.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import harness, models, pictures, servers
from benchmarks.harness import Goal, Report
from benchmarks.load import Client
from benchmarks.models import INPUT_SIDE, Models
from benchmarks.surroundings import given_or_new
from cosmoformer.images.picture import Limits
from cosmoformer.models import artifact
from cosmoformer.settings import Settings
from functions.classify import predictor

OURS, THESIS, ORT, OPENVINO = "our graph", "thesis's traced model", "ONNX Runtime", "OpenVINO"
WHOLE = "our artifact, pixels to probabilities"
WARM, IN_PROCESS = "CloudEvent to reply", "decode and predict in process"
LIMITS = Limits(32 << 20, 32 << 20)


def main(argv: list[str] | None = None, around: Settings | None = None) -> Report:
    """Entry point.

    Args:
        argv: options.
        around: store and registry, where they run already.
    """
    options = harness.parser("latency", "One prediction on one thread, and one warm request.").parse_args(argv)
    rounds, requests = (3, 3) if options.quick else (60, 60)
    torch.set_num_threads(1)
    made = models.prepare()
    report = Report("latency", "One prediction on one thread; one warm request of one client", {"quick": options.quick})
    _measure(report, predictions(made), rounds, warm=2 if options.quick else 5)
    with (
        tempfile.TemporaryDirectory() as scratch,
        given_or_new(around, Path(scratch) / "system", made.artifact) as settings,
        servers.started(servers.classify(settings), Path(scratch)) as running,
    ):
        _measure(report, _requests(made, Client(running.target)), requests, warm=2)
    _judge(report)
    harness.write(report, options.out)
    return report


def predictions(made: Models) -> dict[str, Callable[[], object]]:
    """One prediction of each runtime, on one thread, of a picture that needs no resizing."""
    own = artifact.load(made.artifact.read_bytes())
    side = next(side for side in range(INPUT_SIDE, 2 * INPUT_SIDE) if round(side * own.metadata.crop) == INPUT_SIDE)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (1, 3, side, side), dtype=torch.uint8, generator=generator)
    image = torch.rand(1, 3, INPUT_SIDE, INPUT_SIDE, generator=generator)
    traced = torch.jit.load(str(made.thesis), map_location="cpu").eval()
    array = image.numpy()

    def ours() -> object:
        with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            return own.module.core(image)

    def thesis() -> object:
        with torch.no_grad():
            return traced(image)

    return {
        OURS: ours,
        WHOLE: lambda: own.predict(pixels),
        THESIS: thesis,
        ORT: onnxruntime_of(made.onnx, array),
        OPENVINO: _openvino(made.onnx, array),
    }


def onnxruntime_of(path: Path, image: np.ndarray[Any, Any]) -> Callable[[], object]:
    """A prediction of an ONNX file for a float image (1, 3, S, S), on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: image}
    return lambda: session.run(None, feed)


def _openvino(path: Path, image: np.ndarray[Any, Any]) -> Callable[[], object]:
    import openvino

    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.Core().compile_model(str(path), "CPU", settings)
    return lambda: compiled([image])


def _requests(made: Models, client: Client) -> dict[str, Callable[[], object]]:
    own = artifact.load(made.artifact.read_bytes())
    files = pictures.endless()

    def warm() -> None:
        status, _, body = client.send(next(files))
        if status != 200:
            raise RuntimeError(f"classify answered {status}: {body[:300]!r}")

    return {WARM: warm, IN_PROCESS: lambda: decode_and_predict(own, files)}


def decode_and_predict(own: artifact.Artifact, files: Iterator[bytes]) -> dict[str, float]:
    """What every way of serving has to do at least: a JPEG file to probabilities."""
    pixels = predictor.decode(next(files), LIMITS).pixels
    return predictor.predict(own, predictor.preprocess(pixels))


def _measure(report: Report, variants: Mapping[str, Callable[[], object]], rounds: int, warm: int) -> None:
    for action in variants.values():
        for _ in range(warm):
            action()
    samples = harness.interleaved(rounds, {name: _timer(action) for name, action in variants.items()})
    report.data.setdefault("samples", {}).update(samples)
    for name, seconds in samples.items():
        report.add(name, "seconds", seconds, "s")


def _timer(action: Callable[[], object]) -> Callable[[], float]:
    return lambda: harness.timed(action)


def _judge(report: Report) -> None:
    samples = report.data["samples"]
    report.goals += [
        Goal("prediction, against ONNX Runtime on the same graph", harness.ratio(samples[OURS], samples[ORT]), 1.05),
        Goal("prediction, against the thesis's traced model", harness.ratio(samples[OURS], samples[THESIS]), 0.5),
        Goal(
            "CloudEvent to reply, against decode and predict in process",
            harness.ratio(samples[WARM], samples[IN_PROCESS]),
            1.25,
        ),
    ]
    report.notes.append(
        f"OpenVINO on the same graph: ours takes {harness.ratio(samples[OURS], samples[OPENVINO]):.2f} times as long."
    )


if __name__ == "__main__":
    main()
