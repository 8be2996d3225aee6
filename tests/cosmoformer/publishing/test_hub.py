"""Uploading to the Hub: the real client package against a stand-in on loopback."""

from __future__ import annotations

import pytest
from huggingface_hub import HfApi
from huggingface_hub.utils import validate_repo_id

from cosmoformer.errors import CosmoFormerError, PermanentError, TransientError
from cosmoformer.publishing.hub import check_name, upload
from tests.cosmoformer.loopback_hub import LoopbackHub, running_hub

TOKEN = "hf_secretsecretsecret"
FILES = {"README.md": b"---\nlicense: apache-2.0\n---\n# A card\n", "model.pt": bytes(range(256)) * 300}


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No request of the client package about itself; it has read HF_HUB_DISABLE_TELEMETRY when it was imported."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", True)


def publish(hub: LoopbackHub, files: dict[str, bytes] = FILES, *, private: bool = False) -> str:
    """Upload to a repository on the stand-in."""
    api = HfApi(endpoint=hub.url, token=TOKEN)
    return upload(api, "o/n", files, absent=["report.json"], message="version 1", private=private)


def test_all_files_arrive_in_one_commit() -> None:
    """Every byte, under one message, with the token; the commit's address comes back."""
    with running_hub() as hub:
        address = publish(hub)
    assert hub.files == FILES and hub.commits == ["version 1"]
    assert hub.authorizations == {f"Bearer {TOKEN}"}
    assert address.startswith(f"{hub.url}/o/n/commit/")


def test_a_file_that_an_earlier_model_left_is_taken_away() -> None:
    """No report of another model stays beside this one."""
    with running_hub() as hub:
        publish(hub, FILES | {"report.json": b"{}"})
        assert "report.json" in hub.files
        publish(hub, FILES | {"model.pt": b"another"})
    assert hub.files == FILES | {"model.pt": b"another"} and len(hub.commits) == 2


@pytest.mark.parametrize("private", [True, False])
def test_only_what_is_asked_for_is_private(private: bool) -> None:
    """Without --private the visibility is left to the owner's default."""
    with running_hub() as hub:
        publish(hub, private=private)
    (made,) = hub.made
    assert (made["organization"], made["name"]) == ("o", "n")
    assert (made.get("visibility") == "private" or made.get("private") is True) == private
    assert private or not {"visibility", "private"} & set(made)


@pytest.mark.parametrize(("status", "kind"), [(401, PermanentError), (403, PermanentError), (500, TransientError)])
def test_a_refusal_tells_the_status_and_never_the_token(status: int, kind: type[CosmoFormerError]) -> None:
    """Who is refused reads what the Hub said and, where the token is why, that it is."""
    with running_hub(refusal=status) as hub, pytest.raises(kind) as caught:
        publish(hub)
    assert f"{hub.url} answered {status}, o/n was not published: you may not" in str(caught.value)
    assert ("Is the token" in str(caught.value)) == (status in (401, 403))
    assert hub.files == {} and TOKEN not in str(caught.value)


def test_a_hub_that_is_away_may_come_back() -> None:
    """A closed port is a transient failure that names the address and the setting."""
    with pytest.raises(
        TransientError, match=r"http://127\.0\.0\.1:9: o/n was not published: ConnectError: .*refused.*HF_ENDPOINT"
    ):
        publish(LoopbackHub("http://127.0.0.1:9"))


@pytest.mark.parametrize("name", ["o/n", "my-name/cosmoformer", "a_b.c/1", f"{'o' * 96}/{'n' * 96}"])
def test_names_that_the_hub_takes_are_taken(name: str) -> None:
    """The client package takes them too."""
    check_name(name)
    validate_repo_id(name)


@pytest.mark.parametrize(
    "name",
    ["", "n", "o/", "/n", "a/b/c", "o/n.git", "o/a--b", "o/a..b", "o/-n", "o/n.", "ö/n", "o/n\n", f"o/{'n' * 97}"],
)
def test_other_names_are_refused(name: str) -> None:
    """The rule is told with what came."""
    with pytest.raises(PermanentError, match="expected OWNER/NAME, got"):
        check_name(name)
