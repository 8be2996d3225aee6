"""The capacity model: Knative's rules, queueing theory, and the figures that were measured."""

from __future__ import annotations

import random
import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import cost, harness
from benchmarks.capacity import manifest, questions, reproduction
from benchmarks.capacity.autoscaler import Autoscaler
from benchmarks.capacity.manifest import Scaling
from benchmarks.capacity.measured import measured
from benchmarks.capacity.simulation import Simulation, Work

SCALING = manifest.scaling()
WORK = Work([0.05], store_s=0.02, cold_start_s=3.0)
BUSY = 0.25  # share of the machine's CPU time; a machine that others use more than this reproduces nothing


def test_the_settings_are_those_of_the_manifest(tmp_path: Path) -> None:
    """Every setting is read, in seconds and requests, and follows when the manifest is edited."""
    assert SCALING.target == 2.0
    assert (SCALING.stable_window_s, SCALING.panic_window_s) == (60.0, 6.0)
    edited, text = tmp_path / "classify.yaml", manifest.MANIFEST.read_text()
    changes = {'max-scale: "10"': 'max-scale: "7"', "scale-down-delay: 30s": "scale-down-delay: 1m30s"}
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    edited.write_text(text)
    assert manifest.scaling(edited) == replace(SCALING, max_scale=7, scale_down_delay_s=90.0)


def test_a_pod_asks_for_its_sidecar_too() -> None:
    """What a pod reserves is the container's requests and those of Knative's sidecar."""
    assert manifest.request().cpu == pytest.approx(1.025)
    assert manifest.request().memory_bytes == (768 + 64) * 2**20


@pytest.mark.parametrize("text", ["", "10", "5 s", "s"])
def test_a_duration_without_a_unit_is_refused(text: str) -> None:
    """A duration that Go would not read is an error, not zero."""
    with pytest.raises(ValueError, match="duration"):
        manifest.seconds(text)


def _decisions(scaling: Scaling, concurrency: list[float], ready: int) -> list[int]:
    """What is decided at each tick, with as many pods ready as were decided before."""
    scaler, found = Autoscaler(scaling), []
    for turn, value in enumerate(concurrency, start=1):
        now = scaling.tick_s * turn
        scaler.observe(now, value)
        ready = scaler.decide(now, ready)
        found.append(ready)
    return found


def test_the_first_demand_starts_as_many_pods_as_activation_asks_for() -> None:
    """One request at once is enough for the activation scale, and none for nothing."""
    assert _decisions(SCALING, [1.0], ready=0) == [SCALING.activation_scale]
    assert _decisions(SCALING, [0.0], ready=0) == [0]


def test_a_surge_panics_and_stays_up_for_the_stable_window() -> None:
    """Six seconds decide upwards, up to the limit; nothing goes down before a minute has passed."""
    surge = _decisions(replace(SCALING, max_scale=40), [2.0] * 30 + [30.0] * 3 + [2.0] * 20, ready=1)
    assert surge[32] == 15  # 30 requests at once over two a pod
    assert min(surge[33:]) == 15
    assert max(_decisions(SCALING, [500.0] * 5, ready=1)) == SCALING.max_scale


def test_silence_leads_to_zero_after_window_delay_and_retention() -> None:
    """The last pod goes when the stable window is empty, the delay is over, and the retention period too."""
    found = _decisions(SCALING, [2.0] * 5 + [0.0] * 120, ready=1)
    asleep = SCALING.tick_s * (found.index(0) - 4)  # since the last demand
    # Pods are halved at most: from two to one and from there to none, each step delayed.
    expected = SCALING.stable_window_s + 2 * SCALING.scale_down_delay_s + SCALING.retention_s
    assert asleep == pytest.approx(expected, abs=4 * SCALING.tick_s)


