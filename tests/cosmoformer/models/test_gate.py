"""The gate: evidence as tags, the paired bootstrap against exact figures, and decisions recorded at a real MLflow server."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate

import pytest

from cosmoformer.errors import ModelRefused
from cosmoformer.models.gate import GATE_TAGS, HeldOut, compare, paired_bootstrap, pass_gate, resampled_differences
from cosmoformer.models.promotion import find_version
from cosmoformer.models.registration import register
from cosmoformer.models.registry import ModelVersion, Registry
from tests.cosmoformer.held_out import held_out
from tests.cosmoformer.tiny_artifact import joint_artifact, tiny_artifact

RESAMPLES = 10_000
GZ2_TEST = 41_859  # galaxies: the largest test split


def pair(wins: int, losses: int, both: int, neither: int) -> tuple[HeldOut, HeldOut]:
    """Answers of candidate and champion with so many galaxies that only one, both or neither has right."""
    candidate = [True] * wins + [False] * losses + [True] * both + [False] * neither
    champion = [False] * wins + [True] * losses + [True] * both + [False] * neither
    return HeldOut.of("set", candidate), HeldOut.of("set", champion)


def exact_distribution(wins: int, losses: int, images: int) -> dict[int, float]:
    """Probability of each difference in a resample: the multinomial distribution, summed term by term."""
    ties = images - wins - losses
    probability: Counter[int] = Counter()
    for won in range(images + 1):
        for lost in range(images + 1 - won):
            rest = images - won - lost
            ways = math.comb(images, won) * math.comb(images - won, lost)
            probability[won - lost] += ways * wins**won * losses**lost * ties**rest / images**images
    return dict(sorted(probability.items()))


@pytest.mark.parametrize(("wins", "losses", "images"), [(3, 1, 10), (6, 2, 8), (1, 0, 3), (5, 5, 10), (0, 2, 7)])
def test_resamples_have_the_exact_distribution(wins: int, losses: int, images: int) -> None:
    """Each difference comes up as often as the multinomial distribution says, within five standard errors."""
    expected = exact_distribution(wins, losses, images)
    assert sum(expected.values()) == pytest.approx(1)
    found = Counter(resampled_differences(wins, losses, images, RESAMPLES, seed=1))
    assert found.keys() <= expected.keys()
    for difference, probability in expected.items():
        error = math.sqrt(RESAMPLES * probability * (1 - probability))
        assert abs(found[difference] - RESAMPLES * probability) <= 5 * error + 1e-9, difference


def test_the_interval_ends_at_the_exact_quantiles() -> None:
    """Where no step of the exact distribution is near a tail of 2.5 %, the sampled ends are the exact ones."""
    wins, losses, images = 5, 2, 20
    expected = exact_distribution(wins, losses, images)
    below = dict(zip(expected, accumulate(expected.values()), strict=True))
    assert min(abs(share - tail) for share in below.values() for tail in (0.025, 0.975)) > 0.005
    low, high = (min(value for value, share in below.items() if share > tail) for tail in (0.025, 0.975))
    verdict = paired_bootstrap(*pair(wins, losses, 9, 4))
    assert (verdict.low, verdict.high) == (low / images, high / images)


@pytest.mark.parametrize(("wins", "losses", "images"), [(310, 120, 2737), (2400, 2300, GZ2_TEST)])
def test_large_sets_agree_with_the_normal_approximation(wins: int, losses: int, images: int) -> None:
    """Mean, variance and both ends are those of a mean of -1, 0 and 1 over the galaxies."""
    mean = (wins - losses) / images
    error = math.sqrt(((wins + losses) / images - mean**2) / images)
    drawn = [count / images for count in resampled_differences(wins, losses, images, RESAMPLES, seed=2)]
    assert statistics.fmean(drawn) == pytest.approx(mean, abs=5 * error / math.sqrt(RESAMPLES))
    assert statistics.pstdev(drawn) == pytest.approx(error, rel=5 / math.sqrt(2 * RESAMPLES))
    verdict = paired_bootstrap(*pair(wins, losses, 1000, images - wins - losses - 1000))
    assert verdict.difference == pytest.approx(mean)
    assert verdict.low == pytest.approx(mean - 1.95996 * error, abs=0.12 * error)
    assert verdict.high == pytest.approx(mean + 1.95996 * error, abs=0.12 * error)
    assert (verdict.candidate, verdict.champion) == ((wins + 1000) / images, (losses + 1000) / images)


def test_galaxies_are_paired() -> None:
    """Of two pairs with the same accuracies, the one that disagrees on fewer galaxies is told apart, the other is not."""
    agreeing, disagreeing = paired_bootstrap(*pair(20, 0, 880, 100)), paired_bootstrap(*pair(120, 100, 780, 0))
    assert (agreeing.candidate, agreeing.champion) == (disagreeing.candidate, disagreeing.champion)
    assert agreeing.passed and not disagreeing.passed


def test_the_same_answers_do_not_pass() -> None:
    """A copy of the champion is not better than the champion."""
    verdict = paired_bootstrap(*pair(0, 0, 90, 10))
    assert (verdict.difference, verdict.low, verdict.high, verdict.passed) == (0, 0, 0, False)


def test_a_worse_candidate_does_not_pass() -> None:
    """The gate has one direction."""
    verdict = paired_bootstrap(*pair(10, 60, 900, 30))
    assert verdict.high < 0 and not verdict.passed


def test_the_same_seed_gives_the_same_verdict() -> None:
    """Asking again cannot turn a refusal into a pass."""
    answers = pair(60, 40, 800, 100)
    assert paired_bootstrap(*answers) == paired_bootstrap(*answers)
    assert paired_bootstrap(*answers) != paired_bootstrap(*answers, seed=1)


def test_too_few_resamples_are_an_error() -> None:
    """An interval of 95 % needs 39 resamples."""
    paired_bootstrap(*pair(1, 0, 8, 1), resamples=39)
    with pytest.raises(ValueError, match="at least 39 resamples, got 38"):
        paired_bootstrap(*pair(1, 0, 8, 1), resamples=38)


def test_the_largest_set_is_judged_within_two_seconds() -> None:
    """A person waits for the gate; processor time, whatever else runs."""
    half = GZ2_TEST // 4
    answers = pair(half + 500, half, half, GZ2_TEST - 3 * half - 500)
    before = time.process_time()
    paired_bootstrap(*answers)
    assert time.process_time() - before < 2


@pytest.mark.parametrize("images", [1, 7, 8, 9, 2737])
def test_evidence_survives_its_tags(images: int) -> None:
    """Bits and their order come back, whether they fill their last byte or not."""
    generator = random.Random(images)
    right = [generator.random() < 0.9 for _ in range(images)]
    evidence = HeldOut.of("abc", right)
    assert HeldOut.from_tags(evidence.tags()) == evidence
    assert evidence.accuracy == sum(right) / images


def test_the_tags_have_the_documented_form() -> None:
    """The first galaxy is the most significant bit; zeros fill the last byte."""
    tags = HeldOut.of("abc", [1, 0, 1, 1, 0, 0, 0, 0, 1]).tags()
    assert tags == {"held_out_set": "abc", "held_out_right": "b080", "held_out_images": "9"}


@pytest.mark.parametrize(
    ("right", "images"),
    [("zz", "8"), ("ff", "eight"), ("ff", "9"), ("ffff", "8"), ("ff", "7"), ("ff", "0"), ("ff", "-1"), ("f", "4")],
)
def test_malformed_evidence_is_refused(right: str, images: str) -> None:
    """Too few or too many bits, set bits beyond the last galaxy, or no bits at all."""
    with pytest.raises(ModelRefused, match="held_out_right"):
        HeldOut.from_tags({"held_out_set": "abc", "held_out_right": right, "held_out_images": images})


def test_malformed_evidence_names_its_version() -> None:
    """The error says which of the two is to be mended."""
    good = ModelVersion("m", 1, "", "", "", tags=held_out(800))
    bad = ModelVersion("m", 2, "", "", "", tags=held_out(800) | {"held_out_right": "ff"})
    for candidate, champion in ((good, bad), (bad, good)):
        with pytest.raises(ModelRefused, match="version 2: held_out_right has 1 bytes"):
            compare(candidate, champion)


def gate_tags(registry: Registry, version: int) -> dict[str, str]:
    """The tags that the gate has set, without the time."""
    tags = find_version(registry, version).tags
    return {tag: tags[tag] for tag in GATE_TAGS if tag in tags and tag != "gate_time"}


def test_the_figures_become_tags(registry: Registry) -> None:
    """The version tells what it was compared with, by how much it is better, on how many galaxies, and when."""
    champion = register(registry, b"old", tags=held_out(800))
    decision = pass_gate(registry, register(registry, b"new", tags=held_out(900)), champion)
    assert (decision.result, decision.verdict) == ("passed", compare(find_version(registry, 2), champion))
    tags = gate_tags(registry, 2)
    assert 0 < float(tags.pop("gate_low")) < 0.1 < float(tags.pop("gate_high"))
    assert tags == {
        "gate_against": "1",
        "gate_difference": "0.100000",
        "gate_images": "1000",
        "gate_result": "passed",
    }
    told = datetime.fromisoformat(find_version(registry, 2).tags["gate_time"])
    assert timedelta() <= datetime.now(UTC) - told < timedelta(minutes=5)
    assert gate_tags(registry, 1) == {}


def test_evidence_of_the_largest_set_fits_its_tag(registry: Registry) -> None:
    """MLflow keeps the bits of 41,859 galaxies whole."""
    evidence = HeldOut.of("gz2", (index % 10 > 0 for index in range(GZ2_TEST)))
    register(registry, b"content", tags=evidence.tags())
    assert HeldOut.from_tags(find_version(registry, 1).tags) == evidence


def test_a_later_decision_replaces_all_of_an_earlier_one(registry: Registry) -> None:
    """No figure or reason stays that the last decision did not have."""
    champion = register(registry, b"old", tags=held_out(800))
    untold = register(registry, b"untold", tags={})
    register(registry, b"new", tags=held_out(900))
    pass_gate(registry, find_version(registry, 3), champion)
    with pytest.raises(ModelRefused):
        pass_gate(registry, find_version(registry, 3), untold)
    assert gate_tags(registry, 3) == {"gate_against": "2", "gate_result": "refused"}
    pass_gate(registry, find_version(registry, 3), untold, force="why not")
    assert gate_tags(registry, 3) == {"gate_against": "2", "gate_result": "forced", "gate_reason": "why not"}
    pass_gate(registry, find_version(registry, 3), champion)
    assert gate_tags(registry, 3).keys() == {*GATE_TAGS} - {"gate_reason", "gate_time"}


def test_a_version_that_gives_less_than_the_champion_is_refused_with_what_differs(registry: Registry) -> None:
    """However right it is, a version without the champion's votes and angle stays outside; a reason lets it in."""
    champion = register(registry, joint_artifact(), tags=held_out(800))
    candidate = register(registry, joint_artifact(questions=0, value=None), tags=held_out(900))
    told = (
        "does not fit what is served, by version 1: no vote fractions; served are 11 questions of gz2; no value 'angle'"
    )
    with pytest.raises(ModelRefused, match=told):
        pass_gate(registry, candidate, champion)
    assert gate_tags(registry, 2) == {"gate_against": "1", "gate_result": "refused"}
    assert pass_gate(registry, candidate, champion, force="votes are not wanted").result == "forced"


def test_a_version_that_gives_more_than_the_champion_passes(registry: Registry) -> None:
    """Classes with votes take the place of the same classes without."""
    champion = register(registry, tiny_artifact(), tags=held_out(800))
    candidate = register(registry, joint_artifact(), tags=held_out(900))
    assert pass_gate(registry, candidate, champion).result == "passed"


def test_a_champion_whose_artifact_is_lost_asks_for_nothing(registry: Registry) -> None:
    """Where nobody can tell what the champion gave, its held-out answers alone decide."""
    champion = register(registry, joint_artifact(), tags=held_out(800))
    lost = replace(champion, source=f"{champion.source}/nowhere")
    candidate = register(registry, tiny_artifact(), tags=held_out(900))
    assert pass_gate(registry, candidate, lost).result == "passed"
