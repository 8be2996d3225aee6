"""MLflow behind a login, a private certificate and a proxy, reached as its own client reaches it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cosmoformer import connections
from cosmoformer.cli import main
from cosmoformer.errors import PermanentError, RegistryUnavailable, SettingsError
from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from cosmoformer.settings import load
from tests.mlflow_server import MlflowServer, running_mlflow
from tests.relays import Relay, forward_proxy, make_certificate, tls_relay

USER, PASSWORD = "admin", "a long: password@"
QUOTED = "a%20long%3A%20password%40"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What this machine says of proxies, certificates and logins has no say here."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", *connections._BUNDLES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """MLflow with its own login app."""
    folder = tmp_path_factory.mktemp("secured")
    (folder / "auth.ini").write_text(
        "[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///auth.db\nadmin_username = admin\n"
        f"admin_password = {PASSWORD}\nauthorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    with running_mlflow(
        folder,
        options=("--app-name", "basic-auth"),
        MLFLOW_AUTH_CONFIG_PATH=str(folder / "auth.ini"),
        MLFLOW_FLASK_SERVER_SECRET_KEY="of a test",
    ) as server:
        yield server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def encrypted(mlflow_server: MlflowServer, certificate: Path) -> Iterator[Relay]:
    """The session's MLflow behind TLS."""
    with tls_relay(certificate, int(mlflow_server.url.rpartition(":")[2])) as relay:
        yield relay


def registry_at(url: str, **settings: Any) -> Registry:
    return Registry(load({}, mlflow_tracking_uri=url, model_name="of-connections", **settings))


