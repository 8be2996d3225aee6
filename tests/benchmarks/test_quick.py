"""Every benchmark runs, for seconds and for real, and says what it should; how fast anything was is not asked here."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import (
    backbones,
    backlog,
    cold_start,
    export,
    fuzz,
    harness,
    latency,
    memory,
    page_thousands,
    servers,
    side_by_side,
    sides,
    similar,
    slow_clients,
    thesis_load,
    throughput,
    training_speed,
    votes,
)
from benchmarks.disturbances import DisturbedSystem
from cosmoformer.settings import Settings
from tests.conftest import require_ceph

QUICK = ["--quick", "--out"]


def written(name: str, folder: Path) -> dict[str, Any]:
    """A report as it was written, after what all reports have in common has been checked."""
    report = harness.read(name, folder)
    assert report["name"] == name
    assert report["options"]["quick"] is True
    assert report["machine"]["cores"] >= 1
    for figures in report["figures"].values():
        for figure in figures.values():
            assert all(math.isfinite(figure[part]) for part in ("median", "q1", "q3"))
            assert figure["q1"] <= figure["median"] <= figure["q3"]
            assert figure["n"] >= 1
    assert all(goal["reached"] in (True, False) for goal in report["goals"])
    assert f"## {name}" in (folder / "README.md").read_text()
    return report


def test_latency(around: Settings, tmp_path: Path) -> None:
    """All four runtimes predict, and one warm request is answered."""
    latency.main([*QUICK, str(tmp_path)], around)
    found = written("latency", tmp_path)
    runtimes = {latency.OURS, latency.THESIS, latency.ORT, latency.OPENVINO}
    assert runtimes | {latency.WHOLE, latency.WARM, latency.IN_PROCESS} == set(found["figures"])
    assert len(found["goals"]) == 3


def test_side_by_side(tmp_path: Path) -> None:
    """A system with one model and one with two judge an upload each."""
    require_ceph()
    side_by_side.main([*QUICK, str(tmp_path)])
    found = written("side_by_side", tmp_path)
    assert set(found["figures"]) == {side_by_side.ALONE, side_by_side.BESIDE}
    assert len(found["goals"]) == 1


def test_page_thousands(disturbed: DisturbedSystem, tmp_path: Path) -> None:
    """Files are dropped on the page of a whole system, and all of them come back."""
    page_thousands.main([*QUICK, str(tmp_path)], disturbed)
    found = written("page_thousands", tmp_path)
    assert [goal["limit"] for goal in found["goals"]] == [0, 100, 300]
    assert found["goals"][0]["value"] == 0


def test_similar(tmp_path: Path) -> None:
    """Neighbours are found among vectors, and predicted is with features and without, by what gives the same otherwise."""
    similar.main([*QUICK, str(tmp_path)])
    found = written("similar", tmp_path)
    assert set(found["figures"]) == {similar.INDEX, similar.EXACT, similar.WITH, similar.WITHOUT}
    assert [goal["limit"] for goal in found["goals"]] == [50, 0.95, 1.02]
    model = similar.describing_model()
    images = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    assert torch.equal(similar.without_features(model).predict(images), model.predict(images))


def test_votes(tmp_path: Path) -> None:
    """The bundled model predicts with votes and without, and gives the same classes either way."""
    votes.main([*QUICK, str(tmp_path)])
    found = written("votes", tmp_path)
    assert set(found["figures"]) == {votes.WITH, votes.WITHOUT} and len(found["goals"]) == 1


def test_backbones(tmp_path: Path) -> None:
    """MobileViT-S predicts in our artifact and in ONNX Runtime, and file and memory are measured."""
    backbones.main([*QUICK, str(tmp_path)])
    found = written("backbones", tmp_path)
    assert {"seconds, ours", "seconds, ONNX Runtime", "artifact", "memory"} < set(found["figures"]["mobilevit_s"])
    assert found["figures"]["mobilevit_s"]["artifact"]["median"] == pytest.approx(20, abs=3)
    assert len(found["goals"]) == 1


def test_sides(tmp_path: Path) -> None:
    """The CrossFormer predicts at every side, and each is set against the bundled model's."""
    sides.main([*QUICK, str(tmp_path)])
    found = written("sides", tmp_path)["figures"]
    assert set(found) == {"64 pixels", "112 pixels", "160 pixels", "224 pixels"}
    assert found["112 pixels"][sides.AGAINST]["median"] == 1


