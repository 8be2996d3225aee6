"""While versions are promoted: whose word counts, and what becomes of work under way."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from cosmoformer.models.bundled import BUNDLED
from cosmoformer.settings import Settings
from cosmoformer.storage.results import ResultsBucket
from functions.classify import inference
from functions.classify.handler import Handler
from functions.classify.limits import read_body
from functions.classify.serving import ModelServing
from tests.functions.classify.conftest import Deployment, altered
from tests.functions.classify.test_app import created, drop, predictions, reply, send
from tests.functions.classify.test_inference import FILES, files


@pytest.fixture(scope="module")
def galaxy() -> bytes:
    return (BUNDLED / "samples" / "two_armed_spiral.jpg").read_bytes()


@pytest.fixture
def path(deployment: Deployment) -> str:
    """Of the model, in the Open Inference Protocol."""
    return f"/v2/models/{deployment.settings.model_name}"


def test_another_model_version_judges_the_same_bytes_anew(
    client: FlaskClient, deployment: Deployment, serving: ModelServing, model: bytes, galaxy: bytes
) -> None:
    """A judgement belongs to the artifact that made it."""
    drop(deployment, "again.jpg", galaxy)
    before = predictions()
    assert reply(send(client, created(deployment, "again.jpg")))["model"]["version"] == 1
    deployment.register(altered(model, note="second"), alias="champion")
    serving.refresh()
    assert reply(send(client, created(deployment, "again.jpg")))["model"]["version"] == 2
    assert predictions() - before == 2


def test_the_version_the_alias_names_has_the_last_word(
    client: FlaskClient, deployment: Deployment, serving: ModelServing, model: bytes, galaxy: bytes
) -> None:
    """A promoted version replaces the old one's result, a process left behind does not, and after a roll-back it does."""
    drop(deployment, "versions.jpg", galaxy)
    first = reply(send(client, created(deployment, "versions.jpg")))
    second_version = deployment.register(altered(model, note="2"), alias="champion").version
    results = ResultsBucket(deployment.store, lambda: deployment.registry.resolve("champion").identity)
    behind = reply(send(client, created(deployment, "versions.jpg", id="e2")))
    assert behind == first  # this process has not followed yet; its word on the image stands already
    serving.refresh()
    promoted = reply(send(client, created(deployment, "versions.jpg", id="e3")))
    assert promoted["model"]["version"] == second_version
    assert results.write(first) == promoted
    deployment.registry.set_alias("champion", 1)
    assert results.write(first) == first


def test_a_process_left_behind_judges_nothing_to_throw_it_away(
    client: FlaskClient, deployment: Deployment, model: bytes, galaxy: bytes
) -> None:
    """Where the champion's result stands, a process that still serves another version replies with it, without predicting."""
    unseen = galaxy + uuid4().bytes
    drop(deployment, "behind.jpg", unseen)
    champion = deployment.register(altered(model, note="2"), alias="champion")
    served = deployment.serving()
    served.refresh()
    ahead = Handler(deployment.settings, deployment.store, ResultsBucket(deployment.store), served)
    stands = ahead.handle(created(deployment, "behind.jpg"))
    before = predictions()
    answer = reply(send(client, created(deployment, "behind.jpg", id="e2")))
    assert stands and answer == stands.json()
    assert (answer["model"]["version"], predictions()) == (champion.version, before)


@pytest.mark.parametrize("end", ["", "/versions/1"])
def test_a_promotion_meanwhile_changes_no_answer(
    client: FlaskClient,
    deployment: Deployment,
    serving: ModelServing,
    model: bytes,
    path: str,
    end: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All images of a request are judged by the version that was served when it came, which is the one it asked for."""

    def slow(settings: Settings) -> bytes:
        deployment.register(altered(model, note=f"second{end}"), alias="champion")
        serving.refresh()
        return read_body(settings)

    monkeypatch.setattr(inference, "read_body", slow)
    answer = json.loads(client.post(f"{path}{end}/infer", json=files(*FILES)).data)
    assert (answer["model_version"], len(answer["outputs"][0]["data"])) == ("1", len(FILES))
    assert serving.current().version.version == 2
    monkeypatch.undo()
    gone = client.post(f"{path}/versions/1/infer", json=files(*FILES))
    assert (gone.status_code, list(json.loads(gone.data))) == (404, ["error"])
