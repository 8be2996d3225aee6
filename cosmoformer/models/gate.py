"""The promotion gate: whether a version of the model may take the champion's place.

It may when it gives all that the champion gives (:mod:`cosmoformer.models.fit`), and is right more often than the champion on the
same held-out galaxies, beyond the interval of the difference. Which galaxies a version classified right travels with it, as
tags; what the gate found becomes tags of the version as well.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cosmoformer.errors import ModelRefused
from cosmoformer.models.fit import check_fit
from cosmoformer.models.registry import ModelVersion, Registry
from cosmoformer.timestamps import rfc3339

SET_TAG, RIGHT_TAG, IMAGES_TAG = "held_out_set", "held_out_right", "held_out_images"
#: Every tag that the gate sets, in the order in which they are set: the result comes last, so that one that is there is whole.
GATE_TAGS = (
    *("gate_against", "gate_difference", "gate_low", "gate_high", "gate_images"),
    *("gate_reason", "gate_time", "gate_result"),
)
RESAMPLES = 10_000
TAIL = 0.025  # of the resampled differences, at either end of the 95 % interval
_MEND = 'Evaluate and register it with `cosmoformer import-run`, or promote it with a reason: --force "why"'


@dataclass(frozen=True)
class HeldOut:
    """What a version answered on a held-out set.

    Attributes:
        name: version of the held-out set, a digest of its galaxies and labels.
        right: one bit a galaxy in the order of sorted uid, the first galaxy's the most significant; 1 = classified right.
        images: number of galaxies.
    """

    name: str
    right: int
    images: int

    @classmethod
    def of(cls, name: str, right: Iterable[object]) -> HeldOut:
        """From one truth value a galaxy, in the order of sorted uid."""
        bits = "".join("1" if one else "0" for one in right)
        return cls(name, int(bits or "0", 2), len(bits))

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> HeldOut | None:
        """From a version's tags; None when they lack any of the three.

        Raises:
            ModelRefused: ``held_out_right`` is not the hexadecimal form of ``held_out_images`` bits.
        """
        name, right, images = (tags.get(tag, "") for tag in (SET_TAG, RIGHT_TAG, IMAGES_TAG))
        if not (name and right and images):
            return None
        try:
            count, packed = int(images), bytes.fromhex(right)
        except ValueError as error:
            raise ModelRefused(f"{IMAGES_TAG} or {RIGHT_TAG} is malformed: {error}", _MEND) from error
        spare = 8 * len(packed) - count
        bits = int.from_bytes(packed, "big")
        if count < 1 or not 0 <= spare < 8 or bits & ((1 << spare) - 1):
            raise ModelRefused(
                f"{RIGHT_TAG} has {len(packed)} bytes; expected one bit for each of {IMAGES_TAG} = {count} galaxies, then zeros"
                " to the end of the byte",
                _MEND,
            )
        return cls(name, bits >> spare, count)

    def tags(self) -> dict[str, str]:
        """The tags of a version that :meth:`from_tags` reads: the bits in hexadecimal, filled up with zeros at the end."""
        size = -(-self.images // 8)
        packed = (self.right << (8 * size - self.images)).to_bytes(size, "big")
        return {SET_TAG: self.name, RIGHT_TAG: packed.hex(), IMAGES_TAG: str(self.images)}

    @property
    def accuracy(self) -> float:
        """Fraction of the galaxies that were classified right."""
        return self.right.bit_count() / self.images


@dataclass(frozen=True)
class Verdict:
    """Candidate and champion on the same galaxies.

    Attributes:
        candidate: the candidate's accuracy.
        champion: the champion's.
        difference: how much higher the candidate's is.
        low: lower end of the difference's 95 % interval.
        high: its upper end.
        images: number of galaxies.
    """

    candidate: float
    champion: float
    difference: float
    low: float
    high: float
    images: int

    @property
    def passed(self) -> bool:
        """Whether the candidate is better beyond the interval."""
        return self.low > 0

    def against(self, version: int) -> str:
        """The figures in words; ``version`` is the champion's number."""
        return (
            f"accuracy {self.candidate:.4f} against {self.champion:.4f} of version {version} on {self.images:,} galaxies:"
            f" {self.difference:+.4f} (95 % {self.low:.4f} to {self.high:.4f})"
        )


@dataclass(frozen=True)
class Decision:
    """What the gate decided.

    Attributes:
        result: ``passed``, ``refused`` or ``forced``; the tag ``gate_result``.
        verdict: the comparison; None when the two cannot be compared.
        figures: the comparison in words, or why there is none.
    """

    result: str
    verdict: Verdict | None
    figures: str


def pass_gate(registry: Registry, candidate: ModelVersion, champion: ModelVersion, *, force: str = "") -> Decision:
    """Decide whether a version may take the champion's place, and record the decision as tags of the version.

    Args:
        registry: where the versions are.
        candidate: the version that wants to be champion.
        champion: the version that is.
        force: why the candidate shall pass whatever the figures say; empty when they decide.

    Returns:
        The decision, ``passed`` or ``forced``.

    Raises:
        ModelRefused: the candidate does not give what the champion gives, is not better beyond the interval, or the two cannot
            be compared; that is recorded too.
        RegistryUnavailable: MLflow does not answer; the record may be incomplete, and nobody should be promoted.
    """
    verdict, refusal = None, None
    try:
        check_fit(registry, candidate, champion)
        verdict = compare(candidate, champion)
        figures = verdict.against(champion.version)
        if not verdict.passed:
            refusal = ModelRefused(
                f"version {candidate.version} is not better than the champion beyond the interval: {figures}",
                'The lower end must be above 0. Train a better one, or promote it with a reason: --force "why"',
            )
    except ModelRefused as error:
        refusal, figures = error, f"not compared: {error.detail}"
    decision = Decision("forced" if force else "refused" if refusal else "passed", verdict, figures)
    _record(registry, candidate, champion, decision, force)
    if refusal and not force:
        raise refusal
    return decision


