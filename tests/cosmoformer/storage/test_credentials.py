"""Keys as people of AWS have them, against a real store that checks session tokens."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from cosmoformer.errors import SettingsError
from cosmoformer.settings import Settings
from cosmoformer.storage.presigned import Presigner
from cosmoformer.storage.store import Store, connect
from tests.temporary_keys import HOST, StsStore, TemporaryKeys, key_server

START_URL = "https://sso.test/start"
ROLE = "arn:aws:iam::123456789012:role/galaxies"
ACCELERATED = "\ns3 =\n  use_accelerate_endpoint = true\n  addressing_style = virtual\n"
BROKEN = "[profile work\nnonsense"
Variables = dict[str, str]


@pytest.fixture
def keys_at(sts_store: StsStore) -> Iterator[str]:
    """Address of a server that hands out the store's temporary keys."""
    with key_server(sts_store.keys) as url:
        yield url


def _home(folder: Path, name: str, text: str) -> None:
    file = folder / ".aws" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def _run(store: StsStore, home: Path, variables: Variables) -> subprocess.CompletedProcess[str]:
    """`cosmoformer results` in a shell that has nothing of ours but the store's address, and no role of this machine."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "S3_"))}
    own = {
        "HOME": str(home),
        "DATA_DIR": str(home / "data"),
        "S3_ENDPOINT_URL": store.settings.s3_endpoint_url,
        "RESULTS_BUCKET": store.settings.results_bucket,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    command = [sys.executable, "-m", "cosmoformer", "results"]
    return subprocess.run(command, env=clean | own | variables, capture_output=True, text=True, timeout=120)


def _profile(keys: TemporaryKeys) -> str:
    lines = {
        "aws_access_key_id": keys.access_key,
        "aws_secret_access_key": keys.secret_key,
        "aws_session_token": keys.token,
    }
    return "".join(f"{name} = {value}\n" for name, value in lines.items())


def _static(store: StsStore, home: Path, url: str) -> Variables:
    keys = store.keys
    return {
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_SESSION_TOKEN": keys.token,
    }


def _named_profile(store: StsStore, home: Path, url: str) -> Variables:
    _home(home, "credentials", f"[work]\n{_profile(store.keys)}")
    return {"AWS_PROFILE": "work"}


def _default_profile(store: StsStore, home: Path, url: str) -> Variables:
    _home(home, "credentials", f"[default]\n{_profile(store.keys)}")
    return {"AWS_PROFILE": ""}


def _process(store: StsStore, home: Path, url: str) -> Variables:
    keys = {
        "Version": 1,
        "AccessKeyId": store.keys.access_key,
        "SecretAccessKey": store.keys.secret_key,
        "SessionToken": store.keys.token,
    }
    (home / "keys.json").write_text(json.dumps(keys))
    _home(home, "config", f"[profile work]\ncredential_process = cat {home}/keys.json\n")
    return {"AWS_PROFILE": "work"}


def _single_sign_on(store: StsStore, home: Path, url: str, expires: str = "2099-01-01T00:00:00Z") -> Variables:
    _home(
        home,
        "config",
        f"[profile work]\nsso_start_url = {START_URL}\nsso_region = us-east-1\nsso_account_id = 123456789012\n"
        "sso_role_name = galaxies\n",
    )
    token = {"startUrl": START_URL, "region": "us-east-1", "accessToken": "logged in", "expiresAt": expires}
    _home(home, f"sso/cache/{hashlib.sha1(START_URL.encode()).hexdigest()}.json", json.dumps(token))
    return {"AWS_PROFILE": "work", "AWS_ENDPOINT_URL_SSO": url}


def _web_identity(store: StsStore, home: Path, url: str, token: str = "a pod's token") -> Variables:
    (home / "token").write_text(token)
    return {
        "AWS_ROLE_ARN": ROLE,
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(home / "token"),
        "AWS_ENDPOINT_URL_STS": url,
    }


def _container(store: StsStore, home: Path, url: str) -> Variables:
    return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/container"}


def _instance(store: StsStore, home: Path, url: str) -> Variables:
    return {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": url}


GIVERS = [_static, _named_profile, _default_profile, _process, _single_sign_on, _web_identity, _container, _instance]


@pytest.mark.parametrize("giver", GIVERS)
def test_keys_from_wherever_aws_looks_open_the_store(
    sts_store: StsStore, keys_at: str, tmp_path: Path, giver: Callable[..., Variables]
) -> None:
    """Temporary keys of variables, profiles, processes, SSO, web identities, containers and instances open the store."""
    done = _run(sts_store, tmp_path, giver(sts_store, tmp_path, keys_at))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("config", "variables"),
    [
        ("", {"AWS_PROFILE": "nobody"}),
        (BROKEN, {}),
        (f"[default]{ACCELERATED}", {}),
        ("", {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"}),
        ("", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "nonsense"}),
    ],
)
def test_own_keys_are_all_that_counts(sts_store: StsStore, tmp_path: Path, config: str, variables: Variables) -> None:
    """With keys in the settings, a shell's profile, a broken file and wishes for Amazon's special addresses change nothing."""
    _home(tmp_path, "config", config)
    done = _run(sts_store, tmp_path, _static(sts_store, tmp_path, "") | variables)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_profiles_wish_for_special_addresses_does_not_count(sts_store: StsStore, tmp_path: Path) -> None:
    """A profile made for Amazon's accelerated addresses gives keys, and the store's own address stays."""
    _home(tmp_path, "config", f"[profile work]\n{_profile(sts_store.keys)}{ACCELERATED}")
    done = _run(sts_store, tmp_path, {"AWS_PROFILE": "work"})
    assert (done.returncode, done.stderr) == (0, "")


def _expired_sign_on(store: StsStore, home: Path, url: str) -> Variables:
    return _single_sign_on(store, home, url, expires="2020-01-01T00:00:00Z")


def _refused_role(store: StsStore, home: Path, url: str) -> Variables:
    return _web_identity(store, home, url, token="refused")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (lambda *_: {}, "AWS_SECRET_ACCESS_KEY"),
        (lambda *_: {"AWS_ACCESS_KEY_ID": "half"}, "AWS_SECRET_ACCESS_KEY"),
        (lambda *_: {"AWS_SECRET_ACCESS_KEY": "half"}, "AWS_ACCESS_KEY_ID"),
        (lambda *_: {"AWS_PROFILE": "nobody"}, "AWS_PROFILE"),
        (lambda _, home, __: _home(home, "config", BROKEN) or {"AWS_PROFILE": "work"}, "AWS_CONFIG_FILE"),
        (lambda _, home, __: _home(home, "config", BROKEN) or {}, "AWS_CONFIG_FILE"),
        (_expired_sign_on, "aws sso login"),
        (_refused_role, "AWS_ROLE_ARN"),
        (lambda *given: _web_identity(*given) | {"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"}, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        (lambda *given: _static(*given) | {"AWS_SESSION_TOKEN": ""}, "AWS_SESSION_TOKEN"),
        (lambda *given: _static(*given) | {"S3_ENDPOINT_URL": "s3.example.org"}, "S3_ENDPOINT_URL"),
        (lambda *given: _static(*given) | {"S3_ENDPOINT_URL": "127.0.0.1:7480"}, "S3_ENDPOINT_URL"),
        (lambda *given: _static(*given) | {"AWS_REGION": "no region!"}, "AWS_REGION"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_keys_is_one_line(
    sts_store: StsStore, keys_at: str, tmp_path: Path, given: Callable[..., Variables], named: str
) -> None:
    """Whatever is wrong with keys, profiles, files, roles or the address ends in one line that names the setting."""
    done = _run(sts_store, tmp_path, given(sts_store, tmp_path, keys_at))
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ") and named in line and " / " in line


def _temporary(store: StsStore, **overrides: Any) -> Settings:
    keys = {
        "aws_access_key_id": store.keys.access_key,
        "aws_secret_access_key": store.keys.secret_key,
        "aws_session_token": store.keys.token,
    }
    return Settings(**(vars(store.settings) | keys | overrides))


def test_presigned_addresses_carry_the_token(sts_store: StsStore) -> None:
    """Upload and result addresses of temporary keys are taken by the store, which checks their token."""
    presigner = Presigner(_temporary(sts_store))
    put = presigner.put("temporary.jpg", "image/jpeg", 5)
    assert "X-Amz-Security-Token=" in put.url
    assert urllib3.request("PUT", put.url, body=b"hello", headers=put.headers).status == 200
    assert urllib3.request("GET", presigner.get_image("temporary.jpg")).data == b"hello"
    tokenless = Presigner(_temporary(sts_store, aws_session_token=""))
    assert urllib3.request("GET", tokenless.get_image("temporary.jpg")).status == 403


def test_a_token_is_not_shown(sts_store: StsStore) -> None:
    """A session token is a secret as the key is."""
    settings = _temporary(sts_store)
    assert sts_store.keys.token not in repr(settings) + repr(connect(settings))


def test_buckets_may_be_part_of_the_hosts_name(sts_store: StsStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """With virtual addressing the bucket stands in the host's name, of requests and of presigned addresses alike."""
    resolve = socket.getaddrinfo
    asked: set[str] = set()

    def resolve_test(host: Any, *rest: Any, **options: Any) -> Any:
        asked.add(str(host))
        return resolve("127.0.0.1" if str(host).endswith(HOST) else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_test)
    port = sts_store.node.layout.port
    url = f"http://{HOST}:{port}"
    settings = _temporary(sts_store, s3_endpoint_url=url, s3_addressing_style="virtual")
    store = Store(settings)
    store.write("images", "virtual.jpg", b"hello", "image/jpeg")
    assert store.read_image("virtual.jpg")[1] == b"hello"
    assert asked == {f"images.{HOST}"}
    get = Presigner(settings).get_image("virtual.jpg")
    assert get.startswith(f"http://images.{HOST}:{port}/virtual.jpg?")
    assert urllib3.request("GET", get).data == b"hello"


def test_keys_that_come_later_are_found(sts_store: StsStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store whose profile is not there yet says so at each use, and works once it is."""
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    lasting = {"aws_access_key_id": "", "aws_secret_access_key": "", "aws_profile": "later"}
    store = Store(Settings(**(vars(sts_store.settings) | lasting)))
    with pytest.raises(SettingsError, match=r"AWS_PROFILE: .*later"):
        store.reach("images")
    (tmp_path / "credentials").write_text(f"[later]\n{_profile(sts_store.keys)}")
    store.reach("images")
