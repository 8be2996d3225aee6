"""Who signs requests to the store: the keys of the settings, or else what AWS's own tools would use.

While ``AWS_SECRET_ACCESS_KEY`` is set, nothing else is looked at: no profile, configuration file or role of the machine adds to
the keys or can break them, and a cold start pays for none of it. Otherwise botocore's own chain is asked: a profile
(``AWS_PROFILE``; keys, SSO, an assumed role, a process), a web identity, a container's and an instance's role.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from botocore import exceptions
from botocore.credentials import Credentials
from botocore.session import Session

from cosmoformer.errors import SettingsError
from cosmoformer.settings import Settings

_UNSET = (None, None, None, None)  # no variable, no default: botocore's words for "look nowhere"
_INSTEAD = "or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_NONE = "AWS_SECRET_ACCESS_KEY is not set, and neither a profile nor a role of this machine gives keys"

_ROLE_REQUESTS = ("AssumeRole", "AssumeRoleWithWebIdentity", "GetRoleCredentials")

# What botocore finds wrong -> the setting at fault, and what to do; the first kind that fits.
_FAULTS: tuple[tuple[tuple[type[Exception], ...], str, str], ...] = (
    ((exceptions.ProfileNotFound,), "AWS_PROFILE", f"Correct it, {_INSTEAD}"),
    ((exceptions.ConfigParseError, exceptions.ConfigNotFound), "AWS_CONFIG_FILE", f"Correct that file, {_INSTEAD}"),
    ((exceptions.PartialCredentialsError,), "AWS_SECRET_ACCESS_KEY", f"Complete the keys, {_INSTEAD}"),
    (
        (exceptions.SSOError, exceptions.TokenRetrievalError),
        "AWS_PROFILE",
        f"Log in again with `aws sso login`, {_INSTEAD}",
    ),
    ((exceptions.NoCredentialsError,), "AWS_SECRET_ACCESS_KEY", "Set it with AWS_ACCESS_KEY_ID, or set AWS_PROFILE"),
    (
        (exceptions.CredentialRetrievalError, exceptions.MetadataRetrievalError, exceptions.InvalidConfigError),
        "AWS_PROFILE",
        f"Correct that profile or role, {_INSTEAD}",
    ),
)


def has_own_keys(settings: Settings) -> bool:
    """Whether the settings hold keys, so that nothing else is asked for any."""
    return bool(settings.aws_secret_access_key)


def session(settings: Settings) -> Session:
    """Where clients of the store are made: one session a process, since it remembers what it read from disk.

    With keys in the settings it reads no file of the user's.
    """
    return _session("" if has_own_keys(settings) else str(settings.aws_profile), has_own_keys(settings))


@cache
def _session(profile: str, isolated: bool) -> Session:
    files = {"config_file": _UNSET, "credentials_file": _UNSET} if isolated else {}
    return Session(session_vars={"profile": (None, None, profile or None, None), **files})


def own_keys(settings: Settings) -> dict[str, Any]:
    """What a client is given of keys: those of the settings, or nothing, so that botocore's chain is asked.

    Raises:
        SettingsError: one half of a pair of keys is missing.
    """
    if not has_own_keys(settings):
        if settings.aws_access_key_id:
            raise SettingsError("AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not", "Set both, or neither")
        return {}
    if not settings.aws_access_key_id:
        raise SettingsError("AWS_SECRET_ACCESS_KEY is set, AWS_ACCESS_KEY_ID is not", "Set both, or neither")
    return {
        "aws_access_key_id": settings.aws_access_key_id,
        "aws_secret_access_key": settings.aws_secret_access_key,
        "aws_session_token": settings.aws_session_token or None,
    }


def credentials(settings: Settings) -> Credentials:
    """The credentials that requests are signed with now.

    Raises:
        SettingsError: there are none, or those that are named cannot be had.
    """
    with told_as_settings():
        if keys := own_keys(settings):
            return Credentials(*keys.values())
        return _by_chain(settings)


def _by_chain(settings: Settings) -> Credentials:
    found = None
    try:
        found = session(settings).get_credentials()
    finally:
        if found is None:
            _session.cache_clear()  # it remembers what it read; the next one looks again
    if found is None:
        raise SettingsError(_NONE, f"Set AWS_PROFILE, {_INSTEAD}")
    return found


@contextmanager
def told_as_settings() -> Iterator[None]:
    """Tell what botocore says of profiles, files and roles as errors of the settings they come from.

    Raises:
        SettingsError: names the setting.
    """
    try:
        yield
    except exceptions.BotoCoreError as error:
        for kinds, setting, mend in _FAULTS:
            if isinstance(error, kinds):
                raise SettingsError(f"{setting}: {error}", mend) from error
        raise
    except exceptions.ClientError as error:
        if error.operation_name in _ROLE_REQUESTS:  # the store was not asked yet
            raise SettingsError(f"AWS_ROLE_ARN or AWS_PROFILE: {error}", f"Correct that role, {_INSTEAD}") from error
        raise
    except OSError as error:
        if error.filename is not None:  # a file of tokens; connections have no name
            raise SettingsError(
                f"AWS_WEB_IDENTITY_TOKEN_FILE or AWS_PROFILE: {error}", f"Correct it, {_INSTEAD}"
            ) from error
        raise
