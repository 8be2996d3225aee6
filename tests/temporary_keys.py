"""A Ceph node that gives temporary keys, and a server in the place of Amazon's that hands them out as those do.

The node is real: its gateway checks the session token of every request, also of a presigned one. What Ceph has no counterpart for
(metadata of instances and containers, SSO, web identities) is answered by a small server with keys of that node.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from botocore.session import Session

from cosmoformer.local.ceph.node import CephLayout, CephNode
from cosmoformer.local.process import free_port
from cosmoformer.settings import Settings, load

#: Host name under which the node takes buckets as part of the name.
HOST = "s3.test"
# Read by the gateway at its start. SSE-C over plain HTTP is for tests only.
_OPTIONS = f"""
rgw s3 auth use sts = true
rgw sts key = abcdefghijklmnop
rgw dns name = {HOST}
rgw crypt require ssl = false
"""
_ANYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@dataclass(frozen=True)
class TemporaryKeys:
    """Keys that are good for an hour, and only with their token."""

    access_key: str
    secret_key: str
    token: str


@dataclass(frozen=True)
class StsStore:
    """A running node; ``settings`` are those of its lasting keys."""

    node: CephNode
    settings: Settings
    keys: TemporaryKeys


@contextmanager
def running_sts_store(folder: Path) -> Iterator[StsStore]:
    """A Ceph node in memory whose user may ask for temporary keys, with buckets `images` and `results`."""
    layout = CephLayout(folder, free_port(), "lasting-access", "lasting-secret", "memstore")
    node = CephNode(layout)
    node.start()
    try:
        with (folder / "ceph.conf").open("a") as file:
            file.write(_OPTIONS)
        node.start_gateway()
        node._run(["radosgw-admin", "caps", "add", "--uid", "cosmoformer", "--caps", "user-policy=*"])
        settings = load(
            {},
            s3_endpoint_url=layout.endpoint_url,
            aws_access_key_id=layout.access_key,
            aws_secret_access_key=layout.secret_key,
            images_bucket="images",
            results_bucket="results",
        )
        store = _client(settings, "s3")
        for bucket in (settings.images_bucket, settings.results_bucket):
            store.create_bucket(Bucket=bucket)
        _client(settings, "iam").put_user_policy(
            UserName="cosmoformer", PolicyName="all", PolicyDocument=json.dumps(_ANYTHING)
        )
        given = _client(settings, "sts").get_session_token(DurationSeconds=3600)["Credentials"]
        keys = TemporaryKeys(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
        yield StsStore(node, settings, keys)
    finally:
        node.stop()


def _client(settings: Settings, service: str) -> Any:
    return Session().create_client(
        service,
        endpoint_url=settings.s3_endpoint_url,
        aws_access_key_id=settings.aws_access_key_id,
        aws_secret_access_key=settings.aws_secret_access_key,
        region_name="us-east-1",
    )


@contextmanager
def key_server(keys: TemporaryKeys) -> Iterator[str]:
    """Address of a server that answers as Amazon's instance metadata, containers' agent, STS and SSO do."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_KeyHandler,), {"keys": keys}))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _KeyHandler(BaseHTTPRequestHandler):
    keys: TemporaryKeys

    def do_PUT(self) -> None:
        """The session of an instance's metadata (IMDSv2)."""
        self._send("a token of the metadata's own")

    def do_GET(self) -> None:
        """Keys of a container or an instance, or by SSO."""
        expires = datetime.now(UTC) + timedelta(hours=1)
        role = {
            "Code": "Success",
            "AccessKeyId": self.keys.access_key,
            "SecretAccessKey": self.keys.secret_key,
            "Token": self.keys.token,
            "Expiration": f"{expires:%Y-%m-%dT%H:%M:%SZ}",
        }
        single_sign_on = {
            "accessKeyId": self.keys.access_key,
            "secretAccessKey": self.keys.secret_key,
            "sessionToken": self.keys.token,
            "expiration": int(expires.timestamp() * 1000),
        }
        if self.path.endswith("/security-credentials/"):
            self._send("role")
        elif self.path.startswith("/federation/credentials"):
            self._send(json.dumps({"roleCredentials": single_sign_on}))
        else:
            self._send(json.dumps(role))

    def do_POST(self) -> None:
        """A web identity's role (STS); the token `refused` is."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if "WebIdentityToken=refused" in body:
            self._send(
                "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>", 403
            )
            return
        self._send(
            '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            "<AssumeRoleWithWebIdentityResult><Credentials>"
            f"<AccessKeyId>{self.keys.access_key}</AccessKeyId><SecretAccessKey>{self.keys.secret_key}</SecretAccessKey>"
            f"<SessionToken>{self.keys.token}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
            "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        )

    def _send(self, text: str, status: int = 200) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if text.startswith("{") else "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