def test_one_server_waits_as_the_theory_says() -> None:
    """M/M/1: at half load an image takes twice its service time on average."""
    generator = random.Random(1)
    service = [generator.expovariate(20.0) for _ in range(20_000)]
    one = replace(SCALING, container_concurrency=1)
    times, at = [], 0.0
    for _ in range(40_000):
        at += generator.expovariate(10.0)
        times.append(at)
    delays = Simulation(one, Work(service)).run(times, pods=1, is_scaled=False).delays
    assert len(delays) == len(times)
    assert statistics.fmean(delays) == pytest.approx(2 * statistics.fmean(service), rel=0.08)


def test_clients_that_wait_keep_every_core_busy() -> None:
    """A closed loop with more clients than cores gets cores / service time, and Little's law holds."""
    outcome = Simulation(SCALING, Work([0.05]), shared_cpus=2).run_clients(16, seconds=50.0, pods=2)
    rate = len(outcome.delays) / outcome.end
    assert rate == pytest.approx(40.0, rel=0.02)
    assert statistics.fmean(outcome.delays) == pytest.approx(16 / rate, rel=0.05)


def test_the_first_image_waits_for_the_cold_start() -> None:
    """From zero the first image takes cold start, store and prediction; the pods end again afterwards."""
    outcome = Simulation(SCALING, WORK).run([10.0], until=400.0)
    assert outcome.delays == [pytest.approx(3.07)]
    assert outcome.cold_starts == 1
    assert outcome.pods[-1] == 0


def test_failures_are_tried_again_and_nothing_is_lost() -> None:
    """With every fifth delivery failing, every image has its result after more deliveries."""
    times = [0.1 * turn for turn in range(500)]
    outcome = Simulation(SCALING, replace(WORK, failure=0.2)).run(times)
    assert (len(outcome.delays), outcome.lost) == (500, 0)
    assert 550 < outcome.deliveries < 700


def test_more_images_than_the_pods_can_carry_raise_the_limit() -> None:
    """A rate above the manifest's max-scale is answered with one that can carry its burst."""
    small = questions.answer(10_000, SCALING, WORK)
    assert small.max_scale == SCALING.max_scale
    slow = replace(WORK, service_s=[20.0])
    large = questions.answer(100_000, replace(SCALING, timeout_s=600.0), slow)
    assert large.max_scale > SCALING.max_scale
    assert large.most_pods <= large.max_scale
    assert large.store_requests == pytest.approx(4 * 100_000 / 86_400)


def test_nothing_costs_nothing_but_what_never_sleeps() -> None:
    """Without images no pod of classify is paid for; with a thousand, more is reserved than used, and prices are linear."""
    always = cost.always_on()
    none, some = (cost.cost(images, WORK, always) for images in (0, 1_000))
    prices = cost.Prices(core_hour=2.0, gib_hour=0.5, million_requests=4.0)
    assert none.price(prices) == 0
    assert none.price_of_readiness(prices) == some.price_of_readiness(prices) > 0
    assert some.core_seconds > some.cpu_seconds > 0
    doubled = cost.Prices(core_hour=4.0, gib_hour=1.0, million_requests=8.0)
    assert some.price(doubled) == pytest.approx(2 * some.price(prices))
    table = cost.as_markdown([none, some], prices).splitlines()
    assert len({line.count("|") for line in table[2:]}) == 1


def test_the_model_reproduces_the_committed_measurements() -> None:
    """Throughput, the usual delay and a backlog, simulated from the measured figures, are within 15 % of what was measured."""
    names = ("throughput", "backlog", "cold_start")
    if missing := [name for name in names if not (harness.RESULTS / f"{name}.json").exists()]:
        pytest.skip(f"no committed results of {', '.join(missing)}: run `make bench`")
    busy = max(harness.read(name)["machine"]["busy_before"] for name in names)
    if busy > BUSY:
        pytest.skip(
            f"the committed results are of a machine that others used to {busy:.0%}: run `make bench` on a quiet one"
        )
    pairs = reproduction.comparisons(measured())
    wrong = [f"{pair.what}: measured {pair.measured:.3g}, simulated {pair.simulated:.3g}" for pair in pairs]
    assert all(pair.error <= reproduction.TOLERANCE for pair in pairs), wrong
