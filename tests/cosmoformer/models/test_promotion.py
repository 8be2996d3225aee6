"""Promotion and roll-back: the check before an alias moves, and the order of the moves, on a real MLflow server."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
import urllib3

from cosmoformer.errors import ModelRefused, RegistryUnavailable
from cosmoformer.models.promotion import Promotion, find_version, promote, roll_back, verify
from cosmoformer.models.registration import register
from cosmoformer.models.registry import ModelVersion, Registry
from cosmoformer.models.sources import artifact_path
from tests.cosmoformer.tiny_artifact import tiny_artifact


class _Interrupted(Exception):
    pass


def interrupt(monkeypatch: pytest.MonkeyPatch, registry: Registry, before: str) -> None:
    """From now on, whoever moves this alias is interrupted before it is moved."""
    move = registry.set_alias

    def moves_others(alias: str, version: int) -> None:
        if alias == before:
            raise _Interrupted
        move(alias, version)

    monkeypatch.setattr(registry, "set_alias", moves_others)


def accept(_: ModelVersion) -> None:
    """A check that every version passes."""


def pass_any(_: ModelVersion, __: ModelVersion) -> None:
    """A gate that every version passes."""


def refuse(*numbers: int) -> Callable[[ModelVersion], None]:
    """A check that these versions fail."""

    def check(version: ModelVersion) -> None:
        if version.version in numbers:
            raise ModelRefused(f"version {version.version} is bad")

    return check


@pytest.fixture
def three(registry: Registry) -> list[ModelVersion]:
    """Three versions; none has an alias."""
    return [register(registry, f"content {number}".encode(), tags={}) for number in (1, 2, 3)]


def test_the_old_champion_becomes_the_fallback(registry: Registry, three: list[ModelVersion]) -> None:
    """Each promotion names the version to go back to."""
    assert promote(registry, three[0], alias="champion", check=accept, gate=pass_any) == Promotion(
        "champion", None, 1, None, None
    )
    assert promote(registry, three[1], alias="champion", check=accept, gate=pass_any) == Promotion(
        "champion", 1, 2, None, 1
    )
    assert promote(registry, three[2], alias="champion", check=accept, gate=pass_any) == Promotion(
        "champion", 2, 3, 1, 2
    )
    assert registry.aliases() == {"champion": 3, "previous": 2}


def test_promoting_the_champion_again_changes_nothing(registry: Registry, three: list[ModelVersion]) -> None:
    """The fallback never becomes the champion itself by saying a command twice."""
    promote(registry, three[0], alias="champion", check=accept, gate=pass_any)
    promote(registry, three[1], alias="champion", check=accept, gate=pass_any)
    again = promote(registry, three[1], alias="champion", check=accept, gate=pass_any)
    assert (again.before, again.after) == (2, 2)
    assert registry.aliases() == {"champion": 2, "previous": 1}


def test_a_refused_version_changes_nothing(registry: Registry, three: list[ModelVersion]) -> None:
    """The check comes before any alias moves."""
    promote(registry, three[0], alias="champion", check=accept, gate=pass_any)
    with pytest.raises(ModelRefused):
        promote(registry, three[1], alias="champion", check=refuse(2), gate=pass_any)
    assert registry.aliases() == {"champion": 1}


def test_the_gate_is_asked_only_about_a_new_champion(registry: Registry, three: list[ModelVersion]) -> None:
    """Not about the first champion, the one that is champion already, or another alias; what it refuses changes nothing."""
    asked: list[tuple[int, int]] = []

    def gate(candidate: ModelVersion, champion: ModelVersion) -> None:
        asked.append((candidate.version, champion.version))
        raise ModelRefused("no better")

    promote(registry, three[0], alias="champion", check=accept, gate=gate)
    promote(registry, three[0], alias="champion", check=accept, gate=gate)
    promote(registry, three[1], alias="challenger", check=accept, gate=gate)
    assert asked == []
    with pytest.raises(ModelRefused, match="no better"):
        promote(registry, three[2], alias="champion", check=accept, gate=gate)
    assert asked == [(3, 1)]
    assert registry.aliases() == {"champion": 1, "challenger": 2}


def test_an_unfit_champion_does_not_become_the_fallback(registry: Registry, three: list[ModelVersion]) -> None:
    """The fallback stays a version that can be served, and the reason is told."""
    promote(registry, three[0], alias="champion", check=accept, gate=pass_any)
    promote(registry, three[1], alias="champion", check=accept, gate=pass_any)
    done = promote(registry, three[2], alias="champion", check=refuse(2), gate=pass_any)
    assert done.unfit == "version 2 is bad"
    assert registry.aliases() == {"champion": 3, "previous": 1}


def test_another_alias_leaves_champion_and_fallback_alone(registry: Registry, three: list[ModelVersion]) -> None:
    """Naming a challenger does not touch what is served."""
    promote(registry, three[0], alias="champion", check=accept, gate=pass_any)
    promote(registry, three[1], alias="challenger", check=accept, gate=pass_any)
    promote(registry, three[2], alias="challenger", check=accept, gate=pass_any)
    assert registry.aliases() == {"champion": 1, "challenger": 3}


def test_an_interrupted_promotion_serves_the_old_champion_and_is_completed_by_repeating(
    registry: Registry, three: list[ModelVersion], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two moves the old champion serves; the same promotion again ends as one that was never interrupted."""
    promote(registry, three[0], alias="champion", check=accept, gate=pass_any)
    promote(registry, three[1], alias="champion", check=accept, gate=pass_any)
    interrupt(monkeypatch, registry, before="champion")
    with pytest.raises(_Interrupted):
        promote(registry, three[2], alias="champion", check=accept, gate=pass_any)
    assert registry.aliases()["champion"] == 2
    monkeypatch.undo()
    promote(registry, three[2], alias="champion", check=accept, gate=pass_any)
    assert registry.aliases() == {"champion": 3, "previous": 2}