def _record(
    registry: Registry, candidate: ModelVersion, champion: ModelVersion, decision: Decision, reason: str
) -> None:
    tags = {
        "gate_against": str(champion.version),
        "gate_time": rfc3339(datetime.now(UTC)),
        "gate_result": decision.result,
    }
    if reason:
        tags["gate_reason"] = reason
    if verdict := decision.verdict:
        tags |= {
            "gate_difference": f"{verdict.difference:.6f}",
            "gate_low": f"{verdict.low:.6f}",
            "gate_high": f"{verdict.high:.6f}",
            "gate_images": str(verdict.images),
        }
    for tag in GATE_TAGS:
        if tag in tags:
            registry.set_tag(candidate.version, tag, tags[tag])
        elif tag in candidate.tags:  # of an earlier decision
            registry.delete_tag(candidate.version, tag)


def compare(candidate: ModelVersion, champion: ModelVersion) -> Verdict:
    """Compare two versions by the answers that their tags hold.

    Raises:
        ModelRefused: one has no answers or malformed ones, or they are about different galaxies.
    """
    new, old = _answers(candidate), _answers(champion)
    if (new.name, new.images) != (old.name, old.images):
        raise ModelRefused(
            f"version {candidate.version} was judged on the {new.images:,} galaxies of the held-out set {new.name!r},"
            f" the champion, version {champion.version}, on the {old.images:,} of {old.name!r}",
            'Evaluate both on the same set and register them with `cosmoformer import-run`, or give a reason: --force "why"',
        )
    return paired_bootstrap(new, old)


def _answers(version: ModelVersion) -> HeldOut:
    try:
        found = HeldOut.from_tags(version.tags)
    except ModelRefused as error:
        raise ModelRefused(f"version {version.version}: {error.detail}", error.mend) from error
    if not found:
        missing = ", ".join(tag for tag in (SET_TAG, RIGHT_TAG, IMAGES_TAG) if not version.tags.get(tag))
        raise ModelRefused(
            f"version {version.version} does not tell its answers on a held-out set: no tag {missing}", _MEND
        )
    return found


def paired_bootstrap(candidate: HeldOut, champion: HeldOut, resamples: int = RESAMPLES, seed: int = 0) -> Verdict:
    """The difference of two accuracies on the same galaxies, with its 95 % percentile interval.

    Galaxies are drawn with replacement, and both models are judged on the same draw (Efron and Tibshirani 1993, "An
    Introduction to the Bootstrap", section 13.3).

    Args:
        candidate: answers of the one model.
        champion: answers of the other, on the same galaxies.
        resamples: number of draws, at least 39.
        seed: of the draws; the same seed gives the same interval.

    Returns:
        The verdict.

    Raises:
        ValueError: too few resamples for an interval.
    """
    rank = int((resamples + 1) * TAIL)  # the rank-th smallest and the rank-th largest are the ends
    if rank < 1:
        raise ValueError(f"expected at least 39 resamples, got {resamples}")
    images = candidate.images
    wins = (candidate.right & ~champion.right).bit_count()
    losses = (champion.right & ~candidate.right).bit_count()
    differences = sorted(resampled_differences(wins, losses, images, resamples, seed))
    low, high = differences[rank - 1] / images, differences[-rank] / images
    return Verdict(candidate.accuracy, champion.accuracy, (wins - losses) / images, low, high, images)


def resampled_differences(wins: int, losses: int, images: int, resamples: int, seed: int) -> list[int]:
    """How many more galaxies the candidate has right than the champion, in each of many resamples.

    A galaxy counts 1 when only the candidate is right (a win), -1 when only the champion is (a loss), else 0. So the counts in a
    resample are multinomial, and are drawn as two binomials: how many galaxies count at all, then how many of these are wins.
    Both are drawn exactly; drawing galaxy by galaxy gives the same distribution in a thousand times the time.

    Args:
        wins: galaxies that only the candidate has right.
        losses: galaxies that only the champion has right.
        images: number of galaxies, in all and in each resample.
        resamples: number of resamples.
        seed: of the generator.

    Returns:
        Wins minus losses in each resample.
    """
    generator = random.Random(seed)  # noqa: S311 - statistics, no secrets
    differences = []
    for _ in range(resamples):
        counting = _binomial(generator, images, wins + losses, images)
        differences.append(2 * _binomial(generator, counting, wins, wins + losses) - counting)
    return differences


def _binomial(generator: random.Random, trials: int, numerator: int, denominator: int) -> int:
    """Draw how many of some trials succeed, each with the probability numerator / denominator.

    A trial succeeds when a uniform number is below the probability p, which the first binary digit tells in which the two
    differ: success if it is p's that is 1. Digits of all undecided trials are drawn at once, and as the trials are alike only
    their number is kept. It halves with each digit, so a draw costs about two random bits a trial, in a few operations on long
    integers; the digits of p come from an exact long division.
    """
    successes, remainder = 0, numerator
    while trials and remainder:  # once no digit of p is left, no number is below it any more
        ones = generator.getrandbits(trials).bit_count()
        remainder *= 2
        if remainder >= denominator:
            remainder -= denominator
            successes += trials - ones
            trials = ones
        else:
            trials -= ones
    return successes
