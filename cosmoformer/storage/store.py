"""The object store: whatever speaks S3 at ``S3_ENDPOINT_URL``. The one place that makes an S3 client."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError

from cosmoformer import strict_json
from cosmoformer.addresses import is_address, is_loopback
from cosmoformer.errors import ObjectGone, SettingsError, StoreRefused, StoreUnavailable
from cosmoformer.settings import Settings
from cosmoformer.storage import answers, credentials, listing
from cosmoformer.storage.answers import Precondition, code_of

log = logging.getLogger(__name__)
_MAKING = threading.Lock()  # botocore's sessions make one client at a time
_AS_JSON = {"ContentType": "application/json", "CacheControl": "no-cache"}
_MD5_OF_NOTHING = "1B2M2Y8AsgTpgAmY7PhCfg=="  # in base64, as Content-MD5 has it


@dataclass(frozen=True)
class ObjectInfo:
    """The store's metadata of an object.

    Attributes:
        key: object key.
        etag: entity tag without quotes.
        size: bytes.
        last_modified: when it was written, by the store's clock.
        metadata: what its writer told beside (``x-amz-meta-…``), by lower-case name; empty in listings, which have none.
    """

    key: str
    etag: str
    size: int
    last_modified: datetime
    metadata: Mapping[str, str] = field(default_factory=dict, hash=False)


def connect(settings: Settings, endpoint_url: str | None = None, service: str = "s3") -> Any:
    """A client of the configured store (or of its topics, with ``service="sns"``).

    Raises:
        SettingsError: the address or the region is none, or no credentials can be had.
    """
    url = endpoint_url or settings.s3_endpoint_url
    if not is_address(url):
        setting = "S3_PUBLIC_ENDPOINT_URL" if endpoint_url else "S3_ENDPOINT_URL"
        raise SettingsError(f"{setting} is {url!r}", "Expected http://HOST:PORT or https://HOST")
    credentials.credentials(settings)
    keys, config = credentials.own_keys(settings), _config(settings, url, service)
    try:
        with credentials.told_as_settings(), _MAKING:
            client = credentials.session(settings).create_client(
                service, endpoint_url=url, region_name=settings.aws_region, config=config, **keys
            )
    except (BotoCoreError, ValueError) as error:
        raise SettingsError(f"AWS_REGION, or the shell's settings for AWS: {error}", "Correct them") from error
    client.meta.events.register("before-call.s3.CopyObject", _as_ceph_reads_it)
    # With "*" for s3 it comes before botocore's own look at an answer, which takes what it cannot parse for an error 500.
    client.meta.events.register("before-parse.*.ListObjectsV2", listing.mend)
    return client


def _as_ceph_reads_it(params: dict[str, Any], **_: Any) -> None:
    """Ceph reads the condition of a copy from a header of another name than S3's."""
    if condition := params["headers"].get("x-amz-copy-source-if-match"):
        params["headers"]["x-amz-copy-if-match"] = condition


