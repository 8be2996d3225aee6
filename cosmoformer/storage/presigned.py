"""Presigned addresses: what a program without store keys can put or get, one object each.

A store takes some headers of a presigned request that were not signed: Ceph obeys ``x-amz-copy-source`` and
``x-amz-acl``. So what an address can do is what its signing key can do. Addresses of uploads are signed with a key that can
only put, those of images and results with one that can only read uploads (docs/security.md). Nothing here asks the store.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from cosmoformer.errors import SettingsError
from cosmoformer.settings import Settings
from cosmoformer.storage.store import connect

#: Signed with every upload, so that another ACL breaks the signature and a grant beside it is refused. From the account that owns
#: the bucket it means ``private``; from another account, the bucket's owner can read the object all the same.
ACL = "bucket-owner-full-control"
# An uploader can have any encoding and disposition stored: 12 MB of gzip would fill the memory of whoever looks at the image,
# and an SVG with a script would run at the store's address. Classify reads the bytes as they lie.
_AS_IT_LIES = {"ResponseContentEncoding": "identity", "ResponseContentDisposition": "attachment"}


@dataclass(frozen=True)
class SignedPut:
    """One PUT that the store takes.

    Attributes:
        url: address.
        headers: what must be sent with it, to the letter.
    """

    url: str
    headers: dict[str, str]


def upload_keys(settings: Settings) -> tuple[str, str] | None:
    """Access key and secret key that uploads are signed with; None when the store's own have to do.

    Raises:
        SettingsError: one of the two is set, the other is not.
    """
    return _keys(settings, "UPLOAD")


def view_keys(settings: Settings) -> tuple[str, str] | None:
    """Likewise for addresses of images and results."""
    return _keys(settings, "VIEW")


def _keys(settings: Settings, purpose: str) -> tuple[str, str] | None:
    names = f"{purpose}_ACCESS_KEY_ID", f"{purpose}_SECRET_ACCESS_KEY"
    access_key, secret_key = (str(getattr(settings, name.lower())) for name in names)
    if bool(access_key) != bool(secret_key):
        raise SettingsError(f"of {names[0]} and {names[1]} only one is set", "Set both, or neither")
    return (access_key, secret_key) if access_key else None


class Presigner:
    """Signs addresses of the store as browsers reach it.

    Every method raises :class:`~cosmoformer.errors.SettingsError` when there are no keys to sign with, or half a pair of them.

    Args:
        settings: names the store, its buckets and the keys.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clients: dict[str, Any] = {}
        # Now rather than at the first request; what is wrong with them is told whoever wants an address.
        with suppress(SettingsError):
            _ = self._putting, self._getting

    def put(self, key: str, content_type: str, size: int, bucket: str = "") -> SignedPut:
        """One PUT of exactly this media type and size into a bucket, that of images unless named."""
        where = {"Bucket": bucket or self._settings.images_bucket, "Key": key}
        what = {"ContentType": content_type, "ContentLength": size, "ACL": ACL}
        url = self._putting.generate_presigned_url(
            "put_object", Params=where | what, ExpiresIn=self._settings.upload_expiry_seconds
        )
        return SignedPut(str(url), {"Content-Type": content_type, "x-amz-acl": ACL})

    def get_image(self, key: str) -> str:
        """A URL that reads one image as the bytes that lie in the store, to be kept and not to be shown by its address."""
        return self._get(self._settings.images_bucket, key, **_AS_IT_LIES)

    def get_result(self, key: str) -> str:
        """A URL that reads one object of the results bucket, which need not exist yet."""
        return self._get(self._settings.results_bucket, key)

    def _get(self, bucket: str, key: str, **answer: str) -> str:
        url = self._getting.generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": key} | answer, ExpiresIn=self._settings.result_expiry_seconds
        )
        return str(url)

    @property
    def _putting(self) -> Any:
        return self._client(upload_keys(self._settings))

    @property
    def _getting(self) -> Any:
        return self._client(view_keys(self._settings))

    def _client(self, keys: tuple[str, str] | None) -> Any:
        name = keys[0] if keys else ""
        if name not in self._clients:
            self._clients[name] = connect(signing_with(self._settings, keys), self._settings.store_public_url)
        return self._clients[name]


def signing_with(settings: Settings, keys: tuple[str, str] | None) -> Settings:
    """The same settings with an access key and a secret key in place of the store's own; None changes nothing."""
    if keys is None:
        return settings
    access_key, secret_key = keys
    signing = {"aws_access_key_id": access_key, "aws_secret_access_key": secret_key, "aws_session_token": ""}
    return Settings(**(vars(settings) | signing))
