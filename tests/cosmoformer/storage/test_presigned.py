"""Presigned addresses at a real gateway: what they do, and all that a stranger might try with them."""

from __future__ import annotations

import gzip
import time
import uuid
from collections.abc import Callable

import pytest
import urllib3

from cosmoformer import settings
from cosmoformer.errors import SettingsError
from cosmoformer.storage.presigned import ACL, Presigner, signing_with, upload_keys, view_keys
from cosmoformer.storage.store import Store, connect
from tests.conftest import ObjectStore
from tests.cosmoformer.storage.strangers import BODY, KEY, SECRET, THEIRS, Strangers, ask, make_account

EVERYBODY = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'
# Headers that no address signs, and the answers that are right: 200 where the header changes nothing that matters.
HEADERS: dict[str, tuple[dict[str, str], set[int]]] = {
    "another ACL": ({"x-amz-acl": "public-read"}, {403}),
    "another ACL, writable": ({"x-amz-acl": "public-read-write"}, {403}),
    "a second ACL": ({"x-amz-acl": f"{ACL},public-read"}, {403}),
    "grant to read": ({"x-amz-grant-read": EVERYBODY}, {400, 403}),
    "grant to write": ({"x-amz-grant-write": EVERYBODY}, {400, 403}),
    "grant of the ACL": ({"x-amz-grant-read-acp": EVERYBODY}, {400, 403}),
    "grant of all": ({"x-amz-grant-full-control": EVERYBODY}, {400, 403}),
    "grant to write the ACL": ({"x-amz-grant-write-acp": EVERYBODY}, {400, 403}),
    "tagging": ({"x-amz-tagging": "public=yes&a=b"}, {200, 400, 403}),
    "website redirect": ({"x-amz-website-redirect-location": "https://evil.example"}, {200, 400, 403}),
    "storage class": ({"x-amz-storage-class": "GLACIER"}, {200, 400, 403}),
    "SSE": ({"x-amz-server-side-encryption": "AES256"}, {200, 400, 403, 501}),
    "SSE by KMS": (
        {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "theirs"},
        {200, 400, 403, 500, 501},
    ),
    "SSE with the customer's key": (
        {
            "x-amz-server-side-encryption-customer-algorithm": "AES256",
            "x-amz-server-side-encryption-customer-key": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
            "x-amz-server-side-encryption-customer-key-MD5": "TqCWXMsRtu1mmyGqKuLBzA==",
        },
        {200, 400, 403, 501},
    ),
    "metadata": ({"x-amz-meta-owner": "somebody else"}, {200, 400, 403}),
    "expected owner": ({"x-amz-expected-bucket-owner": "000000000000"}, {200, 403}),
    "object lock": (
        {"x-amz-object-lock-mode": "COMPLIANCE", "x-amz-object-lock-retain-until-date": "2099-01-01T00:00:00Z"},
        {200, 400, 403},
    ),
    "legal hold": ({"x-amz-object-lock-legal-hold": "ON"}, {200, 400, 403}),
    "bypass of governance": ({"x-amz-bypass-governance-retention": "true"}, {200, 400, 403}),
    "requester pays": ({"x-amz-request-payer": "requester"}, {200, 400, 403}),
    "If-Match": ({"If-Match": "*"}, {200, 404, 412}),
    "If-None-Match": ({"If-None-Match": "*"}, {200, 412}),
    "another method": ({"X-HTTP-Method-Override": "DELETE", "X-HTTP-Method": "DELETE"}, {200, 403}),
    "another path": ({"X-Original-URL": f"/{THEIRS}", "X-Rewrite-URL": f"/{THEIRS}"}, {200, 403}),
    "another host": ({"X-Forwarded-Host": "theirs.example", "X-Forwarded-For": "127.0.0.1"}, {200, 403}),
    "stored headers": (
        {"Cache-Control": "public", "Content-Disposition": "attachment", "Content-Language": "x", "Expires": "0"},
        {200, 400, 403},
    ),
    "stored encoding": ({"Content-Encoding": "gzip"}, {200, 400, 403}),
    "chunked signature": (
        {"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "x-amz-decoded-content-length": "1"},
        {200, 400, 403},
    ),
    "a digest of other bytes": ({"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, {400, 403}),
    "session token": ({"x-amz-security-token": "another"}, {200, 400, 403}),
    "authorization": ({"Authorization": "AWS somebody:signature"}, {200, 400, 403}),
    "another date": ({"x-amz-date": "20990101T000000Z"}, {200, 400, 403}),
    "Swift": ({"X-Object-Manifest": "theirs/", "X-Copy-From": f"/{THEIRS}", "X-Auth-Token": "x"}, {200, 400, 403}),
}  # fmt: skip
QUERIES = [
    *("acl", "uploads", "copy", "tagging", "delete", "torrent", "restore", "retention", "legal-hold", "policy", "cors"),
    *("versionId=null", "versionId=x", "partNumber=1&uploadId=x", "append&position=0", "select&select-type=2"),
    *("x-amz-acl=public-read", "x-amz-copy-source=/theirs", "x-amz-tagging=a%3Db", "response-content-type=text/html"),
    *("versioning", "website", "lifecycle", "notification", "encryption", "object-lock", "publicAccessBlock"),
]  # fmt: skip


@pytest.fixture(params=["subuser", "account"])
def strangers(request: pytest.FixtureRequest, object_store: ObjectStore, bucket: Callable[[], str]) -> Strangers:
    """Buckets as `up` makes them (keys of subusers), and as a cluster has them (keys of accounts that own nothing)."""
    accounts = {}
    if request.param == "account":
        if object_store.node is None:
            pytest.skip("only our own store lets us make accounts")
        for purpose in ("upload", "view"):
            account = make_account(object_store.node, f"{purpose}-{uuid.uuid4().hex[:8]}")
            accounts |= {f"{purpose}_{name}": value for name, value in account.items()}
    return Strangers(
        object_store.settings(
            images_bucket=bucket(),
            results_bucket=bucket(),
            models_bucket=bucket(),
            upload_expiry_seconds=60,
            **accounts,
        )
    )


def test_upload_takes_one_type_and_one_size(strangers: Strangers) -> None:
    """An upload address takes exactly the type and size it was made for, and the functions can read what was put."""
    signed = strangers.presigner.put("uploads/a/a b+ü%.jpg", "image/jpeg", 5)
    assert ask("PUT", signed.url, b"hello", signed.headers | {"Content-Type": "image/png"}).status == 403
    for body in (b"hell", b"hello!", b""):
        assert ask("PUT", signed.url, body, signed.headers).status == 403
    assert ask("PUT", signed.url, b"hello", signed.headers).status == 200
    assert strangers.store.read_image("uploads/a/a b+ü%.jpg")[1] == b"hello"
    assert strangers.readable_by_all() == []


def test_result_may_come_later(strangers: Strangers) -> None:
    """A result's address answers 404 until the result is there, then 200, and is for reading only."""
    key = "results/uploads/ü.json"
    url = strangers.presigner.get_result(key)
    assert ask("GET", url, None, {}).status == 404
    strangers.store.write_json(strangers.settings.results_bucket, key, {"a": 1}, replacing=None)
    assert ask("GET", url, None, {}).json() == {"a": 1}
    assert ask("PUT", url, b"{}", {"Content-Type": "application/json"}).status == 403


def test_addresses_name_the_public_endpoint(store: Store) -> None:
    """Browsers get the store's public address, while requests from here go to the inner one."""
    public = settings.load({}, **(vars(store.settings) | {"s3_public_endpoint_url": "https://s3.example.org"}))
    assert Presigner(public).put("a", "image/png", 1).url.startswith("https://s3.example.org/")
    assert Presigner(public).get_result("a").startswith("https://s3.example.org/")
    assert Store(public).client.meta.endpoint_url == store.settings.s3_endpoint_url


@pytest.mark.parametrize("name", ["UPLOAD_ACCESS_KEY_ID", "UPLOAD_SECRET_ACCESS_KEY", "VIEW_SECRET_ACCESS_KEY"])
def test_half_a_pair_of_keys_is_refused(name: str) -> None:
    """A key without its secret, or the reverse, is a mistake: falling back in silence would sign with the key that may do all."""
    presigner = Presigner(settings.load({name: "set", "AWS_ACCESS_KEY_ID": "all", "AWS_SECRET_ACCESS_KEY": "all"}))
    with pytest.raises(SettingsError, match=name):
        presigner.put("a.jpg", "image/jpeg", 1) if "UPLOAD" in name else presigner.get_image("a.jpg")


@pytest.mark.parametrize("extra", ["", "range", "directive"])
def test_an_upload_copies_nothing(strangers: Strangers, extra: str) -> None:
    """A copy source, which no address signs, is refused, whatever object it names; nothing is written."""
    more = {
        "range": {"x-amz-copy-source-range": "bytes=0-3"},
        "directive": {"x-amz-metadata-directive": "REPLACE", "x-amz-copy-source-if-match": "*"},
    }.get(extra, {})
    before = strangers.contents()
    for bucket, key in [*strangers.secrets, (strangers.settings.images_bucket, KEY)]:
        signed = strangers.upload()
        for source in (f"/{bucket}/{key}", f"{bucket}/{key}", f"/{bucket}/{key}?versionId=null"):
            assert ask("PUT", signed.url, BODY, signed.headers | {"x-amz-copy-source": source} | more).status in (
                403,
                404,
            )
    assert strangers.contents() == before


@pytest.mark.parametrize("what", HEADERS)
def test_an_unsigned_header_does_no_harm(strangers: Strangers, what: str) -> None:
    """Whatever header is sent along, the store holds the body under the address's key or nothing, and nothing is public."""
    headers, right = HEADERS[what]
    before, signed = strangers.contents(), strangers.upload()
    answer = ask("PUT", signed.url, BODY, signed.headers | headers)
    assert answer.status in right, answer.data
    assert SECRET not in answer.data
    after = strangers.contents()
    mine = after.pop((strangers.settings.images_bucket, KEY), None)
    assert mine in ((BODY,) if answer.status == 200 else (None,))
    assert after == before
    assert strangers.readable_by_all() == []


def test_an_image_comes_as_it_lies(strangers: Strangers) -> None:
    """What an uploader says of encoding and disposition neither unpacks an image in a browser nor opens it there as a page."""
    bomb = gzip.compress(bytes(2**20))
    signed = strangers.presigner.put(KEY, "image/svg+xml", len(bomb))
    lies = {"Content-Encoding": "gzip", "Content-Disposition": "inline"}
    assert ask("PUT", signed.url, bomb, signed.headers | lies).status == 200
    answer = ask("GET", strangers.presigner.get_image(KEY), None, {"Accept-Encoding": "gzip"})
    assert answer.data == bomb
    said = {name: answer.headers.getlist(name) for name in lies}
    assert said == {"Content-Encoding": ["identity"], "Content-Disposition": ["attachment"]}


@pytest.mark.parametrize("left_out", ["x-amz-acl", "Content-Type"])
def test_signed_headers_have_to_come(strangers: Strangers, left_out: str) -> None:
    """An upload without the ACL, or without its type, is refused, with a grant in its place too."""
    signed = strangers.upload()
    fewer = {name: value for name, value in signed.headers.items() if name != left_out}
    assert ask("PUT", signed.url, BODY, fewer).status == 403
    assert ask("PUT", signed.url, BODY, fewer | {"x-amz-grant-read": EVERYBODY}).status == 403


def test_an_unsigned_parameter_breaks_the_signature(strangers: Strangers) -> None:
    """No sub-resource and no parameter can be added to an upload address or to one of a result, with any method."""
    before = strangers.contents()
    get = strangers.presigner.get_image(THEIRS)
    put = strangers.upload()
    for query in QUERIES:
        for method in ("PUT", "POST", "GET", "DELETE", "HEAD"):
            for url in (f"{put.url}&{query}", put.url.replace("?", f"?{query}&")):
                assert ask(method, url, BODY if method in ("PUT", "POST") else None, put.headers).status >= 400, query
        for method in ("GET", "DELETE", "PUT"):
            assert ask(method, f"{get}&{query}", None, {}).status >= 400, query
    assert strangers.contents() == before
    assert strangers.readable_by_all() == []


def test_an_address_is_for_one_key_and_one_method(strangers: Strangers) -> None:
    """The signature of an address opens no other key, bucket or method."""
    before = strangers.contents()
    put, get = strangers.upload(), strangers.presigner.get_image(KEY)
    for method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS"):
        assert ask(method, put.url, BODY if method == "POST" else None, put.headers).status >= 400, method
    for method in ("HEAD", "PUT", "POST", "DELETE"):
        assert ask(method, get, BODY if method in ("PUT", "POST") else None, {}).status >= 400, method
    for bucket, key in strangers.secrets:
        for url in (put.url, get):
            elsewhere = url.replace(f"{strangers.settings.images_bucket}/{KEY}", f"{bucket}/{key}")
            assert elsewhere != url
            assert ask("PUT", elsewhere, BODY, put.headers).status == 403
            assert SECRET not in ask("GET", elsewhere, None, {}).data
    dots = put.url.replace("mine/m51.jpg", "mine/../theirs/m51.jpg")
    assert ask("PUT", dots, BODY, put.headers).status == 403
    assert strangers.contents() == before


def test_an_expired_address_stays_expired(strangers: Strangers) -> None:
    """Neither a later date in a header nor a second parameter opens an address whose time is over."""
    strangers.settings.upload_expiry_seconds = 1
    signed = strangers.upload()
    time.sleep(2.1)  # expiry counts in whole seconds
    longer = "X-Amz-Expires=604800"
    for url in (signed.url, f"{signed.url}&{longer}", signed.url.replace("?", f"?{longer}&")):
        for date in ({}, {"x-amz-date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())}):
            assert ask("PUT", url, BODY, signed.headers | date).status == 403


@pytest.mark.parametrize("place", [0, 1])
def test_signed_parameters_are_not_replaced(strangers: Strangers, place: int) -> None:
    """A second list of signed headers, before the signed one or after it, does not make the ACL or the length free."""
    signed = strangers.upload()
    query = "X-Amz-SignedHeaders=host"
    url = [signed.url.replace("?", f"?{query}&"), f"{signed.url}&{query}"][place]
    assert ask("PUT", url, BODY, signed.headers | {"x-amz-acl": "public-read"}).status == 403
    assert ask("PUT", url, BODY * 2, signed.headers).status == 403
    assert strangers.readable_by_all() == []


def test_the_keys_themselves_open_uploads_only(strangers: Strangers) -> None:
    """Stolen, the upload key still reads nothing and writes below uploads/ only; the view key reads uploads and their results."""
    for bucket, key in strangers.secrets:
        is_upload = THEIRS in key
        view = connect(signing_with(strangers.settings, view_keys(strangers.settings)))
        address = view.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
        assert (ask("GET", address, None, {}).status == 200) == is_upload
        signed = strangers.presigner.put(key, "image/jpeg", len(BODY), bucket)
        taken = ask("PUT", signed.url, BODY, signed.headers).status == 200
        assert taken == ((bucket, key) == (strangers.settings.images_bucket, THEIRS))
    up = connect(signing_with(strangers.settings, upload_keys(strangers.settings)))
    for bucket, key in strangers.secrets:
        with pytest.raises(up.exceptions.ClientError, match="AccessDenied"):
            up.get_object(Bucket=bucket, Key=key)
        with pytest.raises(up.exceptions.ClientError, match="AccessDenied"):
            up.delete_object(Bucket=bucket, Key=key)


def test_the_attack_works_with_the_key_that_may_do_all(strangers: Strangers) -> None:
    """Signed with the store's own key, the same address copies: it is the key that protects, and these tests can fail."""
    own = vars(strangers.settings) | {"upload_access_key_id": "", "upload_secret_access_key": ""}
    signed = Presigner(settings.load({}, **own)).put(KEY, "image/jpeg", len(BODY))
    bucket, key = strangers.secrets[-1]
    assert ask("PUT", signed.url, BODY, signed.headers | {"x-amz-copy-source": f"/{bucket}/{key}"}).status == 200
    assert strangers.contents()[strangers.settings.images_bucket, KEY] == SECRET
    assert urllib3.request("GET", strangers.presigner.get_image(KEY)).data == SECRET