def test_a_login_is_asked_for_by_name(secured: MlflowServer) -> None:
    """Without one, or with a wrong one, the settings that are missing are named; nothing secret is printed."""
    with pytest.raises(
        RegistryUnavailable, match=r"answered 401.*MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    ):
        registry_at(secured.url).versions()
    wrong = secured.url.replace("//", f"//{USER}:wrong@")
    with pytest.raises(RegistryUnavailable, match="answered 401") as caught:
        registry_at(wrong).versions()
    assert "wrong" not in str(caught.value).replace("is wrong", "")


@pytest.mark.parametrize("way", ["settings", "address", "file"])
def test_user_and_password(secured: MlflowServer, way: str, tmp_path: Path) -> None:
    """From settings, from the address, or from the file that MLflow's own client reads."""
    if way == "settings":
        registry = registry_at(secured.url, mlflow_tracking_username=USER, mlflow_tracking_password=PASSWORD)
    elif way == "address":
        registry = registry_at(secured.url.replace("//", f"//{USER}:{QUOTED}@"))
        assert registry.url == secured.url
    else:
        (tmp_path / ".mlflow").mkdir()
        (tmp_path / ".mlflow" / "credentials").write_text(
            f"[mlflow]\nmlflow_tracking_username = {USER}\nmlflow_tracking_password = {PASSWORD}\n"
        )
        registry = registry_at(secured.url)
    version = register(registry, f"a model {way}".encode(), tags={})
    assert registry.download(version) == f"a model {way}".encode()


def test_a_password_in_the_address_is_shown_nowhere(secured: MlflowServer) -> None:
    """Not by status, settings or doctor, as text or as JSON."""
    environment = {
        "MLFLOW_TRACKING_URI": secured.url.replace("//", f"//{USER}:{QUOTED}@"),
        "S3_ENDPOINT_URL": "http://127.0.0.1:9",
    }
    for command in (["status"], ["status", "--json"], ["settings"], ["doctor"]):
        printed = CliRunner().invoke(main, command, env=environment).output
        assert "password%40" not in printed and PASSWORD not in printed, command


def test_a_token_is_sent_where_there_is_no_user(mlflow_server: MlflowServer) -> None:
    """As a bearer's; a user and password win over it, and those in the address over both, as MLflow's client has it."""
    settings = load({}, mlflow_tracking_uri=mlflow_server.url, mlflow_tracking_token="t")
    assert connections.mlflow(settings).headers == {"Authorization": "Bearer t"}
    settings.mlflow_tracking_username, settings.mlflow_tracking_password = "u", "p"
    assert connections.mlflow(settings).headers == {"Authorization": "Basic dTpw"}
    settings.mlflow_tracking_uri = "http://a:b@127.0.0.1:1"
    assert connections.mlflow(settings).headers == {"Authorization": "Basic YTpi"}


@pytest.mark.parametrize("way", ["MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_private_authority(encrypted: Relay, certificate: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that is signed by one is accepted where it is named, and refused with the mend where it is not."""
    url = f"https://127.0.0.1:{encrypted.port}"
    with pytest.raises(RegistryUnavailable, match=r"does not answer.*MLFLOW_TRACKING_SERVER_CERT_PATH"):
        registry_at(url).versions()
    if way == "MLFLOW_TRACKING_SERVER_CERT_PATH":
        registry = registry_at(url, mlflow_tracking_server_cert_path=str(certificate))
    else:
        monkeypatch.setenv(way, str(certificate))
        registry = registry_at(url)
    assert registry.versions() == registry_at(url, mlflow_tracking_insecure_tls=True).versions()


def test_contradictions_and_unreadable_certificates_are_named(certificate: Path, tmp_path: Path) -> None:
    """Before anything is sent, by the setting's name."""
    url = "https://127.0.0.1:9"
    with pytest.raises(SettingsError, match="are both set"):
        registry_at(
            url, mlflow_tracking_insecure_tls=True, mlflow_tracking_server_cert_path=str(certificate)
        ).versions()
    with pytest.raises(SettingsError, match="MLFLOW_TRACKING_SERVER_CERT_PATH: '/nowhere'"):
        registry_at(url, mlflow_tracking_server_cert_path="/nowhere").versions()
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate")
    with pytest.raises(SettingsError, match="MLFLOW_TRACKING_CLIENT_CERT_PATH"):
        registry_at(url, mlflow_tracking_client_cert_path=str(empty)).versions()
    with pytest.raises(SettingsError, match="K_CA_CERTS"):
        connections.broker(load({}, k_sink="https://broker", k_ca_certs="no certificate"))


def test_the_brokers_authority_is_knatives(encrypted: Relay, certificate: Path) -> None:
    """What SinkBinding puts into K_CA_CERTS is trusted, as text."""
    text = certificate.read_text()
    settings = load(
        {}, k_sink=f"https://127.0.0.1:{encrypted.port}/health", k_ca_certs=text[text.index("-----BEGIN CERT") :]
    )
    assert connections.broker(settings, retries=False).request("GET", settings.k_sink).status == 200


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_is_used_and_left_out(
    scheme: str,
    mlflow_server: MlflowServer,
    encrypted: Relay,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Requests go through the environment's proxy, unless NO_PROXY names the server; a proxy that is away is told from MLflow."""
    monkeypatch.setattr(connections, "_LOOPBACK", ())  # all servers of a test are on this machine, which needs no proxy
    port = mlflow_server.url.rpartition(":")[2] if scheme == "http" else encrypted.port
    url, options = f"{scheme}://127.0.0.1:{port}", {"mlflow_tracking_server_cert_path": str(certificate)}
    with forward_proxy() as proxy:
        monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{proxy.port}")
        registry_at(url, **options).versions()
        assert len(proxy.asked) == 1 and proxy.asked[0].startswith("CONNECT" if scheme == "https" else "GET http://")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        registry_at(url, **options).versions()
        assert len(proxy.asked) == 1
    monkeypatch.delenv("no_proxy")
    with pytest.raises(RegistryUnavailable, match=r"HTTP_PROXY or HTTPS_PROXY"):
        registry_at(url, **options).versions()


def test_this_machine_needs_no_proxy(mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy set for the internet does not come between the parts of one machine."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    registry_at(mlflow_server.url).versions()


def test_a_bare_model_is_refused_with_the_way_to_make_it_one(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    """What mlflow.pytorch.log_model registers has no digest: the two commands that make it servable are named."""
    program = (
        "import mlflow, torch, sys; mlflow.set_tracking_uri(sys.argv[1])\n"
        "with mlflow.start_run():\n"
        "    mlflow.pytorch.log_model(torch.nn.Linear(2, 2), name='m', registered_model_name='bare',"
        " serialization_format='pickle')\n"
    )
    subprocess.run([sys.executable, "-c", program, mlflow_server.url], check=True, cwd=tmp_path)
    settings = load({}, mlflow_tracking_uri=mlflow_server.url, model_name="bare")
    registry = Registry(settings)
    (version,) = registry.versions()
    registry.set_alias("champion", 1)
    result = CliRunner().invoke(
        main, ["promote", "1"], env={"MLFLOW_TRACKING_URI": mlflow_server.url, "MODEL_NAME": "bare"}
    )
    assert result.exit_code == 1
    assert "training.export" in result.output and "cosmoformer register" in result.output
    assert version.source.startswith("models:/m-")
    assert registry._stored_at(version.source).startswith(
        "mlflow-artifacts:/"
    )  # resolved, so that only the digest is missing


def test_sources_of_runs_and_of_foreign_stores(mlflow_server: MlflowServer, new_name: Callable[[], str]) -> None:
    """``runs:/`` is resolved; a source that MLflow does not serve is refused for its own reason."""
    registry = registry_at(mlflow_server.url)
    version = register(registry, b"a model", tags={})
    path = version.source.partition("/artifacts/")[2]
    assert registry.download(version) == b"a model"
    by_run = version.__class__(version.name, 9, version.run_id, f"runs:/{version.run_id}/{path}", version.sha256)
    assert registry.download(by_run) == b"a model"
    foreign = version.__class__(version.name, 9, "", "s3://theirs/model", version.sha256)
    with pytest.raises(PermanentError, match="only who has that bucket's keys can read it"):
        registry.download(foreign)


@pytest.fixture
def new_name() -> Callable[[], str]:
    from uuid import uuid4

    return lambda: f"test-{uuid4().hex[:8]}"


def test_a_deleted_experiment_has_a_mend(mlflow_server: MlflowServer, new_name: Callable[[], str]) -> None:
    """Its name is taken and it takes no runs: the command that brings it back is named."""
    registry = Registry(load({}, mlflow_tracking_uri=mlflow_server.url, model_name=new_name()))
    made = registry.post("experiments/create", name=registry.settings.model_name)
    registry.post("experiments/delete", experiment_id=made["experiment_id"])
    with pytest.raises(PermanentError, match=rf"mlflow experiments restore --experiment-id {made['experiment_id']}"):
        register(registry, b"a model", tags={})
