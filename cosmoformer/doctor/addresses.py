"""Checks of the addresses that are given to strangers: that they do what the page needs, and nothing else."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import urllib3

from cosmoformer.doctor.check import RESERVED, Doubt, System
from cosmoformer.doctor.http import ask
from cosmoformer.errors import PermanentError
from cosmoformer.storage.keys import UPLOADS
from cosmoformer.storage.presigned import Presigner, SignedPut, upload_keys

_TYPE = "application/octet-stream"
_PUBLIC = "public-read-write"
_EVERYBODY = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'


def check_presigned(system: System) -> str:
    """An image goes through a presigned PUT and a presigned GET at the public address, as it does for the page."""
    settings, presigner = system.settings, Presigner(system.settings)
    content = secrets.token_bytes(64)
    with _objects(system) as (upload, result):
        _expect(_put(presigner.put(upload, _TYPE, len(content)), content), "PUT")
        shown = (result, _explanation(system, upload))
        for key in shown:
            system.store.write(settings.results_bucket, key, content, _TYPE)
        for url in (presigner.get_image(upload), *map(presigner.get_result, shown)):
            answer = ask("GET", url)
            _expect(answer, "GET")
            if answer.data != content:
                raise PermanentError(
                    f"{settings.store_public_url} gave back other bytes than were put there",
                    "Does S3_PUBLIC_ENDPOINT_URL lead to the same store as S3_ENDPOINT_URL, past no cache?",
                )
    return f"64 bytes went through {settings.store_public_url} and back"


def _expect(answer: urllib3.BaseHTTPResponse, method: str) -> None:
    if answer.status != 200:
        raise PermanentError(
            f"a presigned {method} was answered {answer.status}: {answer.data[:300].decode(errors='replace')}",
            "S3_PUBLIC_ENDPOINT_URL must be the very host and port that reach the store, since both are signed; the keys of"
            " UPLOAD_ACCESS_KEY_ID and VIEW_ACCESS_KEY_ID must be allowed to put and get below uploads/ (docs/security.md)",
        )


def check_strangers(system: System) -> str:
    """An upload address neither reads another object nor makes one public, whatever header is sent along."""
    settings = system.settings
    if broken := [said for attack in (_copies, _publishes) if (said := attack(system))]:
        raise PermanentError(
            f"with an upload address, strangers can {' and '.join(broken)}",
            "Sign them with a key that can only put: UPLOAD_ACCESS_KEY_ID; docs/security.md says how to make one",
        )
    if upload_keys(settings) is None:
        raise Doubt(
            "this store refused what was tried, but upload addresses are signed with AWS_ACCESS_KEY_ID",
            "Set UPLOAD_ACCESS_KEY_ID to a key that can only put; docs/security.md says how to make one",
        )
    return f"addresses signed with {settings.upload_access_key_id!r} read nothing and make nothing public"


def _copies(system: System) -> str:
    """Words for it, when an upload can be made a copy of an object that the uploader may not read."""
    settings, presigner = system.settings, Presigner(system.settings)
    secret = secrets.token_hex(16).encode()
    with _objects(system) as (upload, result):
        system.store.write(settings.results_bucket, result, secret, _TYPE)
        source = {"x-amz-copy-source": f"/{settings.results_bucket}/{result}"}
        _put(presigner.put(upload, _TYPE, 1), b"x", source)
        return "read other objects (x-amz-copy-source)" if _content(system, upload) == secret else ""


def _publishes(system: System) -> str:
    """Words for it, when an upload can be made readable for everybody."""
    presigner = Presigner(system.settings)
    for headers in ({"x-amz-acl": _PUBLIC}, {"x-amz-grant-read": _EVERYBODY}):
        with _objects(system) as (upload, _):
            signed = presigner.put(upload, _TYPE, 1)
            _put(signed, b"x", headers)
            if ask("GET", signed.url.partition("?")[0]).status == 200:
                return f"make objects public ({', '.join(headers)})"
    return ""


@contextmanager
def _objects(system: System) -> Iterator[tuple[str, str]]:
    """Keys of an upload and of a result for a check; what comes to stand there is deleted afterwards."""
    settings = system.settings
    # A key that ends in a slash is no image: it is neither announced nor swept.
    upload = f"{settings.images_prefix}{UPLOADS}{RESERVED}{secrets.token_hex(8)}/"
    result = f"{settings.results_prefix}{upload}"
    try:
        yield upload, result
    finally:
        system.store.delete(settings.images_bucket, upload)
        for key in (result, _explanation(system, upload)):
            system.store.delete(settings.results_bucket, key)


def _explanation(system: System, upload: str) -> str:
    return f"{system.settings.explanations_prefix}{upload}"


def _content(system: System, upload: str) -> bytes | None:
    return ask("GET", Presigner(system.settings).get_image(upload)).data


def _put(signed: SignedPut, body: bytes, headers: dict[str, str] | None = None) -> urllib3.BaseHTTPResponse:
    return ask("PUT", signed.url, body, signed.headers | (headers or {}))


def check_cors(system: System) -> str:
    """Browsers let the page's origins put images and get results: they ask the store first, unsigned."""
    settings, presigner = system.settings, Presigner(system.settings)
    put = presigner.put("a.jpg", "image/jpeg", 1)
    get = presigner.get_result("a.json")
    refused = [
        f"{method} by {origin}"
        for origin in settings.page_origins
        for method, url, names in (("PUT", put.url, list(put.headers)), ("GET", get, []))
        if not _is_allowed(method, url.partition("?")[0], origin, names)
    ]
    if refused:
        raise PermanentError(
            f"browsers are refused {', '.join(refused)}",
            "Put a CORS rule on both buckets: the origins of PAGE_ORIGINS; PUT, GET, HEAD; any header; expose ETag",
        )
    return f"pages of {', '.join(settings.page_origins) or 'nowhere'} may use both buckets"


def _is_allowed(method: str, url: str, origin: str, names: list[str]) -> bool:
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    if names:
        headers["Access-Control-Request-Headers"] = ",".join(sorted(name.lower() for name in names))
    answer = ask("OPTIONS", url, headers=headers)
    methods = answer.headers.get("Access-Control-Allow-Methods", "")
    return answer.headers.get("Access-Control-Allow-Origin") in ("*", origin) and method in methods
