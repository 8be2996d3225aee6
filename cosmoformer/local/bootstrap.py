"""What a fresh store and a fresh registry's database need before the first image: buckets, notifications, samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import urllib3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from cosmoformer.addresses import is_loopback
from cosmoformer.errors import StoreUnavailable
from cosmoformer.local.parts import DATABASE
from cosmoformer.models.bundled import BUNDLED
from cosmoformer.settings import Settings
from cosmoformer.storage.cors import bucket_cors
from cosmoformer.storage.credentials import credentials
from cosmoformer.storage.policies import bucket_policy
from cosmoformer.storage.store import Store, connect

TOPIC = "cosmoformer"
_UNFINISHED = "database-unfinished"
_SAMPLES = "samples"


def make_buckets(store: Store) -> None:
    """Make the buckets that are missing, let the page's origins read and write them, and hold the page's keys to uploads."""
    settings = store.settings
    try:
        for bucket in (settings.images_bucket, settings.results_bucket, settings.models_bucket):
            _make_bucket(store.client, bucket, settings.aws_region)
        for bucket in (settings.images_bucket, settings.results_bucket):
            store.client.put_bucket_cors(Bucket=bucket, CORSConfiguration=bucket_cors(settings.page_origins))
        for bucket in (settings.images_bucket, settings.results_bucket, settings.models_bucket):
            if policy := bucket_policy(settings, bucket):
                store.client.put_bucket_policy(Bucket=bucket, Policy=policy)
    except (ClientError, BotoCoreError) as error:
        raise StoreUnavailable(
            f"the buckets cannot be made at {settings.s3_endpoint_url}: {error}",
            "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or make the buckets with another account",
        ) from error


def _make_bucket(client: Any, bucket: str, region: str) -> None:
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        client.create_bucket(Bucket=bucket, **place)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise
        client.head_bucket(Bucket=bucket)  # raises when it is somebody else's


def announce_new_objects(settings: Settings) -> str | None:
    """Let the images bucket notify ingest of every new object.

    Ceph delivers a non-persistent notification once, inside the upload; ingest answers in milliseconds. A persistent one would
    come late and twice on Ceph 16. What is lost when ingest is away is found by the sweep.

    A store on another machine is left alone: the functions listen on loopback, which would be the store's own there.

    Returns:
        None, or why this store's notifications must be set up by hand.
    """
    if not is_loopback(settings.s3_endpoint_url):
        return f"the store at {settings.s3_endpoint_url} cannot reach the ingest function on this machine"
    try:
        topic = connect(settings, service="sns").create_topic(
            Name=TOPIC, Attributes={"push-endpoint": settings.ingest_url, "persistent": "false"}
        )["TopicArn"]
        rule = {"Id": TOPIC, "TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}
        connect(settings).put_bucket_notification_configuration(
            Bucket=settings.images_bucket, NotificationConfiguration={"TopicConfigurations": [rule]}
        )
    except (ClientError, BotoCoreError) as error:
        return str(error)
    except (ResponseParserError, KeyError) as error:  # a store without topics may answer with a web page
        return f"its answer is not that of a notification service: {str(error)[:200]}"
    return None


def silence_new_objects(settings: Settings) -> None:
    """Take our notification off the images bucket again, for a system that only sweeps.

    Raises:
        StoreUnavailable: the store does not answer, or refuses.
    """
    # Asked first: a server that ignores the unknown sub-resource would take the request for the deletion of the bucket.
    if _announces(settings):
        remove_notification(settings, TOPIC)


def remove_notification(settings: Settings, rule: str) -> None:
    """Delete one notification rule of the images bucket: Ceph's own extension, as it refuses an empty configuration.

    Raises:
        StoreUnavailable: the store does not answer, or refuses.
    """
    url = f"{settings.s3_endpoint_url.rstrip('/')}/{settings.images_bucket}?notification={rule}"
    request = AWSRequest(method="DELETE", url=url)
    S3SigV4Auth(credentials(settings).get_frozen_credentials(), "s3", settings.aws_region).add_auth(request)
    try:
        status = urllib3.request(
            "DELETE", url, headers=dict(request.headers), timeout=settings.store_timeout_seconds, retries=False
        ).status
    except urllib3.exceptions.HTTPError as error:
        raise StoreUnavailable(f"{settings.s3_endpoint_url} does not answer: {error}") from error
    if status >= 300:
        raise StoreUnavailable(
            f"{settings.s3_endpoint_url} answered {status} to the removal of the notification {rule!r}",
            f"Take it off the bucket {settings.images_bucket} by hand",
        )


def _announces(settings: Settings) -> bool:
    """Whether the images bucket has our notification; a store that knows no notifications has none."""
    try:
        known = connect(settings).get_bucket_notification_configuration(Bucket=settings.images_bucket)
    except (ClientError, ResponseParserError):
        return False
    except BotoCoreError as error:
        raise StoreUnavailable(f"{settings.s3_endpoint_url} does not answer: {error}") from error
    return any(rule.get("Id") == TOPIC for rule in known.get("TopicConfigurations", []))


def prepare_database(folder: Path) -> None:
    """Discard MLflow's database when the start that was to make it never got ready.

    MLflow makes its tables in steps and cannot go on with a half-made database. One that nobody ever reached holds nothing.

    Args:
        folder: MLflow's; made if it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / _UNFINISHED
    if unfinished.exists():
        for path in folder.glob(f"{DATABASE}*"):  # its journal too
            path.unlink()
    if not (folder / DATABASE).exists():
        unfinished.touch()


def keep_database(folder: Path) -> None:
    """Note that MLflow has answered: from now on its database is never discarded."""
    (folder / _UNFINISHED).unlink(missing_ok=True)


def drop_samples(store: Store, marker: Path, report: Callable[[str], None]) -> int:
    """Drop the sample galaxies, the first time only.

    Returns:
        How many were dropped.
    """
    if marker.exists():
        return 0
    samples = sorted((BUNDLED / _SAMPLES).iterdir(), key=lambda sample: sample.name)
    report(f"dropping {len(samples)} sample galaxies")
    for sample in samples:
        key = f"{store.settings.images_prefix}samples/{sample.name}"
        store.write(store.settings.images_bucket, key, sample.read_bytes(), "image/jpeg")
    marker.touch()
    return len(samples)
