"""The server of the upload page, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import urllib3

from cosmoformer.errors import SettingsError
from cosmoformer.local.page import PageServer, configuration, security_headers, web_folder
from cosmoformer.settings import load

API, STORE = "http://127.0.0.1:8081", "http://127.0.0.1:7480"


@pytest.fixture(scope="module")
def page_url() -> Iterator[str]:
    """Address of a running page server."""
    folder = web_folder()
    server = PageServer(0, folder, configuration(folder, f"{API}/", 1000), security_headers(API, f"{STORE}/path"))
    server.start("page")
    yield f"http://127.0.0.1:{server.port}"
    server.stop(1)


def get(url: str, method: str = "GET") -> urllib3.BaseHTTPResponse:
    return urllib3.request(method, url, retries=False, timeout=5)


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/index.html?x=1", "text/html; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/js/main.js", "text/javascript; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/shapes/spiral.webp", "image/webp"),
        ("/config.json", "application/json"),
    ],
)
def test_types(page_url: str, path: str, media_type: str) -> None:
    """Each file comes with the media type that browsers insist on, and is asked for anew each time."""
    answer = get(page_url + path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, media_type)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_policy(page_url: str) -> None:
    """The content security policy names the API and the store, by origin, and nobody else."""
    policy = dict(part.strip().split(" ", 1) for part in get(page_url).headers["Content-Security-Policy"].split(";"))
    assert policy["connect-src"] == f"'self' {API} {STORE}"
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy["trusted-types"] == "workers"
    assert policy["script-src"] == policy["style-src"] == policy["worker-src"] == "'self'"
    assert policy["img-src"] == "'self' blob:"


def test_a_store_of_many_hosts() -> None:
    """Where each bucket has a host name of its own, the page may talk to those of images and of results."""
    known = load({}, s3_public_endpoint_url="https://s3.example.org:9000", s3_addressing_style="virtual")
    policy = security_headers(API, *known.store_origins)["Content-Security-Policy"]
    hosts = "https://galaxy-images.s3.example.org:9000 https://galaxy-results.s3.example.org:9000"
    assert f"connect-src 'self' {API} {hosts};" in policy


def test_configuration(page_url: str) -> None:
    """The configuration names this machine's API and limit; what the machine does not know comes from the folder."""
    config = json.loads(get(f"{page_url}/config.json").data)
    assert config == {"api": API, "max_bytes": 1000}


@pytest.mark.parametrize(
    "path", ["/nothing", "/js/", "/js", "/../pyproject.toml", "/%2e%2e/pyproject.toml", "//etc/passwd"]
)
def test_unknown_path(page_url: str, path: str) -> None:
    """A path that is no file of the page, or leads out of it, is not found, with the policy all the same."""
    address = urllib3.util.parse_url(page_url)
    pool = urllib3.HTTPConnectionPool(str(address.host), address.port)
    answer = pool.urlopen("GET", path, retries=False, assert_same_host=False)
    assert answer.status == 404
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_methods(page_url: str) -> None:
    """HEAD tells the length without the file, and nothing can be written."""
    head, whole = get(page_url, "HEAD"), get(page_url)
    assert (head.data, head.headers["Content-Length"]) == (b"", str(len(whole.data)))
    assert get(page_url, "PUT").status == 405


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8081", "ftp://host", "http://a b", "http://x;script-src *", "http://u@h", ""]
)
def test_bad_url(url: str) -> None:
    """A URL that is none, or would add to the policy, is refused with an example of a right one."""
    with pytest.raises(SettingsError, match=r"http://127\.0\.0\.1:8081"):
        security_headers(API, url)
