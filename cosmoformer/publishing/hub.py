"""Puts files into a model repository on the Hugging Face Hub, through the package ``huggingface_hub``.

Token and address are that package's own affair (``HF_TOKEN`` or ``hf auth login``, ``HF_ENDPOINT``). It is imported only here,
when something is published.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from cosmoformer.errors import CosmoFormerError, PermanentError, TransientError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_NAME = re.compile(rf"(?P<owner>{_PART})/(?P<name>{_PART})")
_FORBIDDEN = re.compile(r"--|\.\.|\.git$")
_REFUSALS = (401, 403)  # HTTP statuses about the token


def check_name(repository: str) -> None:
    """Check that a name is one that the Hub can have.

    Rules: documentation of ``huggingface_hub.utils.validate_repo_id``; the owner, optional there, must be named.

    Raises:
        PermanentError: it is not.
    """
    if not _NAME.fullmatch(repository) or _FORBIDDEN.search(repository):
        raise PermanentError(
            f"expected OWNER/NAME, got {repository!r}",
            "Both are of letters, digits, '-', '_' and '.', with neither '--' nor '..' in them and no '.git' at the end",
        )


def connect() -> HfApi:
    """The Hub, with the user's token.

    Raises:
        PermanentError: the package or a token is missing.
    """
    try:
        from huggingface_hub import HfApi, get_token
    except ModuleNotFoundError as error:
        raise PermanentError(
            f"publishing needs a package that is not installed here: {error.name} is missing",
            "pip install 'cosmoformer[publish]'",
        ) from None
    token = get_token()
    if not token:
        raise PermanentError(
            "there is no token for Hugging Face", "Set HF_TOKEN to one that may write, or run `hf auth login`"
        )
    if not re.fullmatch(r"[!-~]+", token):  # an HTTP client would quote it in its error
        raise PermanentError("the token for Hugging Face has characters that no token has", "Set HF_TOKEN anew")
    return HfApi(token=token)


def upload(
    hub: HfApi, repository: str, files: Mapping[str, bytes], *, absent: Collection[str], message: str, private: bool
) -> str:
    """Put files into a model repository, in one commit, so that nobody sees a card with another model's artifact.

    Args:
        hub: where to; see :func:`connect`.
        repository: ``OWNER/NAME``; it is made if it is missing.
        files: content by name. Files of other names stay as they are.
        absent: names of files that an earlier upload may have left; the same commit takes them away.
        message: the commit's.
        private: a repository that is made here is private; else its visibility is the owner's default.

    Returns:
        The commit's address.

    Raises:
        PermanentError: the Hub refuses the token or the files.
        TransientError: the Hub does not answer, or not now.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    try:
        hub.create_repo(repository, private=private or None, exist_ok=True)
        stale = [name for name in absent if hub.file_exists(repository, name)]
        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            *(CommitOperationAdd(name, content) for name, content in files.items()),
            *(CommitOperationDelete(name) for name in stale),
        ]
        # Not upload_folder(), which may divide the files among several commits.
        commit = hub.create_commit(repository, operations, commit_message=message)
    except Exception as error:  # what its HTTP and storage clients raise comes through, and has no common base
        raise _failure(hub, repository, error) from error
    return commit.commit_url


def _failure(hub: HfApi, repository: str, error: Exception) -> CosmoFormerError:
    from huggingface_hub.errors import HfHubHTTPError

    if not isinstance(error, HfHubHTTPError):
        reason = _without_token(hub, f"{type(error).__name__}: {error}")
        return TransientError(f"{hub.endpoint}: {repository} was not published: {reason}", "Is HF_ENDPOINT right?")
    status = error.response.status_code
    said = error.server_message or error.response.reason_phrase
    detail = _without_token(hub, f"{hub.endpoint} answered {status}, {repository} was not published: {said}")
    if status in _REFUSALS:
        owner = repository.partition("/")[0]
        return PermanentError(detail, f"Is the token (HF_TOKEN, or `hf auth login`) one that may write to {owner}?")
    return PermanentError(detail) if status < 500 else TransientError(detail, "Try again later")


def _without_token(hub: HfApi, text: str) -> str:
    return text.replace(str(hub.token), "…")
