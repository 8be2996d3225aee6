"""Which version is served: the check that a version passes first, the moves of its aliases, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cosmoformer.errors import CosmoFormerError, ModelRefused
from cosmoformer.models import artifact
from cosmoformer.models.registry import DIGEST_TAG, ModelVersion, Registry
from cosmoformer.timestamps import rfc3339

ROLLED_BACK_FROM_TAG, ROLLED_BACK_TIME_TAG = "rolled_back_from", "rolled_back_time"
Check = Callable[[ModelVersion], object]
Gate = Callable[[ModelVersion, ModelVersion], object]


def verify(registry: Registry, version: ModelVersion) -> bool:
    """Download a version's artifact and check it as a function does before it serves it.

    Returns:
        Whether the self-check ran as well as the digest was compared; it needs torch.

    Raises:
        ModelRefused: digest, load or self-check fail.
        RegistryUnavailable: MLflow does not answer, or has lost the artifact.
    """
    content = download_checked(registry, version)
    try:
        artifact.load(content)
    except ImportError:
        return False
    return True


def download_checked(registry: Registry, version: ModelVersion) -> bytes:
    """A version's artifact, which is the one that was registered.

    Raises:
        ModelRefused: its digest is not that of the version's tag, or there is no such tag.
        RegistryUnavailable: MLflow does not answer, or has lost the artifact.
    """
    if not version.sha256:
        raise ModelRefused(f"version {version.version} of {version.name} has no tag {DIGEST_TAG}", "Register it again")
    content = registry.download(version)
    if (found := artifact.digest(content)) != version.sha256:
        raise ModelRefused(
            f"the artifact of version {version.version} of {version.name} has the digest {found[:12]}…, its tag says"
            f" {version.sha256[:12]}…",
            "It was changed after it was registered; register the original again",
        )
    return content


@dataclass(frozen=True)
class Promotion:
    """What a promotion or a roll-back did.

    Attributes:
        alias: the alias that was moved.
        before: version it named; None when it did not exist.
        after: version it names now.
        fallback_before: version that ``MODEL_FALLBACK_ALIAS`` named; None when it did not exist.
        fallback_after: version that it names now; None likewise.
        unfit: why the old champion did not become the fallback; empty when it did, or when there was none.
    """

    alias: str
    before: int | None
    after: int
    fallback_before: int | None
    fallback_after: int | None
    unfit: str = ""


def promote(registry: Registry, version: ModelVersion, *, alias: str, check: Check, gate: Gate) -> Promotion:
    """Point an alias to a version; when it is ``MODEL_ALIAS``, the version it named becomes the fallback.

    The fallback is moved first. A promotion that is interrupted between the two moves leaves the old champion serving, with
    itself as fallback, and promoting again completes it; in the other order the new champion would serve without the version
    known to work behind it, and nothing would remember which that was. Promoting what is champion already changes nothing.

    Args:
        registry: where to.
        version: the version.
        alias: alias to move.
        check: is given the version, and then the old champion; raises when it is unfit to serve. An old champion that is unfit
            does not become the fallback.
        gate: is given the version and the champion that it would replace; raises when it may not. It is not asked about another
            alias than ``MODEL_ALIAS``, nor when there is no champion, nor about the version that is champion already.

    Returns:
        What was changed.

    Raises:
        ModelRefused: ``check`` or ``gate`` refused the version; no alias was moved.
        RegistryUnavailable: MLflow does not answer.
    """
    check(version)
    settings, known = registry.settings, registry.aliases()
    before, fallback = known.get(alias), known.get(settings.model_fallback_alias)
    done = Promotion(alias, before, version.version, fallback, fallback)
    if before == version.version:
        return done
    if alias == settings.model_alias and before is not None:
        champion = find_version(registry, before)
        gate(version, champion)
        if unfit := _why_unfit(champion, check):
            done = replace(done, unfit=unfit)
        else:
            registry.set_alias(settings.model_fallback_alias, before)
            done = replace(done, fallback_after=before)
    registry.set_alias(alias, version.version)
    return done


def roll_back(registry: Registry, *, check: Check) -> Promotion:
    """Make the fallback the champion again, and the champion the fallback.

    So a second roll-back undoes the first. The champion is moved first, and before it the roll-back is recorded as tags of the
    version that becomes champion; interrupted between the moves, it has done what it was for, and that version is both.

    Args:
        registry: where to.
        check: is given the fallback, and then the champion; raises when it is unfit to serve. A champion that is unfit does not
            become the fallback.

    Returns:
        What was changed.

    Raises:
        ModelRefused: there is nothing to go back to, or ``check`` refused it; nothing was changed.
        RegistryUnavailable: MLflow does not answer.
    """
    settings, known = registry.settings, registry.aliases()
    before, after = known.get(settings.model_alias), known.get(settings.model_fallback_alias)
    if before is None or after is None or before == after:
        raise ModelRefused(
            f"there is no version to go back to: {settings.model_alias} names {before or 'none'},"
            f" {settings.model_fallback_alias} names {after or 'none'}",
            '`cosmoformer promote VERSION --force "why"` serves any other version',
        )
    check(find_version(registry, after))
    unfit = _why_unfit(find_version(registry, before), check)
    registry.set_tag(after, ROLLED_BACK_FROM_TAG, str(before))
    registry.set_tag(after, ROLLED_BACK_TIME_TAG, rfc3339(datetime.now(UTC)))
    registry.set_alias(settings.model_alias, after)
    if not unfit:
        registry.set_alias(settings.model_fallback_alias, before)
    return Promotion(settings.model_alias, before, after, after, after if unfit else before, unfit)


def _why_unfit(version: ModelVersion, check: Check) -> str:
    try:
        check(version)
    except CosmoFormerError as error:
        return error.detail
    return ""


def find_version(registry: Registry, number: int) -> ModelVersion:
    """A version by its number.

    Raises:
        ModelRefused: there is no such version.
        RegistryUnavailable: MLflow does not answer.
    """
    versions = registry.versions()
    for version in versions:
        if version.version == number:
            return version
    known = ", ".join(str(version.version) for version in versions) or "none"
    raise ModelRefused(f"{registry.settings.model_name!r} has no version {number}", f"Registered versions: {known}")
