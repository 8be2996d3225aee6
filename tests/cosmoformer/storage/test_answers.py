"""What a store lacks or refuses for good, told apart from what may pass."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cosmoformer.errors import ObjectGone, StoreRefused, StoreUnavailable
from cosmoformer.models.registry import ModelIdentity
from cosmoformer.settings import Settings
from cosmoformer.storage.results import Result, ResultsBucket
from cosmoformer.storage.store import Store
from tests.cosmoformer.sample_results import classified_result
from tests.lacking_store import LackingStore, Refusal, lacking_store, no_conditions, refusing
from tests.temporary_keys import StsStore

KMS = "User: arn:aws:iam::1:user/u is not authorized to perform: kms:Decrypt on the resource associated with this ciphertext"


def _behind(store: Store, proxy: LackingStore) -> Store:
    return Store(Settings(**(vars(store.settings) | {"s3_endpoint_url": proxy.url})))


@pytest.fixture
def unconditional(store: Store) -> Iterator[tuple[Store, LackingStore]]:
    """The store, as one that answers conditional writes with 501."""
    with lacking_store(store.settings.s3_endpoint_url, no_conditions) as proxy:
        yield _behind(store, proxy), proxy


def _by(version: int, key: str = "a.png") -> Result:
    result = classified_result(key)
    return result | {"model": result["model"] | {"version": version, "sha256": f"{version}" * 64}}


def test_results_are_written_without_conditions(unconditional: tuple[Store, LackingStore]) -> None:
    """Where conditional writes are unknown, results are still written and replaced; the store is told so once only."""
    store, proxy = unconditional
    results = ResultsBucket(store)
    for result in (_by(1), latest := _by(2), _by(3, "b.png")):
        assert results.write(result) == result
    assert results.read("a.png") == latest
    assert len(proxy.refused) == 1


def test_the_weaker_rule_still_looks(unconditional: tuple[Store, LackingStore], store: Store) -> None:
    """A result that came since this writer last looked is seen, and stays if it is the better one."""
    lacking, _ = unconditional
    identity = ModelIdentity(_by(3)["model"]["name"], 3, "3" * 64)
    results = ResultsBucket(lacking, champion=lambda: identity)
    seen = results.standing("a.png")
    other = ResultsBucket(store).write(_by(3))
    assert results.write(_by(1), seen) == other
    assert not lacking.write_json(store.settings.results_bucket, "results/a.png.json", {}, replacing=None)


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (Refusal(403, "InvalidObjectState", "The operation is not valid for the object's storage class"), "archived"),
        (Refusal(403, "AccessDenied", KMS), "encrypted"),
        (Refusal(400, "KMS.DisabledException", "arn:aws:kms:… is disabled."), "encrypted"),
        (Refusal(400, "InvalidRequest", "The object was stored using a form of Server Side Encryption."), "encrypted"),
        (Refusal(501, "NotImplemented"), "unreadable"),
        (Refusal(400, "XMinioInvalidObjectName"), "unreadable"),
        (Refusal(400, "KeyTooLongError"), "unreadable"),
    ],
)
def test_refusals_for_good_are_told_from_passing_ones(store: Store, refusal: Refusal, code: str) -> None:
    """Archived, encrypted and unknown are refused at once, with one request, a reason and a mend."""
    store.write(store.settings.images_bucket, "a.png", b"x", "image/png")
    with lacking_store(store.settings.s3_endpoint_url, refusing("GET", "a.png", refusal)) as proxy:
        with pytest.raises(StoreRefused, match=rf"'a.png' is .*{refusal.code}") as raised:
            _behind(store, proxy).read_image("a.png")
        assert (raised.value.code, bool(raised.value.mend), len(proxy.refused)) == (code, True, 1)


@pytest.mark.parametrize(
    "refusal", [Refusal(403, "AccessDenied", "Access Denied"), Refusal(503, "SlowDown"), Refusal(400, "ExpiredToken")]
)
def test_what_may_pass_is_unavailable(store: Store, refusal: Refusal) -> None:
    """A policy, a burden or old keys are mended elsewhere: trying again may help."""
    rule = refusing("GET", "a.png", refusal)
    with (
        lacking_store(store.settings.s3_endpoint_url, rule) as proxy,
        pytest.raises(StoreUnavailable, match=refusal.code),
    ):
        _behind(store, proxy).read_image("a.png")


def test_an_object_under_its_owners_key_is_refused_and_known(sts_store: StsStore) -> None:
    """Of an object that a real store keeps under SSE-C the facts are known, by its listing; a neighbour's are not taken."""
    store = Store(sts_store.settings)
    for key in ("secret.png", "secret.png.old"):
        store.client.put_object(
            Bucket="images", Key=key, Body=b"hello", SSECustomerAlgorithm="AES256", SSECustomerKey=b"k" * 32
        )
    with pytest.raises(StoreRefused, match="SSE-C") as raised:
        store.read_image("secret.png")
    assert raised.value.code == "encrypted"
    assert (store.head_image("secret.png").key, store.head_image("secret.png").size) == ("secret.png", 5)
    store.delete("images", "secret.png")
    rule = refusing("HEAD", "secret", Refusal(400, "400"))
    with lacking_store(store.settings.s3_endpoint_url, rule) as proxy, pytest.raises(ObjectGone):
        _behind(store, proxy).head_image("secret.png")
