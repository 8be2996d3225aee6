"""Models side by side: their names, settings and triggers."""

from __future__ import annotations

import json

import pytest

from cosmoformer.errors import SettingsError
from cosmoformer.local.parts import triggers
from cosmoformer.served_models import FOLDER, dead_letters_path, further_models, settings_for
from cosmoformer.settings import load
from cosmoformer.storage.policies import bucket_policy
from cosmoformer.storage.results import result_key


@pytest.mark.parametrize(
    ("served", "further"),
    [
        ("", ()),
        ("cosmoformer", ()),
        ("inclination", ("inclination",)),
        ("cosmoformer, inclination,votes,inclination", ("inclination", "votes")),
    ],
)
def test_further_models_are_those_beside_the_first(served: str, further: tuple[str, ...]) -> None:
    """MODEL_NAME is served whether it is named or not, and each model once."""
    assert further_models(load({}, served_models=served)) == further


@pytest.mark.parametrize("name", ["a/b", "a b", "..", "é", "x" * 64, "-x"])
def test_a_name_that_could_be_no_place_is_refused(name: str) -> None:
    """It would be part of object keys, folders and names of processes."""
    with pytest.raises(SettingsError, match="SERVED_MODELS names"):
        further_models(load({}, served_models=name))


def test_no_object_of_one_model_stands_in_the_place_of_anothers() -> None:
    """Results, explanations, judgements and memory are apart, also from images whose keys look like the other's."""
    first = load({}, served_models="inclination")
    second = settings_for(first, "inclination")
    names = [name for name, place in vars(first).items() if name.endswith(("_prefix", "_key")) and place]
    names.remove("dead_letters_prefix")  # which names the model of each
    assert all(getattr(second, name).startswith(f"{FOLDER}inclination/") for name in names)
    assert (second.model_name, second.images_bucket) == ("inclination", first.images_bucket)
    assert result_key(first, f"{FOLDER}inclination/results/a.png") != result_key(second, "a.png")
    assert settings_for(first, "") is settings_for(first, first.model_name) is first


def test_each_model_has_triggers_and_so_a_queue_of_its_own() -> None:
    """What one does not take holds up no other."""
    alone = triggers(load({}), "http://127.0.0.1:9", {})
    both = triggers(load({}), "http://127.0.0.1:9", {"inclination": 8090})
    assert [trigger for trigger in both if trigger in alone] == list(alone)
    added = [trigger for trigger in both if trigger not in alone]
    kinds = ("objects", "pictures", "alias")
    assert {trigger.name for trigger in added} == {f"classify-inclination-{kind}" for kind in kinds}
    assert {trigger.subscriber for trigger in added} == {"http://127.0.0.1:8090"}
    (letters,) = {trigger.delivery.dead_letter_url for trigger in added}
    assert letters and letters.endswith(dead_letters_path("inclination"))


def test_the_key_that_shows_a_batch_reads_every_models_results() -> None:
    """And nothing else of theirs."""
    settings = load({}, served_models="inclination", view_principal="arn:aws:iam:::user/view")
    policy = json.loads(bucket_policy(settings, settings.results_bucket) or "")
    (allowed,) = (
        one["Resource"] for one in policy["Statement"] if one["Effect"] == "Allow" and "s3:GetObject" in one["Action"]
    )
    assert f"arn:aws:s3:::{settings.results_bucket}/{FOLDER}inclination/results/uploads/*" in allowed
    assert all("/uploads/" in resource for resource in allowed)
