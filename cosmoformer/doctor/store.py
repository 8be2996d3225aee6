"""Checks of the object store: its buckets, and what they announce."""

from __future__ import annotations

import json
import secrets
from itertools import islice
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from cosmoformer import health
from cosmoformer.doctor import clock
from cosmoformer.doctor.check import RESERVED, Doubt, System
from cosmoformer.doctor.http import ask
from cosmoformer.errors import StoreUnavailable
from cosmoformer.storage.credentials import credentials, has_own_keys
from cosmoformer.storage.store import connect

_NO_ETAG = "0" * 32
_MOST = 10_000  # that are counted
# Answers of a store that knows the key and checked its signature.
_UNCONDITIONAL = (
    "Of two results for one image at the same moment the one written last stays, which may be an older model's:"
    " choose a store that knows If-Match, or `cosmoformer sweep --again stale` after each promotion"
)
_ACCEPTED = ("NoSuchBucket", "AccessDenied")
_REFUSALS = (ClientError, BotoCoreError, ResponseParserError)


def check_answers(system: System) -> str:
    """The store answers, and accepts the keys."""
    settings = system.settings
    try:
        system.store.reach(settings.images_bucket)
    except StoreUnavailable as error:
        cause = error.__cause__
        if not isinstance(cause, ClientError) or cause.response["Error"]["Code"] not in _ACCEPTED:
            raise
    used = credentials(settings)
    origin = "" if has_own_keys(settings) else f" ({used.method})"
    return (
        f"{settings.s3_endpoint_url} answers, and accepts the key {used.get_frozen_credentials().access_key!r}{origin}"
    )


def check_clock(system: System) -> str:
    """The store's clock is right."""
    return clock.compare(ask("GET", system.settings.s3_endpoint_url).headers.get("date", ""), "the store")


def check_images(system: System) -> str:
    """The images bucket can be listed and written."""
    return _check_bucket(system, system.settings.images_bucket, system.settings.images_prefix)


def check_results(system: System) -> str:
    """The results bucket can be listed and written, under conditions too."""
    settings = system.settings
    said = _check_bucket(system, settings.results_bucket, settings.results_prefix)
    if settings.results_bucket == settings.images_bucket:  # where even a write that fails might be announced
        return said
    key = settings.results_prefix + RESERVED + secrets.token_hex(8)
    if system.store.write_json(settings.results_bucket, key, {}, replacing=_NO_ETAG):
        system.store.delete(settings.results_bucket, key)
        raise Doubt(f"{said}, but the store ignores conditions on writes", _UNCONDITIONAL)
    if not system.store.knows_conditions:
        raise Doubt(f"{said}, but the store knows no conditions on writes", _UNCONDITIONAL)
    return said


def _check_bucket(system: System, bucket: str, prefix: str) -> str:
    key = prefix + RESERVED + secrets.token_hex(8)
    system.store.reach(bucket)
    if system.store.try_write(bucket, key):
        system.store.delete(bucket, key)
    return f"{bucket!r} can be listed and written"


def check_notifications(system: System) -> str:
    """The images bucket announces new objects, and to whom."""
    bucket = system.settings.images_bucket
    silent = "Set one up with INGEST_URL as its endpoint; until then only sweeps find new images"
    try:
        answer = system.store.client.get_bucket_notification_configuration(Bucket=bucket)
    except _REFUSALS as error:
        raise Doubt(f"the store does not tell: {error}", silent) from error
    rules = [rule for name, listed in answer.items() if name.endswith("Configurations") for rule in listed]
    created = [rule for rule in rules if any(event.startswith("s3:ObjectCreated") for event in rule["Events"])]
    if not created:
        if "EventBridgeConfiguration" in answer:
            return f"{bucket!r} announces to EventBridge"
        raise Doubt(f"{bucket!r} does not announce new objects", silent)
    return f"{bucket!r} announces to " + ", ".join(_destination(system, rule) for rule in created)


def _destination(system: System, rule: dict[str, Any]) -> str:
    """Where a rule sends its messages: the topic's endpoint where the store tells it, as Ceph does, else its name."""
    arn = next(str(value) for name, value in rule.items() if name.endswith("Arn"))
    try:
        attributes = connect(system.settings, service="sns").get_topic_attributes(TopicArn=arn)["Attributes"]
        return str(json.loads(attributes["EndPoint"])["EndpointAddress"])
    except (*_REFUSALS, KeyError, ValueError):
        return arn


def check_dead_letters(system: System) -> str:
    """No event was given up."""
    settings = system.settings
    letters = system.store.list(settings.results_bucket, settings.dead_letters_prefix)
    count = sum(1 for _ in islice(letters, _MOST))
    if aside := len(health.set_aside(settings)):
        raise Doubt(
            f"{count:,} events were given up, and {aside:,} more that the store could never take",
            "`cosmoformer replay --list` says why; `cosmoformer replay --forget` deletes one of the latter",
        )
    if count:
        much = f"{_MOST:,} or more" if count == _MOST else f"{count:,}"
        raise Doubt(
            f"{much} events were given up",
            "`cosmoformer replay --list` says why; mend that, then `cosmoformer replay --all`",
        )
    return "none"
