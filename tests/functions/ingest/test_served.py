"""The ingest function as it is deployed, with a store that notifies it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from cosmoformer.local.process import free_port
from cosmoformer.settings import SETTINGS, Settings
from cosmoformer.storage.store import Store, connect
from tests.cosmoformer.local.subscriber import Subscriber
from tests.functions.ingest.conftest import events_at

ROOT = Path(__file__).resolve().parents[3]
START_S = 30.0


@pytest.fixture
def served(settings: Settings, tmp_path: Path) -> Iterator[str]:
    """Address of an ingest function in a process of its own."""
    port = free_port()
    texts = {setting.name: getattr(settings, setting.name.lower()) for setting in SETTINGS if setting.kind == "text"}
    environment = os.environ | texts | {"HOST": "127.0.0.1", "PORT": str(port)}
    argv = [sys.executable, "-m", "functions.ingest"]
    with (tmp_path / "ingest.log").open("wb") as log:
        process = subprocess.Popen(argv, cwd=ROOT, env=environment, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(process, url)
        yield url
        process.send_signal(signal.SIGTERM)
        # The store and this test still hold idle connections, which must not hold up the end.
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        lines = (tmp_path / "ingest.log").read_text().splitlines()
    assert all(json.loads(line)["level"] != "error" for line in lines if line.startswith("{")), lines


def _wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if urllib3.request("GET", f"{url}/health/readiness", retries=False).status == 200:
                return
        except urllib3.exceptions.HTTPError:
            time.sleep(0.02)
    pytest.fail(f"ingest did not get ready within {START_S} s")


def test_store_notifies_and_broker_hears(served: str, settings: Settings, store: Store, broker: Subscriber) -> None:
    """A PUT into the bucket is announced at the broker before the store answers it; a dropped object is not."""
    sns = connect(settings, service="sns")
    topic = sns.create_topic(Name=settings.images_bucket, Attributes={"push-endpoint": served})["TopicArn"]
    created = {"Id": "created", "TopicArn": topic, "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
    store.client.put_bucket_notification_configuration(
        Bucket=settings.images_bucket, NotificationConfiguration={"TopicConfigurations": [created]}
    )
    try:
        store.write(settings.images_bucket, "gal axy+50%_ü.jpg", b"x", "image/jpeg")
        assert [event.subject for event in events_at(broker)] == ["gal axy+50%_ü.jpg"]
        store.delete(settings.images_bucket, "gal axy+50%_ü.jpg")
        store.write(settings.images_bucket, "folder/", b"", "image/jpeg")
        assert len(broker.received) == 1
    finally:
        sns.delete_topic(TopicArn=topic)


def test_chunked_body_is_read(served: str, broker: Subscriber, settings: Settings) -> None:
    """A notification without Content-Length is read to its end."""
    record = {
        "eventSource": "noobaa:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": settings.images_bucket}, "object": {"key": "a"}},
    }
    body = json.dumps({"Records": [record]}).encode()
    answer = urllib3.request("POST", served, body=(part for part in (body[:20], body[20:])), retries=False)
    assert (answer.status, answer.data) == (202, b"")
    assert [event.subject for event in events_at(broker)] == ["a"]


def test_names_of_other_machines_are_refused(served: str) -> None:
    """A page elsewhere whose name leads to this machine reads no dead letters; uploads may come through a proxy's name."""
    for path, status in {"/dead-letters": 403, "/metrics": 403, "/uploads": 400}.items():
        method = "POST" if path == "/uploads" else "GET"
        answer = urllib3.request(method, served + path, headers={"Host": "galaxies.example.org"}, body=b"{}")
        assert (path, answer.status) == (path, status)
    assert urllib3.request("GET", f"{served}/dead-letters").status == 200
