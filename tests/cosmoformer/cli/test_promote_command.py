"""``cosmoformer promote``: the gate and the way back, at a real MLflow server."""

from __future__ import annotations

import re

import pytest

from cosmoformer.models.promotion import find_version
from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from tests.cosmoformer.cli.conftest import Cli
from tests.cosmoformer.held_out import held_out
from tests.cosmoformer.tiny_artifact import tiny_artifact

ELSEWHERE = "fedcba9876543210"


@pytest.fixture
def models(cli: Cli, registry: Registry) -> Cli:
    """The command line at a registry whose champion has 800 of 1000 galaxies right."""
    register(registry, tiny_artifact(), tags=held_out(800), alias="champion")
    return cli.at(registry.settings)


def candidate(registry: Registry, tags: dict[str, str]) -> None:
    """Register version 2."""
    register(registry, tiny_artifact(run="candidate"), tags=tags)


def test_a_better_version_becomes_champion(models: Cli, registry: Registry) -> None:
    """The figures are printed and recorded, and the alias moves."""
    candidate(registry, held_out(850))
    result = models("promote", 2)
    assert result.exit_code == 0, result.output
    figures = (
        r"^gate passed: accuracy 0.8500 against 0.8000 of version 1 on 1,000 galaxies: \+0.0500 \(95 % (.*) to (.*)\)$"
    )
    (printed,) = re.findall(figures, result.stdout, re.MULTILINE)
    tags = find_version(registry, 2).tags
    assert printed == tuple(f"{float(tags[tag]):.4f}" for tag in ("gate_low", "gate_high"))
    assert (tags["gate_result"], tags["gate_against"]) == ("passed", "1")
    assert registry.aliases() == {"champion": 2, "previous": 1}


@pytest.mark.parametrize(("right", "difference"), [(803, "+0.0030"), (800, "+0.0000"), (700, "-0.1000")])
def test_a_version_that_is_not_clearly_better_is_refused(
    models: Cli, registry: Registry, right: int, difference: str
) -> None:
    """Three more galaxies of a thousand are no evidence; the figures are told and recorded all the same."""
    candidate(registry, held_out(right))
    result = models("promote", 2)
    assert result.exit_code == 1
    assert "version 2 is not better than the champion beyond the interval" in result.stderr
    assert f"on 1,000 galaxies: {difference} (95 % " in result.stderr
    assert "--force" in result.stderr
    tags = find_version(registry, 2).tags
    assert (tags["gate_result"], float(tags["gate_difference"])) == ("refused", float(difference))
    assert float(tags["gate_low"]) <= 0
    assert registry.aliases() == {"champion": 1}


def test_a_reason_opens_the_gate_and_is_recorded(models: Cli, registry: Registry) -> None:
    """A worse version becomes champion, with its figures and the reason beside them."""
    candidate(registry, held_out(700))
    result = models("promote", 2, "--force", " half the size ")
    assert result.exit_code == 0, result.output
    assert "gate forced: accuracy 0.7000 against 0.8000 of version 1" in result.stdout
    tags = find_version(registry, 2).tags
    assert (tags["gate_result"], tags["gate_reason"]) == ("forced", "half the size")
    assert float(tags["gate_high"]) < 0
    assert registry.aliases() == {"champion": 2, "previous": 1}


def test_answers_on_another_set_are_refused(models: Cli, registry: Registry) -> None:
    """A higher accuracy on other galaxies says nothing; the two sets are named."""
    candidate(registry, held_out(990, ELSEWHERE))
    result = models("promote", 2)
    assert result.exit_code == 1
    assert ELSEWHERE in result.stderr and held_out(800)["held_out_set"] in result.stderr
    assert "cosmoformer import-run" in result.stderr
    assert find_version(registry, 2).tags["gate_result"] == "refused"
    assert registry.aliases() == {"champion": 1}


def test_a_version_without_evidence_is_refused(models: Cli, registry: Registry) -> None:
    """What is missing is named, and how to get it; with a reason it passes, and why there are no figures is printed."""
    candidate(registry, {})
    result = models("promote", 2)
    assert result.exit_code == 1
    assert "version 2 does not tell its answers" in result.stderr
    assert "held_out_set, held_out_right, held_out_images / Evaluate" in result.stderr
    assert registry.aliases() == {"champion": 1}
    forced = models("promote", 2, "--force", "trained elsewhere")
    assert "gate forced: not compared: version 2 does not tell its answers" in forced.stdout
    assert registry.aliases() == {"champion": 2, "previous": 1}


def test_a_champion_without_evidence_is_not_beaten(models: Cli, registry: Registry) -> None:
    """The gate does not open because there is nothing to compare with."""
    registry.delete_tag(1, "held_out_right")
    candidate(registry, held_out(990))
    result = models("promote", 2)
    assert result.exit_code == 1
    assert "version 1 does not tell its answers on a held-out set: no tag held_out_right" in result.stderr
    assert registry.aliases() == {"champion": 1}


def test_rollback_goes_back_and_forth(models: Cli, registry: Registry) -> None:
    """The version before serves again though it is worse; the second roll-back undoes the first."""
    candidate(registry, held_out(900))
    models("promote", 2)
    back = models("promote", "--rollback")
    assert back.exit_code == 0, back.output
    assert {"version 1: digest and self-check passed", "champion: 2 → 1", "previous: 1 → 2"} <= {
        *back.stdout.splitlines()
    }
    assert "within 15 s" in back.stdout
    assert find_version(registry, 1).tags["rolled_back_from"] == "2"
    assert registry.aliases() == {"champion": 1, "previous": 2}
    assert models("promote", "--rollback").exit_code == 0
    assert registry.aliases() == {"champion": 2, "previous": 1}
    assert find_version(registry, 2).tags["gate_result"] == "passed"


def test_rollback_with_nothing_to_go_back_to_fails(models: Cli, registry: Registry) -> None:
    """The error says what both aliases name."""
    result = models("promote", "--rollback")
    assert result.exit_code == 1
    assert "no version to go back to: champion names 1, previous names none" in result.stderr
    assert registry.aliases() == {"champion": 1}


def test_rollback_to_a_corrupt_version_is_refused(models: Cli, registry: Registry) -> None:
    """It passes no gate, but it must be servable."""
    candidate(registry, {})
    register(registry, b"broken", tags={}, alias="previous")
    result = models("promote", "--rollback")
    assert result.exit_code == 1
    assert "no TorchScript file" in result.stderr
    assert registry.aliases() == {"champion": 1, "previous": 3}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "2 --rollback",
        "--rollback --alias challenger",
        "--rollback --force why",
        "2 --force",
        "2 --force=",
        "2 --alias challenger --force why",
    ],
)
def test_a_wrong_call_is_a_usage_error(cli: Cli, line: str) -> None:
    """A version or the way back, and a reason only where there is a gate to open."""
    assert cli("promote", *line.split()).exit_code == 2


def test_a_blank_reason_is_no_reason(cli: Cli) -> None:
    """What is recorded must tell a reader something."""
    result = cli("promote", 2, "--force", " ")
    assert result.exit_code == 2 and "expected the reason" in result.stderr