def _config(settings: Settings, url: str, service: str) -> Config:
    return Config(
        signature_version="s3v4" if service == "s3" else None,
        # Named here, a profile's or a shell's wish for Amazon's special addresses does not count: the address is given.
        s3={"addressing_style": settings.s3_addressing_style, "use_accelerate_endpoint": False},
        use_dualstack_endpoint=False,
        use_fips_endpoint=False,
        connect_timeout=5,
        read_timeout=settings.store_timeout_seconds,
        retries={"mode": "standard", "max_attempts": 2},
        max_pool_connections=32,
        proxies={} if is_loopback(url) else None,  # no proxy of the shell's leads to this machine
        # Optional checksums are unknown to older gateways and would also be bound into presigned URLs.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


class Store:
    """Objects of one store.

    Every method raises :class:`~cosmoformer.errors.StoreUnavailable` when the store does not answer, denies access or
    has no such bucket, :class:`~cosmoformer.errors.StoreRefused` when it will never do what is asked, and
    :class:`~cosmoformer.errors.SettingsError` when there are no credentials to ask with.

    Attributes:
        settings: its address, buckets and limits.
        knows_conditions: whether it takes writes under a condition, as far as is known by now.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.knows_conditions = True
        self._client: Any = None
        # Made now rather than at the first request; whoever uses it is told what is wrong.
        with suppress(SettingsError):
            _ = self.client

    @property
    def client(self) -> Any:
        """The client that requests are made with.

        Raises:
            SettingsError: it cannot be made; see :func:`connect`.
        """
        if self._client is None:
            self._client = connect(self.settings)
        return self._client

    def reach(self, bucket: str) -> None:
        """Nothing, when the store answers, accepts the keys, and lets them list a bucket."""
        try:
            with self._errors(""):
                self.client.list_objects_v2(Bucket=bucket, MaxKeys=1)
        except StoreUnavailable as error:
            raise StoreUnavailable(f"bucket {bucket!r}: {error.detail}", error.mend) from error.__cause__
        except StoreRefused as error:
            raise StoreRefused(f"bucket {bucket!r}: {error.detail}", error.mend, error.code) from error.__cause__

    def read_image(self, key: str) -> tuple[ObjectInfo, bytes | None]:
        """One object of the images bucket, and its content unless that is larger than ``MAX_IMAGE_BYTES``.

        Raises:
            ObjectGone: there is no such object.
        """
        with self._errors(key):
            answer = self.client.get_object(Bucket=self.settings.images_bucket, Key=key)
            info = _info(key, answer, answer["ContentLength"])
            with answer["Body"] as body:
                return info, body.read() if info.size <= self.settings.max_image_bytes else None

    def head_image(self, key: str) -> ObjectInfo:
        """What the store says of an image, also of one that it does not give out.

        Raises:
            ObjectGone: there is no such object.
        """
        try:
            with self._errors(key):
                answer = self.client.head_object(Bucket=self.settings.images_bucket, Key=key)
                return _info(key, answer, answer["ContentLength"])
        except StoreRefused:  # as it does for an object under a key of its owner's; a listing tells as much
            listed = next(self.list(self.settings.images_bucket, key), None)  # the shortest comes first
            if listed is None or listed.key != key:
                raise ObjectGone(f"there is no object {key!r} (any more)") from None
            return listed

    def read(self, bucket: str, key: str) -> tuple[bytes, str] | None:
        """An object's content and its eTag, or None when there is no such object."""
        try:
            with self._errors(key):
                answer = self.client.get_object(Bucket=bucket, Key=key)
                with answer["Body"] as body:
                    return body.read(), answer["ETag"].strip('"')
        except ObjectGone:
            return None

    def read_json(self, bucket: str, key: str) -> tuple[Any, str] | None:
        """A JSON object and its eTag, or None when there is none; content that is no JSON is read as null."""
        found = self.read(bucket, key)
        try:
            return found and (strict_json.loads(found[0]), found[1])
        except ValueError:
            return found and (None, found[1])

    def write_json(
        self, bucket: str, key: str, document: Any, *, replacing: str | None, indent: int | None = 1
    ) -> str | None:
        """Write a JSON object only if the one it replaces is still there.

        A store that knows no such condition is looked at right before the write instead, so that of two writers at the same
        moment the later one overwrites the other unseen.

        Args:
            bucket: bucket to write to.
            key: object key.
            document: what to write.
            replacing: eTag of the object that is replaced, or None when there must be no object yet.
            indent: spaces a level, for people; None writes large documents ten times faster.

        Returns:
            Its eTag; None when another writer came first, and it was not written.
        """
        body = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=indent).encode()
        if self.knows_conditions:
            try:
                return self._replace(bucket, key, body, replacing)
            except StoreRefused as error:
                if not answers.is_unknown_request(error):
                    raise
            self.knows_conditions = False
            log.warning("the store knows no conditional writes: of two at the same moment the later one stays")
        found = self.read_json(bucket, key)
        if (found and found[1]) != replacing:
            return None
        return self._write_json_if(bucket, key, body)

    def _replace(self, bucket: str, key: str, body: bytes, replacing: str | None) -> str | None:
        if not replacing:
            return self._write_json_if(bucket, key, body, IfNoneMatch="*")
        # Ceph 16 compares a PUT's If-Match with the bare eTag, so that the quotes which RFC 9110 demands never match.
        quoted = f'"{replacing}"'
        wrote = (self._write_json_if(bucket, key, body, IfMatch=etag) for etag in (quoted, replacing))
        return next(filter(None, wrote), None)

    def _write_json_if(self, bucket: str, key: str, body: bytes, **condition: str) -> str | None:
        try:
            with self._errors(key):
                answer = self.client.put_object(Bucket=bucket, Key=key, Body=body, **_AS_JSON, **condition)
        except (Precondition, ObjectGone):  # the latter for If-Match on an object that was deleted meanwhile
            return None
        except StoreUnavailable as error:
            # Ceph 16 now and then answers the loser of a race with 500 UnknownError.
            if code_of(error.__cause__) == "UnknownError":
                return None
            raise
        return str(answer["ETag"]).strip('"')

    def write(
        self, bucket: str, key: str, body: bytes, content_type: str, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Write an object, whatever stood there; metadata are ASCII."""
        with self._errors(key):
            self.client.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type, Metadata=metadata or {})

    def write_metadata(self, image: ObjectInfo, content_type: str, metadata: Mapping[str, str]) -> bool:
        """Give an image of the images bucket other metadata, in place of all that it has, by copying it onto itself.

        Returns:
            Whether it has them; False when another image has taken its place.

        Raises:
            ObjectGone: it is no longer there.
        """
        place = {"Bucket": self.settings.images_bucket, "Key": image.key}
        change = {"ContentType": content_type, "Metadata": metadata, "MetadataDirective": "REPLACE"}
        try:
            with self._errors(image.key):
                self.client.copy_object(**place, CopySource=place, CopySourceIfMatch=image.etag, **change)
        except Precondition:
            return False
        return True

    def try_write(self, bucket: str, key: str) -> bool:
        """Nothing, when this object might be written; it is not, since its digest is wrong.

        A write that fails its condition would do for that, too, but Ceph 16 sends notifications of those.

        Returns:
            Whether the store wrote it all the same.
        """
        try:
            with self._errors(key):
                self.client.put_object(Bucket=bucket, Key=key, Body=b"x", ContentMD5=_MD5_OF_NOTHING)
        except StoreUnavailable as error:
            if code_of(error.__cause__) == "BadDigest":
                return False
            raise
        return True

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object if it is there."""
        with self._errors(key):
            self.client.delete_object(Bucket=bucket, Key=key)

    def list(self, bucket: str, prefix: str = "", after: str = "") -> Iterator[ObjectInfo]:
        """Every object whose key starts with a prefix and comes after another key, in key order (that of UTF-8 bytes)."""
        with self._errors(prefix):
            found = listing.entries(self.client, bucket, prefix, after)
            yield from (_info(entry["Key"], entry, entry["Size"]) for entry in found)

    def _errors(self, key: str) -> AbstractContextManager[None]:
        return answers.understood(self.settings.s3_endpoint_url, key)


def _info(key: str, answer: dict[str, Any], size: int) -> ObjectInfo:
    return ObjectInfo(key, answer["ETag"].strip('"'), size, answer["LastModified"], answer.get("Metadata", {}))
