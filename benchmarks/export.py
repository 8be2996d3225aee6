"""Results from the store into a Parquet file: ``python -m benchmarks.export --results 100000``.

``cosmoformer results --parquet`` as a process of its own reads results with class, votes and place from a store in memory: an
object each, and the copies that classify keeps of them by the way. Filling the store takes longer than the export and is not
measured. Some of the results have no copy, as after a crash.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import harness
from benchmarks.harness import Goal, Report
from benchmarks.processes import clean_environment
from benchmarks.surroundings import outside, store_alone
from cosmoformer.settings import Settings
from cosmoformer.storage.results import ResultsBucket, Standing
from cosmoformer.storage.store import Store
from functions.classify.copies import Copies

GOAL_RESULTS, GOAL_S, GOAL_MB = 100_000, 60.0, 300.0
QUICK_RESULTS = 1200  # enough for copies to be used
COMMAND = "results --parquet"
_WRITERS = 16
# Run by a small process, since the kernel counts the memory of a process that starts another as the other's.
_WEIGHED = """
import resource, subprocess, sys, time
started = time.perf_counter()
subprocess.run(sys.argv[1:], check=True)
seconds, usage = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
print(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""
_WITHOUT_COPY = 100  # of so many results one


def main(argv: list[str] | None = None) -> Report:
    """Entry point."""
    parser = harness.parser("export", "Results from the store into a Parquet file.")
    parser.add_argument("--results", type=int, default=GOAL_RESULTS, help="how many (default: %(default)s)")
    options = parser.parse_args(argv)
    count = QUICK_RESULTS if options.quick else options.results
    report = Report("export", "Results of the store as a Parquet file", {"quick": options.quick, "results": count})
    with tempfile.TemporaryDirectory() as scratch, store_alone(Path(scratch) / "system") as settings:
        fill(settings, count)
        seconds, cpu_seconds, megabytes, rows = export(settings, Path(scratch) / "galaxies.parquet")
    report.add(COMMAND, "seconds", [seconds], "s")
    report.add(COMMAND, "CPU seconds of the command itself", [cpu_seconds], "s")
    report.add(COMMAND, "results a second", [count / seconds], "1/s")
    report.add(COMMAND, "memory at most", [megabytes], "MB")
    report.add(COMMAND, "rows", [rows], "")
    whole = count == GOAL_RESULTS
    report.goals.append(Goal(f"seconds for {GOAL_RESULTS:,} results", seconds if whole else float("nan"), GOAL_S))
    report.goals.append(Goal("MB at most", megabytes if whole else float("nan"), GOAL_MB))
    report.goals.append(Goal("results lost", count - rows, 0))
    harness.write(report, options.out)
    return report


def fill(settings: Settings, count: int) -> None:
    """Write results as processes of classify do, each of which keeps copies of its own, of different images."""
    store = Store(settings)
    kept = [Copies(settings, store) for _ in range(_WRITERS)]
    buckets = [ResultsBucket(store, on_written=copies.keep) for copies in kept]
    bare = ResultsBucket(store)

    def put(number: int) -> None:
        key = f"survey/field-{number // 1000:04}/galaxy-{number:07}.fits"
        bucket = buckets[number % _WRITERS] if number % _WITHOUT_COPY else bare
        bucket.write(_result(key, number), Standing(None, None))

    for copies in kept:
        copies.start()
    with ThreadPoolExecutor(_WRITERS) as pool:
        for _ in pool.map(put, range(count)):
            pass
    for copies in kept:
        copies.stop()


def export(settings: Settings, file: Path) -> tuple[float, float, float, int]:
    """Seconds, CPU seconds, megabytes at most, and rows of one export."""
    from pyarrow import parquet

    place = {"S3_ENDPOINT_URL": settings.s3_endpoint_url, "DATA_DIR": str(file.parent / "nothing")}
    keys = {"AWS_ACCESS_KEY_ID": settings.aws_access_key_id, "AWS_SECRET_ACCESS_KEY": settings.aws_secret_access_key}
    kept = {name: value for name, value in clean_environment().items() if name in outside()}
    buckets = {"IMAGES_BUCKET": settings.images_bucket, "RESULTS_BUCKET": settings.results_bucket}
    command = [sys.executable, "-m", "cosmoformer", "results", "--parquet", "--output", str(file)]
    told = subprocess.run(
        [sys.executable, "-c", _WEIGHED, *command],
        env=kept | place | keys | buckets,
        check=True,
        stdout=subprocess.PIPE,
    )
    seconds, cpu_seconds, kibibytes = map(float, told.stdout.split())
    return seconds, cpu_seconds, kibibytes * 1024 / 1e6, parquet.read_metadata(file).num_rows


def _result(key: str, number: int) -> dict[str, Any]:
    """A result with everything that the bundled model tells, and a place."""
    share = number % 89 / 100
    fractions = {"yes": share, "no": 1 - share}
    votes = {f"question-{one}": {"asked": 100.0, "fractions": fractions} for one in range(11)}
    probabilities = {"spiral": 0.9 * share, "edge_on": 1 - share, "round_smooth": 0.1 * share, "cigar_smooth": 0.0}
    place = {"object_id": f"J{number:09}", "ra": number % 360, "dec": share, "told": ["dec", "object_id", "ra"]}
    time = "2026-01-02T03:04:05.000Z"
    return {
        "schema_version": 1,
        "status": "classified",
        "image": {
            "bucket": "galaxy-images",
            "key": key,
            "etag": f"{number:032x}",
            "size_bytes": 20_000 + number,
            "last_modified": time,
            "sha256": f"{number:064x}",
            "width": 424,
            "height": 424,
            "format": "FITS",
            "conversions": ["asinh_stretch"],
        },
        "object": {**place, "ignored": []},
        "prediction": {
            "task": "clean5",
            "class": "spiral",
            "confidence": share,
            "unsure": False,
            "unsure_below": 0.7,
            "probabilities": probabilities,
            "votes": votes,
        },
        "rejection": None,
        "model": {"name": "cosmoformer", "version": 1, "run_id": None, "sha256": "a" * 64},
        "event": {"id": f"event-{number}", "source": "ceph:s3", "time": time},
        "started": time,
        "finished": time,
        "seconds": 0.05,
    }


if __name__ == "__main__":
    main()
