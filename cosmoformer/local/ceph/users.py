"""The S3 user of a node, and its subusers: keys of the same user that can do less."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from cosmoformer.errors import StoreUnavailable
from cosmoformer.local.ceph.layout import USER, CephLayout, Subuser
from cosmoformer.settings import load
from cosmoformer.storage.store import connect

_UNKNOWN = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch"})


def ensure_users(layout: CephLayout, run: Callable[[Sequence[str]], None], report: Callable[[str], None]) -> None:
    """Make the user and the subusers of a running node, or give them the keys of the layout when they have others.

    Args:
        layout: names the node and its keys.
        run: runs one of Ceph's commands to its end; raises StoreUnavailable when that fails.
        report: is told, in a few words, what happens.

    Raises:
        StoreUnavailable: the gateway does not answer, or refuses the keys all the same.
    """
    if not _are_known(layout, layout.access_key, layout.secret_key):
        report("making the S3 user")
        keys = ["--uid", USER, "--access-key", layout.access_key, "--secret-key", layout.secret_key]
        _first_that_works(
            run,
            ["radosgw-admin", "user", "create", "--display-name", "CosmoFormer", *keys],
            ["radosgw-admin", "key", "create", "--key-type", "s3", *keys],
        )
        _check(layout, layout.access_key, layout.secret_key)
    for subuser in layout.subusers:
        if not _are_known(layout, subuser.access_key, subuser.secret_key):
            _make(subuser, run)
            _check(layout, subuser.access_key, subuser.secret_key)


def _make(subuser: Subuser, run: Callable[[Sequence[str]], None]) -> None:
    who = ["--uid", USER, "--subuser", f"{USER}:{subuser.name}"]
    keys = ["--key-type", "s3", "--access-key", subuser.access_key, "--secret-key", subuser.secret_key]
    _first_that_works(
        run,
        ["radosgw-admin", "subuser", "create", *who, "--access", subuser.access, *keys],
        ["radosgw-admin", "key", "create", *who, *keys],
    )


def _first_that_works(run: Callable[[Sequence[str]], None], new: Sequence[str], known: Sequence[str]) -> None:
    """Make what is new; where it is known, change it."""
    try:
        run(new)
    except StoreUnavailable:
        run(known)


def _check(layout: CephLayout, access_key: str, secret_key: str) -> None:
    if not _are_known(layout, access_key, secret_key):
        raise StoreUnavailable(f"{layout.endpoint_url} refuses the keys of {access_key!r}, who was just made")


def _are_known(layout: CephLayout, access_key: str, secret_key: str) -> bool:
    client = connect(
        load({}, s3_endpoint_url=layout.endpoint_url, aws_access_key_id=access_key, aws_secret_access_key=secret_key)
    )
    try:
        client.list_buckets()
    except ClientError as error:
        if error.response["Error"]["Code"] in _UNKNOWN:
            return False
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 403:  # known, but not to list
            return True
        raise StoreUnavailable(f"{layout.endpoint_url} answers, but not as an S3 store: {error}") from error
    except BotoCoreError as error:
        raise StoreUnavailable(f"{layout.endpoint_url} does not answer S3 requests: {error}") from error
    return True