@pytest.fixture
def promoted_twice(registry: Registry, three: list[ModelVersion]) -> Registry:
    """Version 3 is champion, version 2 the fallback."""
    registry.set_alias("previous", three[1].version)
    registry.set_alias("champion", three[2].version)
    return registry


def test_a_roll_back_exchanges_champion_and_fallback(promoted_twice: Registry) -> None:
    """Doing it twice ends where it began; each version tells that it came back, and from which."""
    assert roll_back(promoted_twice, check=accept) == Promotion("champion", 3, 2, 2, 3)
    assert promoted_twice.aliases() == {"champion": 2, "previous": 3}
    assert roll_back(promoted_twice, check=accept) == Promotion("champion", 2, 3, 3, 2)
    assert promoted_twice.aliases() == {"champion": 3, "previous": 2}
    tags = {version.version: version.tags for version in promoted_twice.versions()}
    assert (tags[2]["rolled_back_from"], tags[3]["rolled_back_from"]) == ("3", "2")
    assert tags[2]["rolled_back_time"] < tags[3]["rolled_back_time"]
    assert "rolled_back_from" not in tags[1]


def test_a_roll_back_works_without_the_champion(promoted_twice: Registry) -> None:
    """Its version deleted, and its alias with it, the version before becomes champion all the same."""
    body = {"name": promoted_twice.settings.model_name, "version": "3"}
    urllib3.request("DELETE", f"{promoted_twice.url}/api/2.0/mlflow/model-versions/delete", json=body)
    assert "champion" not in promoted_twice.aliases()
    done = roll_back(promoted_twice, check=accept)
    assert (done.before, done.after, done.unfit) == (None, 2, "it is gone")
    assert promoted_twice.aliases()["champion"] == 2


def test_a_roll_back_to_an_unfit_version_is_refused(promoted_twice: Registry) -> None:
    """What would not be served does not become champion, and is not told to have."""
    with pytest.raises(ModelRefused, match="version 2 is bad"):
        roll_back(promoted_twice, check=refuse(2))
    assert promoted_twice.aliases() == {"champion": 3, "previous": 2}
    assert "rolled_back_from" not in find_version(promoted_twice, 2).tags


