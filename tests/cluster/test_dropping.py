"""Images on their way in, at a real object gateway and a real ingest function."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from cosmoformer.events import cloudevents, notifications
from cosmoformer.settings import Settings, load
from cosmoformer.storage.store import Store, connect
from functions.ingest.app import create_app
from tests.cluster import dropping, options
from tests.cluster.cluster import Cluster
from tests.cluster.conftest import GIVEN
from tests.cluster.dropping import Drops, ceph_notification
from tests.cluster.gateway import Gateway, PortForward
from tests.cluster.options import Options
from tests.conftest import ObjectStore
from tests.contracts import contract, read_http
from tests.cosmoformer.cli.conftest import served
from tests.cosmoformer.local.subscriber import Subscriber, wait_until
from tests.functions.ingest.conftest import put_result
from tests.knative.api_server import ApiServer


@pytest.fixture
def settings(object_store: ObjectStore, bucket: Callable[[], str]) -> Settings:
    """The store, with buckets of its own."""
    return object_store.settings(images_bucket=bucket(), results_bucket=bucket(), models_bucket="models-not-made")


@pytest.fixture
def broker() -> Iterator[Subscriber]:
    """Takes every event."""
    with Subscriber() as subscriber:
        yield subscriber


@pytest.fixture
def gateway(given: Options, api: ApiServer, settings: Settings, broker: Subscriber) -> Iterator[Gateway]:
    """A real ingest at an address of its own, under the host that the cluster has for it."""
    ingest = create_app(load({}, **(vars(settings) | {"k_sink": broker.url})))
    with served(ingest) as url:
        status = {"status": {"url": f"http://ingest.{given.name}.example.com"}}
        body = {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "metadata": {"name": "ingest"},
            "spec": {"template": {}},
        }
        path = f"/apis/serving.knative.dev/v1/namespaces/{given.name}/services/ingest"
        api.write(path, body | status, new=True)
        told = options.Options(**(vars(given) | {"ingress_address": url}))
        yield Gateway(told, Cluster(told).kubectl, partial(PortForward, ["false"]))


def test_upload_as_the_page_does(gateway: Gateway, settings: Settings, broker: Subscriber) -> None:
    """An image goes into the bucket by a presigned address, ingest announces it, and its result is read by another."""
    drops = Drops(settings, partial(gateway.request, "ingest"), announce=True)
    dropped = drops.upload("m51.jpg", b"an image")
    assert Store(settings).read_image(dropped.key)[1] == b"an image"
    wait_until(lambda: broker.received)
    event = cloudevents.parse(broker.received[0].headers, broker.received[0].body)
    assert (event.type, event.subject) == ("com.amazonaws.s3.ObjectCreated:Put", dropped.key)
    assert dropped.result() is None
    put_result(Store(settings), dropped.key, "e")
    assert (dropped.result() or {})["status"] == "classified"


def test_a_silent_image_is_announced_to_nobody(gateway: Gateway, settings: Settings, broker: Subscriber) -> None:
    """What the sweep is to find is in the bucket, and no event tells of it."""
    drops = Drops(settings, partial(gateway.request, "ingest"), announce=True)
    drops.put_silently("a.jpg", b"an image")
    drops.tell("b.jpg")
    wait_until(lambda: broker.received)
    assert [cloudevents.parse(r.headers, r.body).subject for r in broker.received] == ["b.jpg"]
    assert [entry.key for entry in Store(settings).list(settings.images_bucket)] == ["a.jpg"]


def test_gateway_asks_for_the_service_by_host(given: Options, api: ApiServer, broker: Subscriber) -> None:
    """Port-forwarded, it is the cluster's own name; at an address, the name that Knative gave the Service."""
    with pytest.raises(AssertionError, match="set INGRESS_ADDRESS or INGRESS_SERVICE"):
        Gateway(given, Cluster(given).kubectl, partial(PortForward, ["false"]))
    place = "/api/v1/namespaces/knative-serving-ingress/services/kourier-internal"
    api.write(
        place, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kourier-internal"}, "spec": {}}, new=True
    )
    asked: list[tuple[str, str, int]] = []

    def forward(*target: object) -> PortForward:
        asked.append(target)  # type: ignore[arg-type]
        return PortForward(["sh", "-c", f"echo 'Forwarding from 127.0.0.1:{broker.port} -> 80'; sleep 20"], "", "", 80)

    answer = Gateway(given, Cluster(given).kubectl, forward).request("ingest", "POST", "/", b"{}")
    assert answer.status == 202
    assert asked == [("knative-serving-ingress", "kourier-internal", 80)]
    assert broker.received[0].headers["host"] == f"ingest.{given.name}.svc.cluster.local"


def test_notification_is_one_that_ceph_sends() -> None:
    """Ingest reads it as Ceph's, and it has no member that a captured one lacks."""
    (created,) = notifications.read(ceph_notification("galaxies", "a b+ü.jpg"))
    assert (created.bucket, created.key, created.store) == ("galaxies", "a b+ü.jpg", "ceph:s3")
    _, body = read_http(contract("ceph-notifications/pacific16/ceph-plain-01.http"))
    captured, ours = json.loads(body)["Records"][0], ceph_notification("b", "k")["Records"][0]
    assert set(ours) <= set(captured)
    assert set(ours["s3"]) == set(captured["s3"])
    assert set(ours["s3"]["object"]) <= set(captured["s3"]["object"])


def test_buckets_come_and_go(object_store: ObjectStore) -> None:
    """Three buckets are made and removed with what is in them; removing them again is no error."""
    known = options.read(
        GIVEN
        | {"S3_ENDPOINT_URL": "http://inside.example.com", "S3_PUBLIC_ENDPOINT_URL": object_store.endpoint_url}
        | {"AWS_ACCESS_KEY_ID": object_store.access_key, "AWS_SECRET_ACCESS_KEY": object_store.secret_key}
    ).settings()
    dropping.make_buckets(known)
    Store(known).write(known.results_bucket, "results/a.json", b"{}", "application/json")
    names = {bucket["Name"] for bucket in connect(known).list_buckets()["Buckets"]}
    ours = {known.images_bucket, known.results_bucket, known.models_bucket}
    assert ours <= names
    dropping.remove_buckets(known)
    dropping.remove_buckets(known)
    assert not ours & {bucket["Name"] for bucket in connect(known).list_buckets()["Buckets"]}


def test_store_takes_the_notification(settings: Settings) -> None:
    """The bucket announces new objects to the address that the store was told."""
    dropping.notify(settings, "cluster-test", "http://ingest.trial.svc.cluster.local")
    answer = connect(settings).get_bucket_notification_configuration(Bucket=settings.images_bucket)
    (rule,) = answer["TopicConfigurations"]
    assert rule["Id"] == "cluster-test" and rule["Events"] == ["s3:ObjectCreated:*"]