def test_throughput(around: Settings, tmp_path: Path) -> None:
    """Our function and a peer answer several clients, beside a bare loop; nobody fails."""
    throughput.main([*QUICK, str(tmp_path)], around)
    found = written("throughput", tmp_path)["figures"]
    assert {throughput.BARE_ARTIFACT, servers.OURS} < set(found)
    assert found[servers.OURS]["success"]["median"] == 100
    assert found[servers.OURS][throughput.CPU_AN_IMAGE]["median"] > 0


def test_memory(around: Settings, tmp_path: Path) -> None:
    """Every process of the function is weighed."""
    memory.main([*QUICK, str(tmp_path)], around)
    assert written("memory", tmp_path)["figures"][servers.OURS]["PSS"]["median"] > 50


def test_export(tmp_path: Path) -> None:
    """Every result of the store has a row."""
    require_ceph()
    export.main([*QUICK, str(tmp_path)])
    found = written("export", tmp_path)
    assert found["figures"][export.COMMAND]["rows"]["median"] == export.QUICK_RESULTS
    assert {goal["what"]: goal["value"] for goal in found["goals"]}["results lost"] == 0


def test_cold_start(around: Settings, tmp_path: Path) -> None:
    """A fresh process classifies a picture with a model that it fetched."""
    cold_start.main([*QUICK, str(tmp_path)], around)
    assert {servers.OURS, cold_start.IN_PROCESS} == set(written("cold_start", tmp_path)["figures"])


def test_thesis_load(around: Settings, tmp_path: Path) -> None:
    """Every request of the scenario is counted."""
    thesis_load.main([*QUICK, str(tmp_path)], around)
    found = written("thesis_load", tmp_path)["figures"][f"{servers.OURS}, ×1"]
    assert found["requests"]["median"] == len(thesis_load.arrivals(thesis_load.USERS, hold_s=1.0, ramp_s=1.0))


def test_training_speed(tmp_path: Path) -> None:
    """Both graphs take training steps."""
    training_speed.main([*QUICK, str(tmp_path)])
    assert {training_speed.OURS, training_speed.THEIRS} <= set(written("training_speed", tmp_path)["figures"])


def test_backlog(tmp_path: Path) -> None:
    """Images dropped at once into the whole system all have a result, made once."""
    require_ceph()
    backlog.main([*QUICK, str(tmp_path)])
    goals = {goal["what"]: goal["value"] for goal in written("backlog", tmp_path)["goals"]}
    assert goals["images lost"] == 0
    assert goals["images predicted twice"] == 0
    assert json.loads((tmp_path / "backlog.json").read_text())["data"]["drops"][0]["images"] == 8


@pytest.mark.parametrize("samples", [[0.5], [0.1, 0.2, 0.3], [0.4, 0.1, 0.2, 0.3]])
def test_a_figure_is_a_median_between_its_quartiles(samples: list[float]) -> None:
    """A figure of samples in any order has its quartiles on either side."""
    figure = harness.summarise(samples, "s")
    assert figure.q1 <= figure.median <= figure.q3
    assert figure.n == len(samples)


def test_rounds_are_interleaved() -> None:
    """No variant always comes first, and each has one sample a round."""
    order: list[str] = []

    def variant(name: str) -> float:
        order.append(name)
        return float(len(order))

    samples = harness.interleaved(4, {name: lambda name=name: variant(name) for name in "ab"})  # type: ignore[misc]
    assert order == ["a", "b", "b", "a", "a", "b", "b", "a"]
    assert [len(found) for found in samples.values()] == [4, 4]


def test_slow_clients(disturbed: DisturbedSystem, tmp_path: Path) -> None:
    """While clients send half a request, every server answers its probe and a good request."""
    slow_clients.main([*QUICK, str(tmp_path)], disturbed)
    found = written("slow_clients", tmp_path)["figures"]
    names = ("ingest", "activator", "broker", "page", "classify")
    assert set(found) == {
        f"{name}, {crowd}" for name in names for crowd in ("nobody else", "half a header", "half a body")
    }


def test_fuzz(disturbed: DisturbedSystem, tmp_path: Path) -> None:
    """Every route of every server answers mutated requests, none of them as a fault of its own."""
    fuzz.main([*QUICK, str(tmp_path)], disturbed)
    goals = {goal["what"]: goal["value"] for goal in written("fuzz", tmp_path)["goals"]}
    assert goals["answers of 500 and more, but 503"] == goals["tracebacks in logs"] == 0
