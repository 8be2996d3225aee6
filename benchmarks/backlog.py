"""Images dropped at once through the whole local system: ``python -m benchmarks.backlog --images 10000``.

``cosmoformer up`` in a folder of its own: the bucket announces each image, ingest tells the broker, the broker calls classify,
which starts from zero, fetches the image and records the result. Afterwards every image must have one result, made once. The
champion is the model of all benchmarks, which looks at 224 pixels.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import harness, models, pictures, servers
from benchmarks.harness import Goal, Report
from benchmarks.load import Target, closed_loop
from benchmarks.processes import clean_environment, cpu_s, family, pss_mb
from benchmarks.surroundings import free_ports, outside
from cosmoformer import settings as settings_module
from cosmoformer.local.process import start_process, stop_process
from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from cosmoformer.settings import Settings
from cosmoformer.settings_file import FILE_NAME, read_settings_file
from cosmoformer.storage.results import ResultsBucket
from cosmoformer.storage.store import Store

_UPLOADERS = 8
_CLIENTS = 16
_START_S = 240.0
_IDLE_S = 20.0  # longer than the last result takes to be seen, as the processes are asked what they did
#: Generous: the machine may be slow, but a lost image must not hang the benchmark.
_SECONDS_AN_IMAGE, _GRACE_S = 1.0, 120.0


@dataclass
class Drop:
    """What one drop of images came to."""

    images: int
    seconds: float
    uploaded_s: float
    missing: int
    predicted: int
    cpu_s: float
    pss_mb: list[float] = field(default_factory=list)

    @property
    def cost(self) -> float:
        """CPU seconds of the whole system an image."""
        return self.cpu_s / self.images


class System:
    """A running ``cosmoformer up``."""

    def __init__(self, process: subprocess.Popen[bytes], settings: Settings) -> None:
        self.process, self.settings = process, settings
        self.store = Store(settings)
        self.results = ResultsBucket(self.store)

    def activator(self) -> dict[str, Any]:
        """The state of the activator's replicas."""
        return dict(_json(f"{self.settings.classify_url}/_activator"))

    def classify_pids(self) -> list[int]:
        """All processes of classify."""
        return [pid for replica in self.activator()["replicas"] for pid in family(replica["pid"])]

    def predicted(self) -> float:
        """Images that the running classify processes have judged, twice or not."""
        return sum(_judged(replica["port"]) for replica in self.activator()["replicas"])

    def wait_asleep(self) -> None:
        """Wait until classify is at zero."""
        deadline = time.monotonic() + 120
        while self.activator()["replicas"] and time.monotonic() < deadline:
            time.sleep(0.2)


