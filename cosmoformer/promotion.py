"""Which version is served: the check that a version passes first, and the moves of its aliases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from cosmoformer import artifact
from cosmoformer.errors import CosmoFormerError, ModelRefused
from cosmoformer.registry import DIGEST_TAG, ModelVersion, Registry


def verify(registry: Registry, version: ModelVersion) -> bool:
    """Download a version's artifact and check it as a function does before it serves it.

    Returns:
        Whether the self-check ran as well as the digest was compared; it needs torch.

    Raises:
        ModelRefused: digest, load or self-check fail.
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
    try:
        artifact.load(content)
    except ImportError:
        return False
    return True


@dataclass(frozen=True)
class Promotion:
    """What a promotion did.

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


def promote(
    registry: Registry, version: ModelVersion, *, alias: str, check: Callable[[ModelVersion], object]
) -> Promotion:
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

    Returns:
        What was changed.

    Raises:
        ModelRefused: ``check`` refused the version; nothing was changed.
        RegistryUnavailable: MLflow does not answer.
    """
    check(version)
    settings, known = registry.settings, registry.aliases()
    before, fallback = known.get(alias), known.get(settings.model_fallback_alias)
    done = Promotion(alias, before, version.version, fallback, fallback)
    if before == version.version:
        return done
    if alias == settings.model_alias and before is not None:
        if unfit := _why_unfit(registry, before, check):
            done = replace(done, unfit=unfit)
        else:
            registry.set_alias(settings.model_fallback_alias, before)
            done = replace(done, fallback_after=before)
    registry.set_alias(alias, version.version)
    return done


def _why_unfit(registry: Registry, number: int, check: Callable[[ModelVersion], object]) -> str:
    try:
        check(find_version(registry, number))
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
