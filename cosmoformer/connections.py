"""Connections to other people's servers: certificates, logins and proxies, in one place for functions, commands and the doctor.

MLflow is reached as its own client reaches it (``mlflow.utils.rest_utils``): a user and password win over a token, those in the
address win over both, and certificates are looked for in ``MLFLOW_TRACKING_SERVER_CERT_PATH``, ``REQUESTS_CA_BUNDLE``,
``CURL_CA_BUNDLE``, ``SSL_CERT_FILE`` and the system's, in this order. Proxies are the environment's (``HTTP_PROXY``,
``HTTPS_PROXY``, ``NO_PROXY``), for every server but those on this machine.
"""

from __future__ import annotations

import base64
import configparser
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

from cosmoformer.errors import SettingsError
from cosmoformer.settings import Settings

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_CREDENTIALS = Path("~/.mlflow/credentials")  # where `mlflow login` keeps a user and password


@dataclass(frozen=True)
class Server:
    """How one server is reached.

    Attributes:
        base: its address, without a user and without a slash at the end; fit to be shown.
        http: connections to it.
        headers: what every request carries, a login for example.
    """

    base: str
    http: urllib3.PoolManager
    headers: dict[str, str]


def mlflow(settings: Settings, **options: Any) -> Server:
    """The MLflow server of the settings.

    Args:
        settings: its address, login and certificates.
        options: further ones of :class:`urllib3.PoolManager`, such as ``timeout``.

    Raises:
        SettingsError: a certificate cannot be read, or settings contradict each other.
    """
    base, user = split_user(str(settings.mlflow_tracking_uri))
    return Server(base.rstrip("/"), pool(base, _mlflow_tls(settings, base), **options), _login(settings, user))


def broker(settings: Settings, **options: Any) -> urllib3.PoolManager:
    """Connections to the broker, whose certificate may be signed by the authority in ``K_CA_CERTS``.

    Raises:
        SettingsError: that is no certificate.
    """
    return pool(settings.k_sink, broker_tls(settings), **options)


def broker_tls(settings: Settings) -> ssl.SSLContext | None:
    """Which certificates the broker may have; None is those that the system trusts.

    Raises:
        SettingsError: ``K_CA_CERTS`` is no certificate.
    """
    if settings.k_ca_certs and urlsplit(settings.k_sink).scheme == "https":
        return _context("K_CA_CERTS", cadata=settings.k_ca_certs)
    return None


def pool(url: str, tls: ssl.SSLContext | None = None, **options: Any) -> urllib3.PoolManager:
    """Connections to a server, through the environment's proxy if it is to be reached through one.

    Args:
        url: of the server.
        tls: which certificates are trusted; None is the system's.
        options: as for :class:`urllib3.PoolManager`.

    Raises:
        SettingsError: the proxy has no usable address.
    """
    if tls is not None:
        options["ssl_context"] = tls
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme) or getproxies().get("all")
    if not proxy or parts.hostname in _LOOPBACK or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return urllib3.PoolManager(**options)
    address, user = split_user(proxy if "://" in proxy else f"http://{proxy}")
    headers = urllib3.make_headers(proxy_basic_auth=user) if user else None
    try:
        return urllib3.ProxyManager(address, proxy_headers=headers, **options)
    except (ValueError, urllib3.exceptions.HTTPError) as error:
        raise SettingsError(
            f"the proxy {address!r} cannot be used: {error}", "Correct HTTP_PROXY or HTTPS_PROXY, or set NO_PROXY"
        ) from None


def split_user(url: str) -> tuple[str, str]:
    """An address without its user, and the user as ``name:password``; empty where there is none."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=host)), unquote(user) if at else ""


def _login(settings: Settings, user: str) -> dict[str, str]:
    kept = _kept_login()
    name = settings.mlflow_tracking_username or kept.get("mlflow_tracking_username", "")
    password = settings.mlflow_tracking_password or kept.get("mlflow_tracking_password", "")
    if not user and name and password:
        user = f"{name}:{password}"
    if user:
        return {"Authorization": f"Basic {base64.b64encode(user.encode()).decode()}"}
    if settings.mlflow_tracking_token:
        return {"Authorization": f"Bearer {settings.mlflow_tracking_token}"}
    return {}


def _kept_login() -> dict[str, str]:
    kept = configparser.ConfigParser()
    try:
        kept.read(_CREDENTIALS.expanduser(), encoding="utf-8")
    except (OSError, configparser.Error, UnicodeDecodeError, RuntimeError):  # no home, or not ours to mend
        return {}
    return dict(kept["mlflow"]) if "mlflow" in kept else {}


def _mlflow_tls(settings: Settings, base: str) -> ssl.SSLContext | None:
    if urlsplit(base).scheme != "https":
        return None
    own, client = settings.mlflow_tracking_server_cert_path, settings.mlflow_tracking_client_cert_path
    if settings.mlflow_tracking_insecure_tls:
        if own:
            raise SettingsError(
                "MLFLOW_TRACKING_INSECURE_TLS and MLFLOW_TRACKING_SERVER_CERT_PATH are both set",
                "Keep one: a certificate that is checked is the better",
            )
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    else:
        context = _trusting(own)
    if client:
        _load("MLFLOW_TRACKING_CLIENT_CERT_PATH", client, lambda: context.load_cert_chain(client))
    return context


def _trusting(own: str) -> ssl.SSLContext:
    named = {"MLFLOW_TRACKING_SERVER_CERT_PATH": own} | {name: os.environ.get(name, "") for name in _BUNDLES}
    for name, path in named.items():
        if path:
            place = {"capath": path} if Path(path).is_dir() else {"cafile": path}
            return _context(name, **place)
    return ssl.create_default_context()


def _context(setting: str, **trusted: str) -> ssl.SSLContext:
    made: list[ssl.SSLContext] = []
    _load(setting, next(iter(trusted.values())), lambda: made.append(ssl.create_default_context(**trusted)))  # type: ignore[arg-type]
    return made[0]


def _load(setting: str, path: str, load: Any) -> None:
    try:
        load()
    except (OSError, ssl.SSLError) as error:
        shown = repr(path) if len(path) < 300 and "\n" not in path else "its text"
        raise SettingsError(
            f"{setting}: {shown} cannot be read as certificates: {error.strerror or error}",
            "Expected a file in PEM format",
        ) from None
