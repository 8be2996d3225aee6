"""``python -m benchmarks.capacity [images a day ...]``: the model against the measurements, then what such rates need."""

from __future__ import annotations

from dataclasses import asdict

from benchmarks import harness
from benchmarks.capacity import manifest, questions, reproduction
from benchmarks.capacity.measured import Measured, measured
from benchmarks.capacity.questions import Answer
from benchmarks.capacity.simulation import Work
from benchmarks.harness import Goal, Report

#: Seconds of one image at the store: GET, GET, PUT on one Ceph gateway.
STORE_S = 0.020


def cluster_work(found: Measured, pod_start_s: float, store_s: float, failure: float = 0.0) -> Work:
    """What an image costs a pod of one CPU.

    Args:
        found: the measured figures.
        pod_start_s: from the decision to start a pod until its process starts; its image is on the node already.
        store_s: seconds that an image waits for the store.
        failure: chance that a delivery fails for a passing reason.
    """
    service = [found.cpu_s * value for value in found.shape]
    return Work(service, store_s, pod_start_s + found.cold_start_s, cpus=1, failure=failure)


def main(argv: list[str] | None = None) -> Report:
    """Entry point."""
    parser = harness.parser("capacity", "The capacity model against the measurements, then what some rates need.")
    parser.add_argument("images", type=float, nargs="*", default=[1e3, 1e6, 1e8], help="images a day")
    parser.add_argument("--pod-start", type=float, default=2.0, help="seconds until a new pod's process starts")
    parser.add_argument("--store-seconds", type=float, default=STORE_S, help="that an image waits for the store")
    parser.add_argument(
        "--failures", type=float, default=0.001, help="share of deliveries that fail and are tried again"
    )
    options = parser.parse_args(argv)
    found = measured(options.out if (options.out / "throughput.json").exists() else harness.RESULTS)
    told = {"quick": options.quick, "pod_start_s": options.pod_start, "store_s": options.store_seconds}
    report = Report("capacity", "A simulation of the system, against the measurements and at larger rates", told)
    compared = reproduction.comparisons(found)
    report.goals += [Goal(f"simulated, off by: {pair.what}", pair.error, reproduction.TOLERANCE) for pair in compared]
    report.data["compared"] = [asdict(pair) for pair in compared]
    work = cluster_work(found, options.pod_start, options.store_seconds, options.failures)
    rates = [1e3] if options.quick else options.images
    answers = [questions.answer(rate, manifest.scaling(), work) for rate in rates]
    report.data["answers"] = [asdict(item) for item in answers]
    for item in answers:
        _add(report, item)
    _note(report, answers, found)
    harness.write(report, options.out)
    return report


def _add(report: Report, item: Answer) -> None:
    name = f"{item.images_a_day:,.0f} images a day"
    for quantity, unit in (("p50", "s"), ("p95", "s"), ("p99", "s")):
        report.add(name, f"delay, {quantity}", [getattr(item, quantity)], unit)
    report.add(name, "pods, median", [item.pods], "")
    report.add(name, "pods, most", [item.most_pods], "")
    report.add(name, "cores requested, median", [item.cores], "")
    report.add(name, "store requests", [item.store_requests], "1/s")
    report.add(name, "partitions, least", [item.partitions], "")
    report.add(name, "cold starts a day", [item.cold_starts], "")


def _note(report: Report, answers: list[Answer], found: Measured) -> None:
    scaling = manifest.scaling()
    most = scaling.max_scale / found.cpu_s * questions.DAY_S
    report.notes += [
        f"The manifest's {scaling.max_scale} pods carry {most:,.0f} images a day at most.",
        f"The manifest's broker has {manifest.partitions()} partitions.",
        "Arrivals are a Poisson process with half a minute of three times the rate; delays are from the event to the result.",
        "A simulated delay at 70 % load is off by its distance to the range of the measured runs, which differ among themselves.",
    ]
    report.notes += [
        f"{item.images_a_day:,.0f} images a day need a max-scale above the manifest's; simulated with {item.max_scale}."
        for item in answers
        if item.max_scale > scaling.max_scale
    ]
    report.notes += [
        f"{item.lost} images were given up at {item.images_a_day:,.0f} a day." for item in answers if item.lost
    ]


if __name__ == "__main__":
    main()
