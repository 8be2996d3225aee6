"""What images cost: ``python -m benchmarks.cost --core-hour 0.03 --gib-hour 0.004``.

CPU and memory are those that the manifests' requests reserve while pods live, as the capacity model has it, from the measured
figures. No price is built in: without arguments a core hour costs 1, and all else nothing.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks import harness
from benchmarks.capacity import manifest, questions
from benchmarks.capacity.__main__ import STORE_S, cluster_work
from benchmarks.capacity.manifest import KNATIVE
from benchmarks.capacity.measured import measured
from benchmarks.capacity.simulation import Work

HOUR_S, GIB = 3600.0, 2**30


@dataclass(frozen=True)
class Prices:
    """Prices in any currency.

    Attributes:
        core_hour: of a reserved core.
        gib_hour: of a reserved GiB of memory.
        million_requests: to the store.
    """

    core_hour: float = 1.0
    gib_hour: float = 0.0
    million_requests: float = 0.0


@dataclass(frozen=True)
class Cost:
    """What a day takes.

    Attributes:
        images: a day.
        cpu_seconds: of work.
        core_seconds: reserved by classify's pods.
        gib_seconds: likewise.
        requests: to the store.
        cold_starts: of classify.
        always_core_seconds: reserved by what never sleeps.
        always_gib_seconds: likewise.
    """

    images: float
    cpu_seconds: float
    core_seconds: float
    gib_seconds: float
    requests: float
    cold_starts: float
    always_core_seconds: float
    always_gib_seconds: float

    def price(self, prices: Prices) -> float:
        """Of the images alone."""
        reserved = self.core_seconds * prices.core_hour + self.gib_seconds * prices.gib_hour
        return reserved / HOUR_S + self.requests * prices.million_requests / 1e6

    def price_of_readiness(self, prices: Prices) -> float:
        """Of what runs whether or not images come."""
        return (self.always_core_seconds * prices.core_hour + self.always_gib_seconds * prices.gib_hour) / HOUR_S


def cost(images: float, work: Work, always: manifest.Request) -> Cost:
    """Of a day with some images.

    Args:
        images: a day; with none, classify has no pod.
        work: what one costs a pod.
        always: requests of what never sleeps.
    """
    resting = (always.cpu * questions.DAY_S, always.memory_bytes / GIB * questions.DAY_S)
    if not images:
        return Cost(0, 0, 0, 0, 0, 0, *resting)
    found, pod = questions.answer(images, manifest.scaling(), work), manifest.request()
    return Cost(
        images,
        found.busy_seconds,
        found.pod_seconds * pod.cpu,
        found.pod_seconds * pod.memory_bytes / GIB,
        images * sum(questions.STORE_REQUESTS.values()),
        found.cold_starts,
        *resting,
    )


def always_on(path: Path = KNATIVE / "components" / "mlflow" / "mlflow.yaml") -> manifest.Request:
    """Requests of the registry, the one part of the project's own that never sleeps (store and broker are the cluster's)."""
    documents = yaml.safe_load_all(path.read_text())
    deployments = [document for document in documents if document and document["kind"] == "Deployment"]
    wanted = [
        manifest.resources(container["resources"]["requests"])
        for deployment in deployments
        for container in deployment["spec"]["template"]["spec"]["containers"]
    ]
    return manifest.Request(sum(each.cpu for each in wanted), sum(each.memory_bytes for each in wanted))


def as_markdown(costs: list[Cost], prices: Prices) -> str:
    """The table."""
    lines = [
        f"Prices: {prices.core_hour:g} a core hour, {prices.gib_hour:g} a GiB hour, "
        f"{prices.million_requests:g} a million store requests.",
        "",
        "| images a day | CPU s of work | core s reserved | GiB s reserved | store requests | cold starts | price a day "
        "| a 1,000 images | registry, a day |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for item in costs:
        price = item.price(prices)
        share = f"{1000 * price / item.images:.4g}" if item.images else ""
        lines.append(
            f"| {item.images:,.0f} | {item.cpu_seconds:,.0f} | {item.core_seconds:,.0f} | {item.gib_seconds:,.0f} | "
            f"{item.requests:,.0f} | {item.cold_starts:,.0f} | {price:.4g} | {share} | {item.price_of_readiness(prices):.4g} |"
        )
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", description="What images cost on a cluster.")
    parser.add_argument("images", type=float, nargs="*", default=[0, 1_000, 1_000_000], help="a day")
    parser.add_argument("--core-hour", type=float, default=1.0, help="price of a reserved core (default: 1, a unit)")
    parser.add_argument("--gib-hour", type=float, default=0.0, help="price of a reserved GiB of memory")
    parser.add_argument("--million-requests", type=float, default=0.0, help="price of a million requests to the store")
    parser.add_argument("--pod-start", type=float, default=2.0, help="seconds until a new pod's process starts")
    parser.add_argument("--results", type=Path, default=harness.RESULTS, help="folder of the measured figures")
    options = parser.parse_args(argv)
    work = cluster_work(measured(options.results), options.pod_start, STORE_S)
    always = always_on()
    prices = Prices(options.core_hour, options.gib_hour, options.million_requests)
    print(as_markdown([cost(images, work, always) for images in options.images], prices))


if __name__ == "__main__":
    main()
