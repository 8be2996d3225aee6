"""``cosmoformer models``, ``register`` and ``promote`` at a real MLflow server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from tests.cosmoformer.cli.conftest import Cli
from tests.cosmoformer.held_out import held_out
from tests.cosmoformer.tiny_artifact import tiny_artifact


@pytest.fixture
def models(cli: Cli, registry: Registry) -> Cli:
    """The command line at the registry's model."""
    return cli.at(registry.settings)


def test_models_are_listed_newest_first_with_aliases_and_tags(models: Cli, registry: Registry) -> None:
    """A person sees which version is served, how good it is, and a digest to compare."""
    first = register(registry, b"one", tags={"accuracy": "0.91"}, alias="previous")
    register(registry, b"two", tags={"accuracy": "0.95"}, alias="champion")
    rows = [line.split() for line in models("models").stdout.splitlines()]
    assert rows[1][:2] == ["2", "champion"] and rows[1][-1] == "accuracy=0.95"
    assert rows[2][:4] == ["1", "previous", first.sha256[:12], first.run_id[:12]]
    listed = json.loads(models("models", "--json").stdout)
    assert [(version["version"], version["aliases"]) for version in listed] == [(2, ["champion"]), (1, ["previous"])]
    assert listed[1]["sha256"] == first.sha256


def test_no_models_are_no_failure(models: Cli, registry: Registry) -> None:
    """A registry before the first registration is empty, not broken."""
    result = models("models")
    assert (result.exit_code, result.stdout) == (0, f"no version of '{registry.settings.model_name}' is registered\n")


def test_promote_tells_before_and_after(models: Cli, registry: Registry) -> None:
    """The gate and both aliases' moves are printed, and when functions will follow; saying it twice changes nothing."""
    for number in (1, 2):
        register(registry, tiny_artifact(run=str(number)), tags=held_out(700 + 100 * number))
    assert "champion: none → 1" in models("promote", 1).stdout.splitlines()
    lines = models("promote", 2).stdout.splitlines()
    assert lines[0] == "version 2: digest and self-check passed"
    assert lines[1].startswith(
        "gate passed: accuracy 0.9000 against 0.8000 of version 1 on 1,000 galaxies: +0.1000 (95 % 0.0"
    )
    assert lines[3:5] == ["champion: 1 → 2", "previous: none → 1"]
    assert "within 15 s" in lines[5]
    assert models("promote", 2).stdout.splitlines()[-1] == "champion: 2 already"
    assert registry.aliases() == {"champion": 2, "previous": 1}


def test_promote_refuses_a_bad_version_and_changes_nothing(models: Cli, registry: Registry) -> None:
    """The reason is the error, however good its figures are; --force opens the gate only, and not even that is recorded."""
    register(registry, tiny_artifact(), tags=held_out(800), alias="champion")
    register(registry, tiny_artifact(wrong=True), tags=held_out(900))
    for arguments in ((), ("--force", "I know better")):
        result = models("promote", 2, *arguments)
        assert result.exit_code == 1
        assert result.stderr.startswith("error: self-check: probabilities differ")
        assert registry.aliases() == {"champion": 1}
    assert not any(tag.startswith("gate_") for tag in registry.versions()[0].tags)


def test_promote_of_an_unknown_version_lists_the_known(models: Cli, registry: Registry) -> None:
    """Nothing moves."""
    register(registry, tiny_artifact(), tags={}, alias="champion")
    result = models("promote", 7)
    assert result.exit_code == 1
    assert "has no version 7 / Registered versions: 1" in result.stderr


def test_promote_to_another_alias_leaves_the_champion(models: Cli, registry: Registry) -> None:
    """--alias names what is moved, and only that."""
    register(registry, tiny_artifact(), tags={}, alias="champion")
    register(registry, tiny_artifact(), tags={})
    assert models("promote", 2, "--alias", "challenger").exit_code == 0
    assert registry.aliases() == {"champion": 1, "challenger": 2}


def test_an_old_champion_that_cannot_be_served_is_no_fallback(models: Cli, registry: Registry) -> None:
    """The fallback stays, and the reason is told; what the champion once answered still counts."""
    register(registry, tiny_artifact(), tags={}, alias="previous")
    register(registry, b"broken", tags=held_out(800), alias="champion")
    register(registry, tiny_artifact(), tags=held_out(900))
    result = models("promote", 3)
    assert "previous stays: version 2 is unfit: 6 bytes are no TorchScript file" in result.stdout
    assert registry.aliases() == {"champion": 3, "previous": 1}


def test_register_makes_a_version_with_tags_from_artifact_and_command_line(
    models: Cli, registry: Registry, tmp_path: Path
) -> None:
    """The file is stored as it is; --alias promotes it."""
    (tmp_path / "model.pt").write_bytes(tiny_artifact())
    result = models(
        "register", tmp_path / "model.pt", "--tag", "accuracy=0.95", "--tag", "note=a=b", "--alias", "champion"
    )
    assert result.exit_code == 0, result.output
    (version,) = registry.versions()
    assert version.tags.items() >= {"task": "colour", "accuracy": "0.95", "note": "a=b"}.items()
    assert registry.download(version) == (tmp_path / "model.pt").read_bytes()
    assert registry.aliases() == {"champion": 1}
    assert result.stdout.startswith(f"{version.name} version 1, sha256 {version.sha256[:12]}")


def test_register_to_champion_passes_the_gate(models: Cli, registry: Registry, tmp_path: Path) -> None:
    """A new version without evidence is registered, but does not take the champion's place."""
    register(registry, tiny_artifact(), tags=held_out(800), alias="champion")
    (tmp_path / "model.pt").write_bytes(tiny_artifact(run="new"))
    result = models("register", tmp_path / "model.pt", "--alias", "champion")
    assert result.exit_code == 1
    assert "version 2 does not tell its answers on a held-out set" in result.stderr
    assert registry.aliases() == {"champion": 1}
    assert registry.versions()[0].tags["gate_result"] == "refused"


def test_register_refuses_a_file_that_is_no_artifact(models: Cli, registry: Registry, tmp_path: Path) -> None:
    """No version is made of a file that no function would serve."""
    (tmp_path / "photo.pt").write_bytes(b"\xff\xd8\xff")
    result = models("register", tmp_path / "photo.pt")
    assert result.exit_code == 1 and "no TorchScript file" in result.stderr
    assert registry.versions() == []


@pytest.mark.parametrize("tag", ["x", "=y"])
def test_register_wants_tags_as_name_and_value(models: Cli, tmp_path: Path, tag: str) -> None:
    """A malformed tag is a usage error."""
    (tmp_path / "model.pt").write_bytes(b"x")
    assert models("register", tmp_path / "model.pt", "--tag", tag).exit_code == 2
