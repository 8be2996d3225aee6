"""Images on their way in: buckets of their own, presigned uploads, and the notification where the store cannot send it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import urllib3

from cosmoformer.settings import Settings
from cosmoformer.storage.results import Result, ResultsBucket
from cosmoformer.storage.store import Store, connect

#: Method, path, body, headers -> answer of ingest.
Ask = Callable[..., urllib3.BaseHTTPResponse]
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Dropped:
    """An image that was uploaded.

    Attributes:
        key: its object key.
        result_url: where its result will stand, presigned.
    """

    key: str
    result_url: str

    def result(self) -> Result | None:
        """The result, by its presigned address; None while there is none."""
        answer = urllib3.request("GET", self.result_url, timeout=30)
        assert answer.status in (200, 404), f"the result's address answered {answer.status}: {answer.data[:300]!r}"
        found: Result | None = answer.json() if answer.status == 200 else None
        return found


class Drops:
    """Drops images.

    Args:
        settings: the store as this machine reaches it, and its buckets.
        ask: asks ingest.
        announce: whether ingest has to be told of each image, because the store does not.
    """

    def __init__(self, settings: Settings, ask: Ask, *, announce: bool) -> None:
        self.settings, self.store = settings, Store(settings)
        self.results = ResultsBucket(self.store)
        self._ask, self._announce = ask, announce

    def upload(self, name: str, content: bytes) -> Dropped:
        """Upload an image as the page does: ask ingest for an address, put the file there."""
        request = {"files": [{"name": name, "type": "image/jpeg", "size": len(content)}]}
        answer = self._ask("POST", "/uploads", json.dumps(request).encode(), _JSON)
        assert answer.status == 200, f"/uploads answered {answer.status}: {answer.data[:300]!r}"
        (upload,) = answer.json()["uploads"]
        put = upload["put"]
        stored = urllib3.request(put["method"], put["url"], body=content, headers=put["headers"], timeout=60)
        assert stored.status == 200, f"the upload's address answered {stored.status}: {stored.data[:300]!r}"
        if self._announce:
            self.tell(upload["key"])
        return Dropped(upload["key"], upload["result"]["url"])

    def put_silently(self, key: str, content: bytes) -> None:
        """Put an image into the bucket, of which nobody tells ingest."""
        self.store.write(self.settings.images_bucket, key, content, "image/jpeg")

    def tell(self, key: str) -> None:
        """Tell ingest of a new object, as Ceph would."""
        notification = ceph_notification(self.settings.images_bucket, key)
        answer = self._ask("POST", "/", json.dumps(notification).encode(), _JSON)
        assert answer.status == 202, f"a notification was answered {answer.status}: {answer.data[:300]!r}"


def ceph_notification(bucket: str, key: str) -> dict[str, Any]:
    """What Ceph's gateway sends of a new object, as far as anybody reads it."""
    now = datetime.now(UTC)
    record = {
        "eventVersion": "2.2",
        "eventSource": "ceph:s3",
        "awsRegion": "",
        "eventTime": now.isoformat().replace("+00:00", "Z"),
        "eventName": "ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "test",
            "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
            "object": {"key": key, "size": 0, "eTag": "", "versionId": "", "sequencer": f"{now.timestamp():.6f}"},
        },
        "eventId": f"{now.timestamp():.6f}.{key}",
    }
    return {"Records": [record]}


def make_buckets(settings: Settings) -> None:
    """Make the three buckets."""
    client = connect(settings)
    place = {"CreateBucketConfiguration": {"LocationConstraint": settings.aws_region}}
    for bucket in _buckets(settings):
        client.create_bucket(Bucket=bucket, **({} if settings.aws_region == "us-east-1" else place))


def remove_buckets(settings: Settings) -> None:
    """Delete the three buckets with all that is in them; one that is not there is no error."""
    client, store = connect(settings), Store(settings)
    known = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
    for bucket in known.intersection(_buckets(settings)):
        for entry in store.list(bucket):
            store.delete(bucket, entry.key)
        client.delete_bucket(Bucket=bucket)


def _buckets(settings: Settings) -> tuple[str, ...]:
    return settings.images_bucket, settings.results_bucket, settings.models_bucket


def notify(settings: Settings, topic: str, url: str) -> None:
    """Let the store tell ingest of every new image: a topic and a notification, as Ceph and AWS take them.

    Args:
        settings: the store and its images bucket.
        topic: name of the topic.
        url: where the store reaches ingest.
    """
    attributes = {"push-endpoint": url, "persistent": "true", "cloudevents": "true"}
    arn = connect(settings, service="sns").create_topic(Name=topic, Attributes=attributes)["TopicArn"]
    rule = {"Id": topic, "TopicArn": arn, "Events": ["s3:ObjectCreated:*"]}
    connect(settings).put_bucket_notification_configuration(
        Bucket=settings.images_bucket, NotificationConfiguration={"TopicConfigurations": [rule]}
    )
