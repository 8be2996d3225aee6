"""Bare loops without any serving, the floor: as many processes as CPUs, one thread each, decoding and predicting.

Also a program of its own, one process of such a loop:

    python -m benchmarks.bare --kind artifact --model model.pt --seconds 10 --start 1700000000

It prints the seconds that each picture took, as a JSON list.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import pictures
from benchmarks.models import Models
from benchmarks.processes import clean_environment
from cosmoformer.cpus import cpu_limit

ROOT = Path(__file__).parents[1]
KINDS = ("artifact", "thesis", "onnx")


def rate(kind: str, made: Models, seconds: float, start_s: float = 8.0) -> tuple[float, list[float]]:
    """Pictures a second of all processes together, and the seconds of each picture.

    Args:
        kind: one of :data:`KINDS`.
        made: the models.
        seconds: how long.
        start_s: seconds until every process has loaded its model.
    """
    path = {"artifact": made.artifact, "thesis": made.thesis, "onnx": made.onnx}[kind]
    argv = [sys.executable, "-m", "benchmarks.bare", "--kind", kind, "--model", str(path)]
    argv += ["--seconds", str(seconds), "--start", str(time.time() + start_s)]
    env = clean_environment({"OMP_NUM_THREADS": "1"})
    loops = [subprocess.Popen(argv, stdout=subprocess.PIPE, env=env, cwd=ROOT) for _ in range(cpu_limit())]
    found = [json.loads(loop.communicate(timeout=seconds + 120)[0]) for loop in loops]
    return sum(len(own) for own in found) / seconds, [sample for own in found for sample in own]


def main() -> None:
    """One process of a loop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--start", type=float, required=True, help="seconds since the epoch")
    options = parser.parse_args()
    files = pictures.endless()
    step = _step(options.kind, options.model, files)
    for _ in range(3):
        step()
    time.sleep(max(0.0, options.start - time.time()))
    samples, end = [], time.perf_counter() + options.seconds
    while (started := time.perf_counter()) < end:
        step()
        samples.append(time.perf_counter() - started)
    print(json.dumps(samples))


def _step(kind: str, path: Path, files: Iterator[bytes]) -> Callable[[], object]:
    import torch

    torch.set_num_threads(1)
    if kind == "artifact":
        from benchmarks.latency import decode_and_predict
        from cosmoformer.models import artifact

        own = artifact.load(path.read_bytes())
        return lambda: decode_and_predict(own, files)
    from PIL import Image

    from benchmarks.peers.thesis import Predictor

    if kind == "thesis":
        predictor = Predictor(str(path))
        return lambda: predictor.predict(Image.open(io.BytesIO(next(files))).convert("RGB"))
    return _onnx(path, files)


def _onnx(path: Path, files: Iterator[bytes]) -> Callable[[], object]:
    import numpy as np
    import onnxruntime
    from PIL import Image

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name, side = session.get_inputs()[0].name, session.get_inputs()[0].shape[-1]

    def step() -> object:
        image = Image.open(io.BytesIO(next(files))).convert("RGB").resize((side, side))
        batch = np.asarray(image, np.float32).transpose(2, 0, 1)[None] / 255
        return session.run(None, {name: np.ascontiguousarray(batch)})

    return step


if __name__ == "__main__":
    main()