def _json(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def _judged(port: int) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    counted = (line for line in lines if line.startswith("cosmoformer_images_total{") and 'status="classified"' in line)
    return sum(float(line.rpartition(" ")[2]) for line in counted)


@contextmanager
def system(folder: Path, idle_s: float, *, bundled: bool = False, **more: str) -> Iterator[System]:
    """The whole system, with some more settings, until the block ends; classify goes to zero after ``idle_s`` seconds.

    The champion is the model of all benchmarks, or the bundled one.
    """
    data, log = folder / "data", folder / "up.log"
    data.mkdir(parents=True)
    options = {"DATA_DIR": str(data), "IDLE_SECONDS": str(idle_s), "SWEEP_EVERY_SECONDS": "0", "LOG_LEVEL": "WARNING"}
    own = free_ports() | options | more
    env = {name: value for name, value in clean_environment().items() if name in outside()} | own
    process = start_process([sys.executable, "-m", "cosmoformer", "up"], log=log, env=env)
    try:
        _wait_up(process, log)
        settings = settings_module.load(read_settings_file(data / FILE_NAME) | {"DATA_DIR": str(data)})
        if not bundled:
            content = models.prepare().artifact.read_bytes()
            register(Registry(settings), content, tags={}, alias=settings.model_alias)
        yield System(process, settings)
    finally:
        stop_process(process, grace_s=60.0)


def _wait_up(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while "ready after" not in (text := log.read_text(errors="replace")):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"`cosmoformer up` did not start: {text[-2000:]}")
        time.sleep(0.1)


def drop(running: System, images: int, first: int) -> Drop:
    """Upload images as fast as the store takes them, and wait for their results.

    Args:
        running: the system, with classify at zero.
        images: how many.
        first: number of the first; numbers make files differ.
    """
    prefix = f"drop-{first}/"
    files = list(itertools.islice(pictures.endless(first), images))
    pids = family(running.process.pid)
    cpu_before = cpu_s(pids)
    watch = _Watch(running)
    begin = time.monotonic()
    with ThreadPoolExecutor(_UPLOADERS) as pool:
        list(pool.map(lambda item: _put(running, f"{prefix}{item[0]:06}.jpg", item[1]), enumerate(files)))
    uploaded = time.monotonic() - begin
    deadline = begin + images * _SECONDS_AN_IMAGE + _GRACE_S
    while (found := _results(running, prefix)) < images and time.monotonic() < deadline:
        time.sleep(0.2 + (images - found) * 0.01)  # no system does a hundred a second, and to list thousands takes work
    seconds = time.monotonic() - begin
    predicted, pss = int(running.predicted()), watch.stop()
    used = cpu_s(sorted({*pids, *family(running.process.pid)})) - cpu_before
    return Drop(images, seconds, uploaded, images - found, predicted, used, pss)


def _put(running: System, key: str, jpeg: bytes) -> None:
    running.store.write(running.settings.images_bucket, key, jpeg, "image/jpeg")


def _results(running: System, prefix: str) -> int:
    return sum(1 for _ in running.results.keys(prefix))


class _Watch:
    """Weighs classify once a second."""

    def __init__(self, running: System) -> None:
        self._running, self._found, self._ended = running, list[float](), threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while not self._ended.wait(1.0):
            self._found.append(pss_mb(self._running.classify_pids()))

    def stop(self) -> list[float]:
        self._ended.set()
        self._thread.join()
        return self._found


def main(argv: list[str] | None = None) -> Report:
    """Entry point."""
    parser = harness.parser("backlog", "Images dropped at once through the whole local system.")
    parser.add_argument("--images", type=int, nargs="+", default=[100, 1000], help="how many, one drop after the other")
    parser.add_argument(
        "--reference-seconds", type=float, default=8.0, help="of the throughput that it is compared with"
    )
    options = parser.parse_args(argv)
    counts = [8] if options.quick else options.images
    told = {"quick": options.quick, "images": counts}
    report = Report("backlog", "Images dropped at once: bucket, notification, broker, classify from zero, result", told)
    with tempfile.TemporaryDirectory() as scratch, system(Path(scratch), 4.0 if options.quick else _IDLE_S) as running:
        drops = []
        for number, count in enumerate(counts):
            running.wait_asleep()
            drops.append(drop(running, count, first=(number + 1) * 10**6))
        port = int(running.settings.classify_port)
        target = Target(port, "/", servers.event_request)
        seconds = 1.0 if options.quick else options.reference_seconds
        reference = closed_loop(target, pictures.endless(), _CLIENTS, seconds)
    _fill(report, drops, reference.rate)
    harness.write(report, options.out)
    return report


def _fill(report: Report, drops: list[Drop], reference: float) -> None:
    report.add(f"{_CLIENTS} clients, same system", "images/s", [reference], "1/s")
    for found in drops:
        name = f"{found.images:,} images"
        report.add(name, "seconds until the last result", [found.seconds], "s")
        report.add(name, "seconds of uploading", [found.uploaded_s], "s")
        report.add(name, "images/s", [found.images / found.seconds], "1/s")
        report.add(name, "CPU seconds an image, whole system", [found.cost], "s")
        if found.pss_mb:
            report.add(name, "PSS of classify", found.pss_mb, "MB")
    report.data["drops"] = [
        {"images": d.images, "seconds": d.seconds, "uploaded_s": d.uploaded_s, "cpu_s": d.cpu_s} for d in drops
    ]
    last = drops[-1]
    report.goals += [
        Goal("images lost", sum(d.missing for d in drops), 0),
        Goal("images predicted twice", sum(max(0, d.predicted - d.images) for d in drops), 0),
        Goal("rate, against 16 clients of the same system", last.images / last.seconds / reference, 0.8, at_least=True),
        Goal("CPU an image, largest drop against smallest", last.cost / drops[0].cost, 1.1),
    ]
    settled = last.pss_mb[len(last.pss_mb) // 4 :]
    if len(settled) >= 4:
        half = len(settled) // 2
        growth = harness.summarise(settled[half:], "").median / harness.summarise(settled[:half], "").median
        report.goals.append(Goal("memory of classify, second half against first", growth, 1.05))


if __name__ == "__main__":
    main()
