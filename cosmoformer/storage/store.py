"""The object store: whatever speaks S3 at ``S3_ENDPOINT_URL``. The one place that makes an S3 client."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.client import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from cosmoformer.errors import CosmoFormerError, ObjectGone, StoreUnavailable
from cosmoformer.settings import Settings

_GONE = frozenset({"NoSuchKey", "404", "NotFound", "NoSuchVersion"})
_MD5_OF_NOTHING = "1B2M2Y8AsgTpgAmY7PhCfg=="  # in base64, as Content-MD5 has it
_PRECONDITION = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "OperationAborted", "409"})


@dataclass(frozen=True)
class ObjectInfo:
    """What the store says of an object.

    Attributes:
        key: object key.
        etag: entity tag without quotes.
        size: bytes.
        last_modified: when it was written, by the store's clock.
    """

    key: str
    etag: str
    size: int
    last_modified: datetime


def connect(
    settings: Settings, endpoint_url: str | None = None, service: str = "s3", keys: tuple[str, str] | None = None
) -> Any:
    """A boto3 client for the configured store (or its topics, with ``service="sns"``).

    Args:
        settings: names the store and its keys.
        endpoint_url: another address of the store.
        service: ``s3`` or ``sns``.
        keys: access key and secret key of another account of the store.
    """
    url = endpoint_url or settings.s3_endpoint_url
    access_key, secret_key = keys or (settings.aws_access_key_id, settings.aws_secret_access_key)
    return boto3.client(
        service,
        endpoint_url=url,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name=settings.aws_region,
        config=Config(
            signature_version="s3v4" if service == "s3" else None,
            s3={"addressing_style": "path"},
            connect_timeout=5,
            read_timeout=settings.store_timeout_seconds,
            retries={"mode": "standard", "max_attempts": 2},
            max_pool_connections=32,
            proxies={} if is_loopback(url) else None,  # no proxy of the shell's leads to this machine
            # Optional checksums are unknown to older gateways and would also be bound into presigned URLs.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this very machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Store:
    """Objects of one store.

    Every method raises :class:`~cosmoformer.errors.StoreUnavailable` when the store does not answer, denies access or
    has no such bucket.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.client = connect(settings)

    def reach(self, bucket: str) -> None:
        """Nothing, when the store answers, accepts the keys, and lets them list a bucket."""
        try:
            with self._errors(""):
                self.client.list_objects_v2(Bucket=bucket, MaxKeys=1)
        except StoreUnavailable as error:
            raise StoreUnavailable(f"bucket {bucket!r}: {error.detail}", error.mend) from error.__cause__

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
        """What the store says of an image.

        Raises:
            ObjectGone: there is no such object.
        """
        with self._errors(key):
            answer = self.client.head_object(Bucket=self.settings.images_bucket, Key=key)
            return _info(key, answer, answer["ContentLength"])

    def read_json(self, bucket: str, key: str) -> tuple[Any, str] | None:
        """A JSON object and its eTag, or None when there is none; content that is no JSON is read as null."""
        try:
            with self._errors(key):
                answer = self.client.get_object(Bucket=bucket, Key=key)
                with answer["Body"] as body:
                    content, etag = body.read(), answer["ETag"].strip('"')
        except ObjectGone:
            return None
        try:
            return json.loads(content), etag
        except ValueError:
            return None, etag

    def write_json(
        self, bucket: str, key: str, document: Any, *, replacing: str | None, indent: int | None = 1
    ) -> bool:
        """Write a JSON object only if the one it replaces is still there.

        Args:
            bucket: bucket to write to.
            key: object key.
            document: what to write.
            replacing: eTag of the object that is replaced, or None when there must be no object yet.
            indent: spaces a level, for people; None writes large documents ten times faster.

        Returns:
            Whether it was written; False when another writer came first.
        """
        body = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=indent).encode()
        if not replacing:
            return self._write_json_if(bucket, key, body, IfNoneMatch="*")
        # Ceph 16 compares a PUT's If-Match with the bare eTag, so that the quotes which RFC 9110 demands never match.
        quoted = f'"{replacing}"'
        return any(self._write_json_if(bucket, key, body, IfMatch=etag) for etag in (quoted, replacing))

    def _write_json_if(self, bucket: str, key: str, body: bytes, **condition: str) -> bool:
        try:
            with self._errors(key):
                self.client.put_object(
                    Bucket=bucket,
                    Key=key,
                    Body=body,
                    ContentType="application/json",
                    CacheControl="no-cache",
                    **condition,
                )
        except (_Precondition, ObjectGone):  # the latter for If-Match on an object that was deleted meanwhile
            return False
        except StoreUnavailable as error:
            # Ceph 16 now and then answers the loser of a race with 500 UnknownError.
            if _code(error.__cause__) == "UnknownError":
                return False
            raise
        return True

    def write(self, bucket: str, key: str, body: bytes, content_type: str) -> None:
        """Write an object, whatever stood there."""
        with self._errors(key):
            self.client.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)

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
            if _code(error.__cause__) == "BadDigest":
                return False
            raise
        return True

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object if it is there."""
        with self._errors(key):
            self.client.delete_object(Bucket=bucket, Key=key)

    def list(self, bucket: str, prefix: str = "", after: str = "") -> Iterator[ObjectInfo]:
        """Every object whose key starts with a prefix and comes after another key, in key order (that of UTF-8 bytes)."""
        place = {"Bucket": bucket, "Prefix": prefix, "StartAfter": after}
        with self._errors(prefix):
            for page in self.client.get_paginator("list_objects_v2").paginate(**place):
                for entry in page.get("Contents", []):
                    yield _info(entry["Key"], entry, entry["Size"])

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except CosmoFormerError:
            raise
        except ClientError as error:
            code = _code(error)
            if code in _GONE:
                raise ObjectGone(f"there is no object {key!r} (any more)") from None
            if code in _PRECONDITION:
                raise _Precondition(key) from None
            raise StoreUnavailable(
                f"{self.settings.s3_endpoint_url} answered {code}: {error}", _MENDS.get(code, "")
            ) from error
        except ResponseParserError as error:
            raise StoreUnavailable(
                f"{self.settings.s3_endpoint_url} answers, but not as an S3 store: {str(error)[:200]}",
                "Is S3_ENDPOINT_URL right?",
            ) from error
        except (BotoCoreError, OSError) as error:
            raise StoreUnavailable(
                f"{self.settings.s3_endpoint_url} does not answer: {error}",
                "Is S3_ENDPOINT_URL right and the store running?",
            ) from error


def _code(error: BaseException | None) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


class _Precondition(CosmoFormerError):
    """Another writer changed the object first."""


_MENDS = {
    "NoSuchBucket": "Make the buckets: IMAGES_BUCKET and RESULTS_BUCKET name them",
    "InvalidAccessKeyId": "Check AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "Check AWS_SECRET_ACCESS_KEY",
    "RequestTimeTooSkewed": "Set the clocks: the store's and the one here differ by more than S3 allows",
    "AccessDenied": "Let this access key list, read and write both buckets",
}


def _info(key: str, answer: dict[str, Any], size: int) -> ObjectInfo:
    return ObjectInfo(key, answer["ETag"].strip('"'), size, answer["LastModified"])