def test_a_roll_back_from_an_unfit_champion_leaves_no_way_forth(promoted_twice: Registry) -> None:
    """A champion that cannot be served does not become the fallback; the next roll-back has nothing to go to."""
    assert roll_back(promoted_twice, check=refuse(3)).unfit == "version 3 is bad"
    assert promoted_twice.aliases() == {"champion": 2, "previous": 2}
    with pytest.raises(ModelRefused, match="champion names 2, previous names 2"):
        roll_back(promoted_twice, check=accept)


def test_an_interrupted_roll_back_serves_the_version_gone_back_to(
    promoted_twice: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The champion moves before the fallback, so whatever is left undone, the version that was wanted serves."""
    interrupt(monkeypatch, promoted_twice, before="previous")
    with pytest.raises(_Interrupted):
        roll_back(promoted_twice, check=accept)
    assert promoted_twice.aliases() == {"champion": 2, "previous": 2}


def test_without_a_fallback_there_is_no_roll_back(registry: Registry, three: list[ModelVersion]) -> None:
    """Neither before the first promotion nor before the second."""
    with pytest.raises(ModelRefused, match="no version to go back to: champion names none, previous names none"):
        roll_back(registry, check=accept)
    promote(registry, three[0], alias="champion", check=accept, gate=pass_any)
    with pytest.raises(ModelRefused, match="champion names 1, previous names none"):
        roll_back(registry, check=accept)
    assert registry.aliases() == {"champion": 1}


def test_a_sound_artifact_is_verified_with_its_self_check(registry: Registry) -> None:
    """Digest and self-check pass for an artifact as it was exported."""
    assert verify(registry, register(registry, tiny_artifact(), tags={})) is True


def test_without_torch_the_digest_is_still_compared(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without torch can promote, and is told that the self-check did not run."""
    version = register(registry, tiny_artifact(), tags={})
    monkeypatch.setitem(sys.modules, "torch", None)
    assert verify(registry, version) is False
    with pytest.raises(ModelRefused, match="digest"):
        verify(registry, replace(version, sha256="0" * 64))


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"no model at all", "no TorchScript"), (tiny_artifact(wrong=True), "self-check")],
    ids=["garbage", "wrong-answers"],
)
def test_an_unsound_artifact_is_refused(registry: Registry, content: bytes, reason: str) -> None:
    """What a function would refuse is refused before it gets an alias."""
    with pytest.raises(ModelRefused, match=reason):
        verify(registry, register(registry, content, tags={}))


def test_an_artifact_that_was_changed_after_registration_is_refused(registry: Registry) -> None:
    """The digest in the tag decides, not whether the file loads."""
    version = register(registry, tiny_artifact(), tags={})
    registry.upload(artifact_path(version.source), tiny_artifact(run="another"))
    with pytest.raises(ModelRefused, match="digest"):
        verify(registry, version)


def test_a_version_without_a_digest_is_refused(registry: Registry) -> None:
    """A version that was registered by other means has to be registered again."""
    register(registry, tiny_artifact(), tags={})
    name = registry.settings.model_name
    registry.post("model-versions/set-tag", name=name, version="1", key="sha256", value="")
    with pytest.raises(ModelRefused, match="no tag sha256"):
        verify(registry, find_version(registry, 1))


def test_a_lost_artifact_is_an_error_of_the_registry(registry: Registry) -> None:
    """A version whose file is gone is not promoted; the file may come back."""
    version = register(registry, tiny_artifact(), tags={})
    path = artifact_path(version.source)
    urllib3.request("DELETE", f"{registry.settings.mlflow_tracking_uri}/api/2.0/mlflow-artifacts/artifacts/{path}")
    with pytest.raises(RegistryUnavailable):
        verify(registry, version)


def test_an_unknown_version_is_refused_with_the_known_ones(registry: Registry, three: list[ModelVersion]) -> None:
    """The error says which versions there are."""
    with pytest.raises(ModelRefused, match=r"no version 9.*3, 2, 1"):
        find_version(registry, 9)
