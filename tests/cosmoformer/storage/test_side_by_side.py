"""Results of several models of the same images, in one row of a table."""

from __future__ import annotations

from cosmoformer.served_models import settings_for
from cosmoformer.settings import Settings
from cosmoformer.storage.results import Result, ResultsBucket
from cosmoformer.storage.side_by_side import OTHERS, with_others
from cosmoformer.storage.store import Store
from cosmoformer.storage.tables import COLUMNS, columns, flatten
from tests.cosmoformer.sample_results import classified_result, estimated_result, put_results, rejected_result

SECOND = "inclination"
ANGLE = {"inclination": 41.5, "inclination_error": 3.5}


def second(key: str, content: bytes = b"pixels") -> Result:
    result = estimated_result(key, ANGLE)
    result["image"] = classified_result(key, content)["image"]
    result["model"] = {**result["model"], "name": SECOND, "version": 9}
    return result


def put_second(store: Store, *results: Result) -> None:
    """Write results where the second model has them."""
    bucket = ResultsBucket(store, settings=settings_for(store.settings, SECOND))
    for result in results:
        store.write(store.settings.images_bucket, result["image"]["key"], b"pixels", "image/png")
        bucket.write(result)


def test_each_result_gets_those_of_further_models_on_the_same_image(store: Store) -> None:
    """A result of another image under the same key, and a missing one, are left out; the order stays."""
    served = Store(Settings(**(vars(store.settings) | {"served_models": SECOND})))
    put_results(served, *(classified_result(key) for key in ("a.png", "b.png", "c.png")))
    put_second(served, second("a.png"), second("b.png", b"another image"))
    found = list(with_others(served, ResultsBucket(served).all()))
    assert [result["image"]["key"] for result in found] == ["a.png", "b.png", "c.png"]
    assert [list(result.get(OTHERS, {})) for result in found] == [[SECOND], [], []]
    assert found[0][OTHERS][SECOND]["prediction"]["values"] == ANGLE


def test_without_further_models_results_are_as_they_were(store: Store) -> None:
    """Nothing is asked of the store, and nothing added."""
    results = [classified_result()]
    assert list(with_others(store, results)) == results


def test_a_row_has_the_columns_of_every_model() -> None:
    """Those of a further one stand behind the others under its name, with units; what it lacks is empty."""
    joined = {**classified_result("a.png"), OTHERS: {SECOND: second("a.png")}}
    rejected = {**rejected_result("b.txt"), OTHERS: {SECOND: rejected_result("b.txt")}}
    table = columns([joined, rejected, classified_result("c.png")])
    names = [column.name for column in table]
    first = [column.name for column in columns([classified_result()])]
    assert names[: len(first)] == first
    assert names[len(first) :] == [
        f"{SECOND}_{name}"
        for name in (
            *(column.name for column in COLUMNS if column.name in ("class", "confidence", "unsure", "in_domain")),
            "no_galaxy",
            "rejection_code",
            "model_version",
            "value_inclination",
            "value_inclination_error",
        )
    ]
    row = flatten(joined, table)
    assert (row["class"], row[f"{SECOND}_class"]) == ("spiral", None)
    assert (row[f"{SECOND}_value_inclination"], row[f"{SECOND}_model_version"]) == (41.5, 9)
    assert flatten(rejected, table)[f"{SECOND}_rejection_code"] == "not_an_image"
    assert flatten(classified_result("c.png"), table)[f"{SECOND}_value_inclination"] is None
