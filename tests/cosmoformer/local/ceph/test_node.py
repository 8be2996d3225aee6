"""A real Ceph node: it survives kill -9, refuses what would fail later, and speaks the S3 that the rest relies on."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import urllib3
from botocore.exceptions import ClientError

from cosmoformer.errors import PermanentError
from cosmoformer.local.ceph import layout
from cosmoformer.local.ceph.node import CephLayout, CephNode, install_hint, missing_programs
from cosmoformer.local.process import free_port, port_is_free
from cosmoformer.settings import load
from cosmoformer.storage.store import connect
from tests.conftest import ObjectStore, require_ceph
from tests.sparse import copy_folder

_RUN_A_NODE = """
import sys, time
from pathlib import Path
from cosmoformer.local.ceph.node import CephLayout, CephNode
node = CephNode(CephLayout(Path(sys.argv[1]), int(sys.argv[2]), "access", "secret"))
node.start()
print(*(child.pid for child in node.processes()), flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> CephLayout:
    """A bluestore node with one object, whose starter and daemons were all killed with SIGKILL."""
    require_ceph()
    layout = CephLayout(tmp_path_factory.mktemp("crashed") / "with space", free_port(), "access", "secret")
    argv = [sys.executable, "-c", _RUN_A_NODE, str(layout.folder), str(layout.port)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        daemons = [int(pid) for pid in starter.stdout.readline().split()]
        client = client_of(layout)
        client.create_bucket(Bucket="kept")
        client.put_object(Bucket="kept", Key="galaxy", Body=b"NGC 1300")
        for pid in (starter.pid, *daemons):
            os.kill(pid, signal.SIGKILL)
    return layout


@pytest.fixture
def started() -> Iterator[Callable[[CephLayout], CephNode]]:
    """Starts nodes and stops them after the test."""
    nodes: list[CephNode] = []

    def start(layout: CephLayout) -> CephNode:
        nodes.append(CephNode(layout))
        nodes[-1].start()
        return nodes[-1]

    yield start
    for node in nodes:
        node.stop()


def client_of(layout: CephLayout) -> Any:
    keys = {"aws_access_key_id": layout.access_key, "aws_secret_access_key": layout.secret_key}
    return connect(load({}, s3_endpoint_url=layout.endpoint_url, **keys))


def status(call: Callable[..., Any], **arguments: Any) -> int:
    """HTTP status of an S3 call, whether boto3 takes it for an error or not."""
    try:
        answer = call(**arguments)
    except ClientError as error:
        answer = error.response
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


@pytest.mark.slow
def test_objects_survive_kill_9_of_everything(crashed: CephLayout, started: Callable[[CephLayout], CephNode]) -> None:
    """A bluestore node whose daemons were all killed starts again with the object it had acknowledged."""
    started(crashed)
    assert client_of(crashed).get_object(Bucket="kept", Key="galaxy")["Body"].read() == b"NGC 1300"


@pytest.mark.slow
def test_new_keys_replace_the_old_secret(crashed: CephLayout, started: Callable[[CephLayout], CephNode]) -> None:
    """A node that is started with another secret takes that one, and no longer the one it was made with."""
    changed = replace(crashed, secret_key="another secret", port=free_port())
    started(changed)
    assert status(client_of(changed).head_object, Bucket="kept", Key="galaxy") == 200
    assert status(client_of(replace(changed, secret_key="secret")).head_object, Bucket="kept", Key="galaxy") == 403


@pytest.mark.slow
def test_a_copied_node_runs_beside_its_original(
    crashed: CephLayout, started: Callable[[CephLayout], CephNode], tmp_path: Path
) -> None:
    """A copy of the folder, started while the original runs, has its objects; what either writes is not in the other."""
    copied = replace(crashed, folder=tmp_path / "copy", port=free_port())
    copy_folder(crashed.folder, copied.folder)
    started(crashed)
    started(copied)
    original, copy = client_of(crashed), client_of(copied)
    assert copy.get_object(Bucket="kept", Key="galaxy")["Body"].read() == b"NGC 1300"
    original.put_object(Bucket="kept", Key="of the original", Body=b"1")
    copy.put_object(Bucket="kept", Key="of the copy", Body=b"2")
    listed = [
        {entry["Key"] for entry in client.list_objects_v2(Bucket="kept")["Contents"]} for client in (original, copy)
    ]
    assert listed == [{"galaxy", "of the original"}, {"galaxy", "of the copy"}]
    original.delete_object(Bucket="kept", Key="of the original")


@pytest.mark.slow
def test_a_move_of_the_monitor_that_was_cut_off_is_done_again(
    crashed: CephLayout, started: Callable[[CephLayout], CephNode]
) -> None:
    """A start that was killed between the monitor's map and node.json leaves no node that cannot be started."""
    (crashed.folder / "monitor-moves").touch()
    made = json.loads((crashed.folder / "node.json").read_text())
    (crashed.folder / "node.json").write_text(json.dumps(made | {"mon_port": free_port()}))
    started(crashed)
    assert status(client_of(crashed).head_object, Bucket="kept", Key="galaxy") == 200
    assert not (crashed.folder / "monitor-moves").exists()


@pytest.mark.slow
def test_a_running_node_is_watched_and_stops_completely(tmp_path: Path) -> None:
    """A started node shows three living daemons; after stop none of them lives and both ports are free."""
    node = CephNode(CephLayout(tmp_path, free_port(), "access", "secret", "memstore"))
    node.start()
    daemons = node.processes()
    assert [daemon.poll() for daemon in daemons] == [None, None, None]
    daemons[-1].kill()
    daemons[-1].wait()
    assert [daemon.poll() for daemon in node.processes()] == [None, None, -signal.SIGKILL]
    node.stop()
    assert all(daemon.poll() is not None for daemon in daemons)
    assert port_is_free(node.layout.port)
    assert port_is_free(json.loads((tmp_path / "node.json").read_text())["mon_port"])


def test_the_gateway_comes_back_with_its_objects(object_store: ObjectStore, bucket: Callable[[], str]) -> None:
    """Stopping the gateway closes its port; starting it brings the objects back."""
    node = own_node(object_store)
    client, name = connect(object_store.settings()), bucket()
    client.put_object(Bucket=name, Key="galaxy", Body=b"M 51")
    node.stop_gateway()
    assert port_is_free(node.layout.port)
    node.start_gateway()
    assert client.get_object(Bucket=name, Key="galaxy")["Body"].read() == b"M 51"


def test_a_folder_in_use_is_refused(object_store: ObjectStore) -> None:
    """A second node on the folder of a running one is refused, and the running one goes on."""
    node = own_node(object_store)
    with pytest.raises(PermanentError, match="another process is running the store"):
        CephNode(replace(node.layout, port=free_port())).start()
    assert all(daemon.poll() is None for daemon in node.processes())


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    """A gateway port that somebody else listens on is refused by its number before anything is made."""
    require_ceph()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PermanentError, match=f"port {port} .* used by another program"):
            CephNode(CephLayout(tmp_path, port, "access", "secret")).start()
    assert not (tmp_path / "mon").exists()


def test_a_nearly_full_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk with less free space than the store needs is refused, saying how much is missing."""
    require_ceph()
    monkeypatch.setattr(layout, "_MIN_FREE_BYTES", 2**60)
    with pytest.raises(PermanentError, match=r"nearly full: .* GiB free, the store needs"):
        CephNode(CephLayout(tmp_path, free_port(), "access", "secret")).start()


@pytest.mark.parametrize("name", ['a"b', "a#b", "a;b", "a$b"])
def test_a_folder_that_ceph_cannot_name_is_refused(tmp_path: Path, name: str) -> None:
    """A folder with a character that breaks ceph.conf is refused instead of failing inside Ceph."""
    require_ceph()
    with pytest.raises(PermanentError, match="cannot name the folder"):
        CephNode(CephLayout(tmp_path / name, free_port(), "access", "secret")).start()


def test_a_node_of_another_kind_is_refused(object_store: ObjectStore, tmp_path: Path) -> None:
    """A folder that was made for bluestore is not overwritten by a memstore node."""
    made = json.loads((own_node(object_store).layout.folder / "node.json").read_text())
    (tmp_path / "node.json").write_text(json.dumps(made | {"objectstore": "bluestore"}))
    with pytest.raises(PermanentError, match="holds a bluestore node, not memstore"):
        CephNode(CephLayout(tmp_path, free_port(), "access", "secret", "memstore")).start()


def test_missing_programs_are_named_with_their_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Ceph on PATH the start is refused with the command that installs it and the setting that avoids it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert missing_programs() == ["ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph", "monmaptool"]
    assert "install --no-install-recommends radosgw ceph-common`" in install_hint(["radosgw", "radosgw-admin"])
    with pytest.raises(PermanentError, match=r"apt-get install .*S3_ENDPOINT_URL"):
        CephNode(CephLayout(tmp_path, free_port(), "access", "secret")).start()


def test_conditional_puts_are_honoured(object_store: ObjectStore, bucket: Callable[[], str]) -> None:
    """If-None-Match creates once, and If-Match, with an eTag without quotes, replaces only what was read."""
    client, name = connect(object_store.settings()), bucket()
    put = {"call": client.put_object, "Bucket": name, "Key": "result"}
    assert status(**put, Body=b"first", IfNoneMatch="*") == 200
    assert status(**put, Body=b"second", IfNoneMatch="*") == 412
    etag = client.head_object(Bucket=name, Key="result")["ETag"].strip('"')
    assert status(**put, Body=b"third", IfMatch=etag) == 200
    assert status(**put, Body=b"fourth", IfMatch=etag) == 412
    assert client.get_object(Bucket=name, Key="result")["Body"].read() == b"third"


@pytest.mark.parametrize(
    ("media_type", "body", "expected"),
    [("image/jpeg", b"12345", 200), ("image/png", b"12345", 403), ("image/jpeg", b"123456", 403)],
)
def test_a_presigned_put_is_bound_to_type_and_length(
    object_store: ObjectStore, bucket: Callable[[], str], media_type: str, body: bytes, expected: int
) -> None:
    """An upload with another media type or another length than was signed is refused."""
    signed = {"Bucket": bucket(), "Key": "galaxy.jpg", "ContentType": "image/jpeg", "ContentLength": 5}
    url = connect(object_store.settings()).generate_presigned_url("put_object", Params=signed)
    assert urllib3.request("PUT", url, body=body, headers={"Content-Type": media_type}).status == expected


def test_notifications_come_once_and_are_replaced_by_id(object_store: ObjectStore, bucket: Callable[[], str]) -> None:
    """A notification arrives before the PUT returns, and writing the same Id again does not make it arrive twice."""
    client, topics = connect(object_store.settings()), connect(object_store.settings(), service="sns")
    name, received = bucket(), []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}/"
        topic = topics.create_topic(Name=name, Attributes={"push-endpoint": endpoint})["TopicArn"]
        rule = {"Id": "images", "TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}
        for _ in range(2):
            client.put_bucket_notification_configuration(
                Bucket=name, NotificationConfiguration={"TopicConfigurations": [rule]}
            )
        client.put_object(Bucket=name, Key="a+b ü.jpg", Body=b"x")
        keys = [record["s3"]["object"]["key"] for message in received for record in message["Records"]]
        server.shutdown()
    assert keys == ["a+b ü.jpg"]


def own_node(store: ObjectStore) -> CephNode:
    if store.node is None:
        pytest.skip("the store under test is not ours to stop")
    return store.node


def test_buckets_are_not_counted(object_store: ObjectStore) -> None:
    """The node's user may have more than Ceph's 1,000 buckets: a long run of tests makes as many."""
    if object_store.node is None:
        pytest.skip("the store is another's, which has its own limits")
    configuration = object_store.node.layout.folder / "ceph.conf"
    command = ["radosgw-admin", "-c", str(configuration), "user", "info", "--uid", layout.USER]
    shown = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    assert json.loads(shown.stdout)["max_buckets"] == 0
