"""What a store's answers mean, as tables: gone, changed by another writer, refused for good, or away for now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from cosmoformer.errors import CosmoFormerError, ObjectGone, StoreRefused, StoreUnavailable
from cosmoformer.storage import credentials

_GONE = frozenset({"NoSuchKey", "404", "NotFound", "NoSuchVersion"})
_PRECONDITION = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "OperationAborted", "409"})
_RENEW = "Renew the temporary keys: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN belong together"
_NO_KEY = frozenset({"InvalidObjectName", "XMinioInvalidObjectName", "KeyTooLongError", "InvalidURI"})
_UNKNOWN = frozenset({"NotImplemented", "501", "MethodNotAllowed", "405"})

# What may pass, or is mended at the store: code -> how.
_MENDS = {
    "NoSuchBucket": "Make the buckets: IMAGES_BUCKET and RESULTS_BUCKET name them",
    "InvalidAccessKeyId": "Check AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "Check AWS_SECRET_ACCESS_KEY",
    "RequestTimeTooSkewed": "Set the clocks: the store's and the one here differ by more than S3 allows",
    "AccessDenied": "Let this access key list, read and write both buckets; temporary keys need their AWS_SESSION_TOKEN",
    "ExpiredToken": _RENEW,
    "InvalidToken": _RENEW,
    "AuthorizationHeaderMalformed": "Set AWS_REGION to that of the buckets",
    "PermanentRedirect": "Set AWS_REGION and S3_ENDPOINT_URL to those of the buckets",
}

# What stays so however often it is asked: whether a code (with the words beside it, in lower case) is such a one, the code of a
# rejected result, what it means, and what to do.
_REFUSALS: tuple[tuple[Callable[[str, str], bool], str, str, str], ...] = (
    (
        lambda code, _: code == "InvalidObjectState",
        "archived",
        "is archived: the store does not give it out at once",
        "Restore it, then `cosmoformer sweep --again rejected`",
    ),
    (
        lambda code, words: code.startswith("KMS.") or (code == "AccessDenied" and "kms:" in words),
        "encrypted",
        "is encrypted with a key of a key service that this access key may not use",
        "Let the access key use that key, then `cosmoformer sweep --again rejected`",
    ),
    (
        lambda code, words: code in ("InvalidRequest", "InvalidArgument") and "server side encryption" in words,
        "encrypted",
        "is encrypted with a key that the store does not keep (SSE-C)",
        "Store it without SSE-C",
    ),
    (
        lambda code, _: code in _NO_KEY,
        "unreadable",
        "is no key that the store takes",
        "Name the object otherwise",
    ),
    (
        lambda code, _: code in _UNKNOWN,
        "unreadable",
        "is asked for in a way that the store does not know",
        "Use another store for it; `cosmoformer doctor` says what this one lacks",
    ),
)


class Precondition(CosmoFormerError):
    """Another writer changed the object first."""


@contextmanager
def understood(url: str, key: str) -> Iterator[None]:
    """Raise what an answer means in place of what botocore says of it.

    Args:
        url: of the store, for messages.
        key: of the object that is asked for; empty for a bucket.

    Raises:
        ObjectGone: there is no such object.
        Precondition: another writer was faster.
        StoreRefused: the store will never do it.
        StoreUnavailable: it does not answer, or refuses what may be mended there.
        SettingsError: there are no credentials to ask with.
    """
    try:
        with credentials.told_as_settings():
            yield
    except CosmoFormerError:
        raise
    except ClientError as error:
        raise _meaning(url, key, error) from error
    except ResponseParserError as error:
        raise StoreUnavailable(
            f"{url} answers, but not as an S3 store: {str(error)[:200]}", "Is S3_ENDPOINT_URL right?"
        ) from error
    except (BotoCoreError, OSError) as error:
        raise StoreUnavailable(
            f"{url} does not answer: {error}", "Is S3_ENDPOINT_URL right and the store running?"
        ) from error


def _meaning(url: str, key: str, error: ClientError) -> CosmoFormerError:
    code, words = code_of(error), str(error).lower().replace("-", " ")
    if code in _GONE:
        return ObjectGone(f"there is no object {key!r} (any more)")
    if code in _PRECONDITION:
        return Precondition(key)
    for fits, name, meaning, mend in _REFUSALS:
        if fits(code, words):
            return StoreRefused(f"{key!r} {meaning} ({code})", mend, name)
    if error.operation_name == "HeadObject" and code == "400":  # an answer to HEAD has no words
        return StoreRefused(f"{key!r} is refused as a bad request", "Try a GET, which says more", "unreadable")
    return StoreUnavailable(f"{url} answered {code}: {error}", _MENDS.get(code, ""))


def code_of(error: BaseException | None) -> str:
    """The code of an error that the store answered with; empty for any other."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def is_unknown_request(error: StoreRefused) -> bool:
    """Whether the store said that it does not know such requests."""
    return code_of(error.__cause__) in _UNKNOWN
