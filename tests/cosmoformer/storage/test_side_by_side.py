"""Results of several models of the same images, in one row of a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from http.client import HTTPMessage
from io import BytesIO
from typing import IO

import pytest

from cosmoformer.served_models import settings_for
from cosmoformer.settings import Settings
from cosmoformer.storage.fits_table import write_fits
from cosmoformer.storage.parquet import write_parquet
from cosmoformer.storage.results import Result, ResultsBucket
from cosmoformer.storage.side_by_side import OTHERS, all_rows
from cosmoformer.storage.store import Store
from cosmoformer.storage.tables import COLUMNS, ResultTable, columns, flatten, table_of, write_csv
from cosmoformer.storage.votable import write_votable
from cosmoformer.storage.watching import watch
from tests.cosmoformer.sample_results import classified_result, estimated_result, put_results, rejected_result
from tests.lacking_store import lacking_store

SECOND = "inclination"
ANGLE = {"inclination": 41.5, "inclination_error": 3.5}


def second(key: str, content: bytes = b"pixels") -> Result:
    result = estimated_result(key, ANGLE)
    result["image"] = classified_result(key, content)["image"]
    result["model"] = {**result["model"], "name": SECOND, "version": 9}
    return result


def put_second(store: Store, *results: Result) -> None:
    """Write results where the second model has them."""
    put_results(Store(settings_for(store.settings, SECOND)), *results)


@pytest.fixture
def served(store: Store) -> Store:
    """A store of a system with two models."""
    return Store(Settings(**(vars(store.settings) | {"served_models": SECOND})))


def said(rows: Iterable[Result]) -> list[tuple[str, bool, list[str]]]:
    """Of each row the image's key, whether the first model has judged it, and who else has."""
    return [(found["image"]["key"], found["model"] is not None, list(found.get(OTHERS, {}))) for found in rows]


def test_each_result_gets_those_of_further_models_on_the_same_image(served: Store) -> None:
    """A result of another image under the same key, and a missing one, are left out; the order stays."""
    put_results(served, *(classified_result(key) for key in ("a.png", "b.png", "c.png")))
    put_second(served, second("a.png"), second("b.png", b"another image"))
    found = list(all_rows(served))
    assert said(found) == [("a.png", True, [SECOND]), ("b.png", True, []), ("c.png", True, [])]
    assert found[0][OTHERS][SECOND]["prediction"]["values"] == ANGLE


#: Keys whose results are in another order than they are, and keys that are cut, elsewhere for each model.
TANGLED = (
    "m51",
    "m51-core",
    "m51.png",
    "n/a",
    "z" * 900 + "b",
    *("k" * 1000 + end for end in ("", "a", "b", "z" * 20)),
)


def test_an_image_that_only_a_further_model_has_judged_has_a_row(served: Store) -> None:
    """Where it belongs in the order of result keys, once, whatever the keys; what the first model would say is empty."""
    firsts, seconds = TANGLED[::2], (*TANGLED[1::2], "m51", TANGLED[-1])
    put_results(served, *map(classified_result, firsts))
    put_second(served, *map(second, seconds))
    rows = list(all_rows(served))
    found = {key: (first, others) for key, first, others in said(rows)}
    assert found == {key: (key in firsts, [SECOND] if key in seconds else []) for key in TANGLED}
    short = [each["image"]["key"] for each in rows if len(each["image"]["key"]) < 100]
    assert len(rows) == len(TANGLED) and short == ["m51-core", "m51", "m51.png", "n/a"]
    (only,) = (each for each in rows if each["image"]["key"] == "m51-core")
    alone = flatten(only, columns(rows))
    etag, angle = second("m51-core")["image"]["etag"], ANGLE["inclination"]
    assert (alone["key"], alone["etag"], alone[f"{SECOND}_value_inclination"]) == ("m51-core", etag, angle)
    assert {alone[name] for name in ("status", "class", "zoom", "model_name", "event_id", "seconds")} == {None}


@pytest.mark.parametrize("form", [write_csv, write_votable, write_fits, write_parquet])
def test_every_format_takes_a_row_of_a_further_model_alone(
    served: Store, form: Callable[[ResultTable, IO[bytes]], None]
) -> None:
    """A table may consist of nothing else."""
    put_second(served, second("a.png"))
    rows = list(all_rows(served))
    assert [each["image"]["key"] for each in rows] == ["a.png"]
    form(table_of(rows), written := BytesIO())
    assert b"a.png" in written.getvalue()


def test_rows_are_gone_on_with_behind_any_of_them(served: Store) -> None:
    """None comes twice and none is missed, whichever model the last one is of."""
    put_results(served, *map(classified_result, TANGLED[::2]))
    put_second(served, *map(second, TANGLED[1::3]), second(TANGLED[-1]), second(TANGLED[1]))
    rows = list(all_rows(served))
    for number, last in enumerate(rows, 1):
        assert list(all_rows(served, after=last["image"]["key"])) == rows[number:]


def test_news_of_one_model_is_enough_for_a_row(served: Store) -> None:
    """A row since a time has what the others said before it, and none is there twice."""
    old = {"finished": "2020-01-01T00:00:00.000Z"}
    put_results(served, classified_result("a.png") | old, classified_result("b.png") | old, classified_result("c.png"))
    put_second(served, second("a.png"), second("c.png") | old, second("d.png"), second("e.png") | old)
    found = said(all_rows(served, since=datetime(2021, 1, 1, tzinfo=UTC)))
    assert found == [("a.png", True, [SECOND]), ("c.png", True, [SECOND]), ("d.png", False, [SECOND])]


def test_nothing_is_asked_for_image_by_image(served: Store) -> None:
    """The store is asked for the two listings and for the results that are there, and for none that is not."""
    put_results(served, *map(classified_result, ("a.png", "b.png")))
    put_second(served, *map(second, ("b.png", "c.png")))
    asked: list[str] = []

    def hear(method: str, path: str, _: HTTPMessage) -> None:
        asked.append(f"{method} {path.partition('?')[0].rpartition('/')[2]}")

    with lacking_store(served.settings.s3_endpoint_url, hear) as proxy:
        behind = Store(Settings(**(vars(served.settings) | {"s3_endpoint_url": proxy.url})))
        assert len(list(all_rows(behind))) == 3
    reads = [f"GET {name}.png.json" for name in "abbc"]
    assert sorted(asked) == sorted([*reads, *2 * [f"GET {served.settings.results_bucket}"]])


def test_watching_tells_every_models_news(served: Store) -> None:
    """A row comes when any model has news of its image, with what all say of it by then."""
    put_results(served, classified_result("a.png"))
    put_second(served, second("b.png"))
    looks = watch(served, "")
    assert said(next(looks)) == [("a.png", True, []), ("b.png", False, [SECOND])]
    put_second(served, second("a.png"))
    assert said(next(looks)) == [("a.png", True, [SECOND])]
    assert next(looks) == []


def test_without_further_models_results_are_as_they_were(store: Store) -> None:
    """Nothing is added."""
    put_results(store, classified_result())
    put_second(store, second("x.png"))
    (found,) = all_rows(store)
    assert found == ResultsBucket(store).read("m51.png")


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
