"""Which model a process serves: resolved, checked, cached, swapped, refused."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from cosmoformer.errors import ModelNotReady
from cosmoformer.models.registry import Registry
from cosmoformer.storage.served import ServedMemory, of_version
from cosmoformer.storage.store import Store
from functions.classify import serving as serving_module
from tests.e2e.running_system import wait_until
from tests.functions.classify.conftest import Deployment, altered


def test_without_a_model_nothing_is_served(deployment: Deployment) -> None:
    """Before anything is registered the model is not ready, and the message says what to do."""
    serving = deployment.serving()
    serving.remember_in(ServedMemory(deployment.store))  # as a function does at its start; else it is waited for
    serving.refresh()
    with pytest.raises(ModelNotReady, match="champion"):
        serving.current()


def test_the_champion_is_served_and_cached(deployment: Deployment, model: bytes) -> None:
    """The alias decides; its artifact is kept on disk under its digest."""
    version = deployment.register(model, alias="champion")
    serving = deployment.serving()
    serving.refresh()
    assert serving.current().version.version == version.version
    assert (Path(deployment.settings.model_cache_dir) / f"{version.sha256}.pt").read_bytes() == model


def test_a_damaged_cache_is_downloaded_again(deployment: Deployment, model: bytes) -> None:
    """A cached file that does not have its digest any more is not used."""
    version = deployment.register(model, alias="champion")
    cached = Path(deployment.settings.model_cache_dir) / f"{version.sha256}.pt"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(model[:-1] + b"?")
    serving = deployment.serving()
    serving.refresh()
    assert serving.current().artifact.sha256 == version.sha256
    assert cached.read_bytes() == model


def test_a_moved_alias_swaps_the_model(deployment: Deployment, model: bytes) -> None:
    """When the alias moves, the next check serves the other version; when it moves back, the first."""
    first = deployment.register(model, alias="champion")
    second = deployment.register(altered(model, note="second"))
    serving = deployment.serving()
    for version in (first, second, first):
        deployment.registry.set_alias("champion", version.version)
        serving.refresh()
        assert serving.current().version.version == version.version
        assert serving.current().artifact.sha256 == version.sha256


@pytest.mark.parametrize("fault", ["no model", "self-check", "class names", "digest", "no digest"])
def test_a_bad_version_is_refused_and_the_old_one_stays(
    deployment: Deployment, model: bytes, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A version that cannot be loaded, fails its self-check or has another digest changes nothing, loudly."""
    first = deployment.register(model, alias="champion")
    serving = deployment.serving()
    serving.refresh()
    contents = {
        "no model": b"no model",
        "self-check": altered(model, probabilities_off_by=0.01),
        "class names": altered(model, classes=4),
    }
    bad = deployment.register(contents.get(fault, altered(model, note=fault)))
    if fault in ("digest", "no digest"):
        value = "0" * 64 if fault == "digest" else ""
        deployment.registry.post(
            "model-versions/set-tag", name=bad.name, version=str(bad.version), key="sha256", value=value
        )
    deployment.registry.set_alias("champion", bad.version)
    with caplog.at_level(logging.ERROR):
        serving.refresh()
    assert serving.current().version.version == first.version
    assert "refused" in caplog.text


def test_a_fresh_process_falls_back_when_the_champion_is_bad(deployment: Deployment, model: bytes) -> None:
    """With a broken champion, a process that starts serves the version under the fallback alias."""
    good = deployment.register(model, alias="previous")
    deployment.register(b"no model", alias="champion")
    serving = deployment.serving()
    serving.refresh()
    assert serving.current().version.version == good.version


def test_a_registry_that_is_away_changes_nothing(deployment: Deployment, model: bytes) -> None:
    """A running process keeps its model while MLflow does not answer."""
    deployment.register(model, alias="champion")
    serving = deployment.serving()
    serving.refresh()
    unplug(deployment.registry)
    serving.refresh()
    assert serving.current().version.version == 1


def unplug(registry: Registry) -> None:
    """Let a registry be away from now on: nobody answers at the discard port."""
    registry._server = replace(registry._server, base="http://127.0.0.1:9")


def test_a_deleted_champion_is_replaced_by_what_was_served_last(
    deployment: Deployment, model: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Its version deleted and no fallback alias ever set, a fresh process serves the last one that was served, loudly."""
    deployment.register(model, alias="champion")
    memory = ServedMemory(Store(deployment.settings))
    memory.remember(of_version(deployment.registry.resolve("champion")))
    second = deployment.register(altered(model, note="second"), alias="champion")
    deployment.delete(second)
    serving = deployment.serving()
    serving.remember_in(memory)
    with caplog.at_level(logging.ERROR):
        serving.refresh()
    assert serving.current().version.version == 1
    assert "the champion cannot be served" in caplog.text


@pytest.mark.parametrize("previous", [True, False])
def test_a_champion_whose_artifact_is_gone_is_replaced(deployment: Deployment, model: bytes, previous: bool) -> None:
    """`mlflow gc` took its file: the fallback alias is served, or what was served last where that alias was never set."""
    first = deployment.register(model, alias="previous" if previous else None)
    memory = ServedMemory(Store(deployment.settings))
    memory.remember(of_version(first))
    second = deployment.register(altered(model, note="second"), alias="champion")
    deployment.remove_artifact(second)
    serving = deployment.serving()
    serving.remember_in(memory)
    serving.refresh()
    assert serving.current().version.version == first.version


def test_a_registry_that_is_away_is_waited_for(deployment: Deployment, model: bytes) -> None:
    """What was served last is no answer to a question that nobody heard: a fresh process stays unready."""
    version = deployment.register(model, alias="champion")
    memory = ServedMemory(Store(deployment.settings))
    memory.remember(of_version(version))
    unplug(deployment.registry)
    serving = deployment.serving()
    serving.remember_in(memory)
    serving.refresh()
    with pytest.raises(ModelNotReady, match="does not answer"):
        serving.current()


def test_what_is_served_is_remembered(deployment: Deployment, model: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A while after it is swapped in, with the reason where it stands in for the champion."""
    monkeypatch.setattr(serving_module, "_REMEMBER_AFTER_S", 0.01)
    deployment.register(model, alias="previous")
    deployment.register(b"no model", alias="champion")
    serving, memory = deployment.serving(), ServedMemory(Store(deployment.settings))
    serving.remember_in(memory)
    serving.refresh()
    served = wait_until(memory.read, 20, "it is remembered")
    assert served.version == 1 and "no TorchScript file" in served.why


def test_a_cache_that_cannot_be_written_is_no_obstacle(deployment: Deployment, model: bytes, tmp_path: Path) -> None:
    """On a read-only disk the model is still served."""
    deployment.register(model, alias="champion")
    blocker = tmp_path / "a file"
    blocker.write_text("in the way")
    deployment.settings.model_cache_dir = blocker / "models"
    serving = deployment.serving()
    serving.refresh()
    assert serving.current().version.version == 1
