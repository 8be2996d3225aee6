"""What a store and a registry are given, and what is left alone there."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cosmoformer.errors import StoreUnavailable
from cosmoformer.local.bootstrap import (
    announce_new_objects,
    keep_database,
    make_buckets,
    prepare_database,
    silence_new_objects,
)
from cosmoformer.local.identity import load_or_make
from cosmoformer.local.parts import local_settings, subusers
from cosmoformer.local.process import free_port
from cosmoformer.models.bundled import register_bundled_model
from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from cosmoformer.settings import Settings, load
from cosmoformer.storage.store import Store, connect
from tests.conftest import ObjectStore
from tests.mlflow_server import MlflowServer


class _WebServer(BaseHTTPRequestHandler):
    """Knows no S3: it has a page, in HTML, for whatever it is asked."""

    requests: list[str]
    status = 404

    def _answer(self) -> None:
        self.requests.append(f"{self.command} {self.path}")
        self.send_response(self.status)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html><body><p>what?<br></body></html>")

    do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 (names that http.server asks for)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(params=[404, 200])
def web_server(request: pytest.FixtureRequest) -> Iterator[tuple[Settings, list[str]]]:
    """Settings whose store is a web server, and the requests that it gets."""
    requests: list[str] = []
    handler = type("Handler", (_WebServer,), {"requests": requests, "status": request.param})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    yield load({}, s3_endpoint_url=url, aws_access_key_id="a", aws_secret_access_key="b"), requests
    server.shutdown()
    server.server_close()


@pytest.fixture
def settings(object_store: ObjectStore, bucket: Callable[[], str]) -> Settings:
    """A real store with an empty images bucket."""
    return object_store.settings(images_bucket=bucket())


@pytest.fixture
def registry(mlflow_server: MlflowServer) -> Registry:
    """A real registry, with the name of a model that is not registered yet."""
    return Registry(load({}, mlflow_tracking_uri=mlflow_server.url, model_name=f"test-{uuid.uuid4().hex[:12]}"))


def test_a_store_that_answers_no_xml_is_a_reason_not_a_crash(web_server: tuple[Settings, list[str]]) -> None:
    """Where the topic service answers with a web page, the reason comes back as text."""
    reason = announce_new_objects(web_server[0])
    assert reason
    assert web_server[1]


@pytest.mark.parametrize("host", ["203.0.113.7", "[2001:db8::1]", "127.0.0.1.invalid"])
def test_a_store_elsewhere_is_not_told_of_our_loopback(host: str) -> None:
    """A topic with an address on this machine would be useless there, and could replace one that is in use."""
    settings = load({}, s3_endpoint_url=f"http://{host}:9000", store_timeout_seconds=1.0)
    reason = announce_new_objects(settings)
    assert reason == f"the store at http://{host}:9000 cannot reach the ingest function on this machine"


def test_silence_takes_our_notification_off_and_keeps_the_bucket(settings: Settings) -> None:
    """After it, the store lists the bucket without a notification; a second time changes nothing."""
    assert announce_new_objects(settings) is None
    assert _notifications(settings)
    silence_new_objects(settings)
    assert not _notifications(settings)
    silence_new_objects(settings)
    connect(settings).head_bucket(Bucket=settings.images_bucket)


def test_silence_deletes_nothing_where_nothing_of_ours_is(web_server: tuple[Settings, list[str]]) -> None:
    """A server that does not list our notification never gets a DELETE, which it could take for the bucket's."""
    silence_new_objects(web_server[0])
    assert web_server[1]
    assert not [request for request in web_server[1] if request.startswith("DELETE")]


def test_silence_on_a_store_that_is_away_says_so() -> None:
    """Nobody listens: an error of the store."""
    with pytest.raises(StoreUnavailable, match="does not answer"):
        keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
        silence_new_objects(load({}, s3_endpoint_url=f"http://127.0.0.1:{free_port()}", **keys))


def test_the_bundled_model_goes_into_an_empty_registry_only(registry: Registry) -> None:
    """It is registered once; an interrupted start is gone on with, unless the registry's owner has other versions."""
    alias = registry.settings.model_alias
    first = register_bundled_model(registry, print)
    assert first is not None
    assert register_bundled_model(registry, print) is None
    _remove_alias(registry, alias)
    again = register_bundled_model(registry, print)  # as after an interruption between version and alias
    assert again is not None
    assert (again.version, registry.aliases()) == (first.version, {alias: first.version})
    register(registry, b"another model", tags={"task": "clean5"})
    _remove_alias(registry, alias)
    assert register_bundled_model(registry, print) is None
    assert registry.aliases() == {}


def test_a_database_that_was_never_ready_is_made_anew(tmp_path: Path) -> None:
    """What a start that was killed half-way made is discarded; what was in use once, or is older than the mark, is kept."""
    folder = tmp_path / "mlflow"
    prepare_database(folder)
    for name in ("mlflow.db", "mlflow.db-journal"):
        (folder / name).write_text("half a database")
    prepare_database(folder)
    assert not list(folder.glob("mlflow.db*"))
    (folder / "mlflow.db").write_text("a database")
    keep_database(folder)
    prepare_database(folder)
    assert (folder / "mlflow.db").read_text() == "a database"


def _remove_alias(registry: Registry, alias: str) -> None:
    registry._request(
        "DELETE",
        f"{registry._base}/api/2.0/mlflow/registered-models/alias",
        json={"name": registry.settings.model_name, "alias": alias},
    )


def _notifications(settings: Settings) -> list[object]:
    answer = connect(settings).get_bucket_notification_configuration(Bucket=settings.images_bucket)
    return list(answer.get("TopicConfigurations", []))


def test_own_store_signs_for_strangers_with_keys_of_their_own(tmp_path: Path) -> None:
    """With the store of `up`, upload and view addresses have subusers' keys; with another store, what its user sets."""
    identity = load_or_make(tmp_path / "identity.json")
    own = local_settings({}, tmp_path, identity, own_store=True)
    upload, view = subusers(identity)
    assert (upload.access, view.access) == ("write", "read")
    assert (own.upload_access_key_id, own.upload_secret_access_key) == (upload.access_key, upload.secret_key)
    assert (own.view_access_key_id, own.view_secret_access_key) == (view.access_key, view.secret_key)
    assert (own.upload_principal, view.principal) == (upload.principal, own.view_principal)
    given = {"UPLOAD_ACCESS_KEY_ID": "theirs", "UPLOAD_SECRET_ACCESS_KEY": "secret"}
    other = local_settings(given, tmp_path, identity, own_store=False)
    assert (other.upload_access_key_id, other.view_access_key_id, other.upload_principal) == ("theirs", "", "")


def test_new_buckets_hold_strangers_to_uploads(object_store: ObjectStore) -> None:
    """The buckets that a start makes have policies: strangers' keys put and get below uploads/ and nowhere else."""
    names = {f"{kind}_bucket": f"test-{kind}-{uuid.uuid4().hex[:12]}" for kind in ("images", "results", "models")}
    settings = object_store.settings(**names, upload_principal="arn:aws:iam:::user/a:up", view_principal="")
    store = Store(settings)
    make_buckets(store)
    make_buckets(store)
    allowed = {}
    for kind, name in names.items():
        policy = json.loads(store.client.get_bucket_policy(Bucket=name)["Policy"])
        allowed[kind] = [rule["Resource"] for rule in policy["Statement"] if rule["Effect"] == "Allow"]
    uploads = [[f"arn:aws:s3:::{names['images_bucket']}/uploads/*"]]
    assert allowed == {"images_bucket": uploads, "results_bucket": [], "models_bucket": []}
