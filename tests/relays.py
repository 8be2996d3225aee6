"""Servers to stand between a client and a real server: one that speaks TLS with a certificate of a test's own, and a proxy."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Relay:
    """A relay that runs.

    Attributes:
        port: where it listens on 127.0.0.1.
        asked: first lines of the requests that came to it.
    """

    port: int
    asked: list[str] = field(default_factory=list)


def make_certificate(folder: Path) -> Path:
    """A file with key and certificate for 127.0.0.1, signed by itself, so that it is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


@contextmanager
def tls_relay(certificate: Path, target_port: int) -> Iterator[Relay]:
    """A server on loopback that speaks TLS, and hands everything on to a port that does not."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with _listening(
        lambda client, relay: _relayed(context.wrap_socket(client, server_side=True), target_port)
    ) as relay:
        yield relay


@contextmanager
def forward_proxy() -> Iterator[Relay]:
    """A plain HTTP proxy on loopback that notes what it is asked for; everything it reaches is on this machine."""
    with _listening(_proxied) as relay:
        yield relay


@contextmanager
def _listening(serve: object) -> Iterator[Relay]:
    listener = socket.create_server(("127.0.0.1", 0))
    relay = Relay(listener.getsockname()[1])

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=_quietly, args=(serve, client, relay), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield relay
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # or the thread would go on accepting
        listener.close()


def _quietly(serve: object, client: socket.socket, relay: Relay) -> None:
    with suppress(OSError), client:
        serve(client, relay)  # type: ignore[operator]


def _proxied(client: socket.socket, relay: Relay) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        if not (piece := client.recv(4096)):
            return
        head += piece
    line = head.split(b"\r\n", 1)[0].decode()
    relay.asked.append(line)
    method, target, _ = line.split(" ")
    if method == "CONNECT":
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        _relayed(client, int(target.rpartition(":")[2]))
        return
    with socket.create_connection(("127.0.0.1", urlsplit(target).port or 80)) as server:
        server.sendall(head)
        _exchange(client, server)


def _relayed(client: socket.socket, target_port: int) -> None:
    with client, socket.create_connection(("127.0.0.1", target_port)) as server:
        _exchange(client, server)


def _exchange(client: socket.socket, server: socket.socket) -> None:
    back = threading.Thread(target=_copy, args=(server, client), daemon=True)
    back.start()
    _copy(client, server)
    back.join(30)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
