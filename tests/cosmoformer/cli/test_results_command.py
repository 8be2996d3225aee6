"""``cosmoformer results`` over a real store."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas
import pytest
from astropy.io.votable import parse_single_table

from cosmoformer.served_models import settings_for
from cosmoformer.storage.results import Result
from cosmoformer.storage.store import Store
from tests.cosmoformer.cli.conftest import Cli
from tests.cosmoformer.sample_results import (
    classified_result,
    estimated_result,
    put_results,
    rejected_result,
    strange_result,
)

UNSURE = {"spiral": 0.5, "edge_on": 0.3, "round_smooth": 0.2}
EVIL = "n1/[red]\x1b[2J.png"


@pytest.fixture
def some(store: Store) -> list[Result]:
    """Four results in key order; one of a hostile key."""
    results = [
        classified_result("a.png"),
        classified_result(EVIL),
        classified_result("n1/b.png", probabilities=UNSURE),
        rejected_result("n1/c.txt"),
    ]
    put_results(store, *results)
    return results


@pytest.fixture
def results(cli: Cli, store: Store) -> Cli:
    """The command line at the store's buckets."""
    return cli.at(store.settings)


def test_the_table_shows_class_confidence_doubt_and_reason(results: Cli, some: list[Result]) -> None:
    """One line a result, in key order; a rejected file says why."""
    lines = results("results", "n1/").stdout.splitlines()
    assert lines[0].split() == ["key", "class", "confidence", "mark", "model", "status"]
    assert lines[2].split() == ["n1/b.png", "spiral", "0.500", "unsure", "3", "classified"]
    assert lines[3].split(maxsplit=1) == ["n1/c.txt", "rejected: This is no image."]
    assert len(lines) == 4


def test_the_table_marks_what_is_no_galaxy(results: Cli, store: Store) -> None:
    """It stands where doubt does, which it outweighs."""
    put_results(store, strange_result("n3/cat.png"))
    assert results("results", "n3/").stdout.splitlines()[1].split()[2:6] == ["0.900", "no", "galaxy", "3"]


def test_the_table_shows_values(results: Cli, store: Store) -> None:
    """What a task that is no classification gives stands in place of the class, the first few of many."""
    put_results(store, estimated_result("n2/a.png"), estimated_result("n2/b.png", {"a": 1.0, "b": 2.0, "c": 3.0}))
    lines = results("results", "n2/").stdout.splitlines()
    assert "inclination (deg) -77.5, axis ratio 0.25" in lines[1] and lines[1].endswith("3  classified")
    assert lines[2].split() == ["n2/b.png", "a", "1,", "b", "2,", "…", "3", "classified"]


def test_a_further_model_has_a_column(results: Cli, store: Store) -> None:
    """In the table and while watching, where an image has a line that no other model has judged, but does not count."""
    further, two = Store(settings_for(store.settings, "hue")), {"SERVED_MODELS": "hue"}
    put_results(store, classified_result("n4/b.png"))
    put_results(further, *(estimated_result(f"n4/{name}.png", {"hue": 0.5}) for name in "ab"), rejected_result("n4/c"))
    lines = results("results", "n4/", **two).stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["key", "class", "confidence", "mark", "model", "status", "hue"],
        ["n4/a.png", "hue", "0.5"],
        ["n4/b.png", "spiral", "0.900", "3", "classified", "hue", "0.5"],
        ["n4/c", "rejected:", "not_an_image"],
    ]
    watched = results("results", "n4/", "--watch", "--until", "1", **two).stdout.splitlines()
    assert sorted(line.split() for line in watched) == [line.split() for line in lines[1:]]
    told = results("results", "n4/", "--json", **two).stdout.splitlines()
    assert [json.loads(line)["status"] for line in told] == [None, "classified", None]


@pytest.mark.usefixtures("some")
@pytest.mark.parametrize("option", [[], ["--json"], ["--watch", "--until", "4"], ["--watch", "--json", "--until", "4"]])
def test_a_key_cannot_act_on_the_terminal(results: Cli, option: list[str]) -> None:
    """Control characters in an object key are not printed, and markup in it is text."""
    output = results("results", *option).stdout
    assert "\x1b" not in output
    assert "n1/[red]" in output


def test_json_is_one_stored_result_a_line(results: Cli, some: list[Result]) -> None:
    """The lines are the results as they are stored, exactly."""
    lines = results("results", "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == some


@pytest.mark.usefixtures("some")
def test_csv_is_read_by_pandas(results: Cli) -> None:
    """The output is a table of all results."""
    table = pandas.read_csv(io.StringIO(results("results", "--csv").stdout))
    assert list(table["p_spiral"][:1]) == [0.9] and len(table) == 4


@pytest.mark.usefixtures("some")
def test_votable_is_written_to_a_file(results: Cli, tmp_path: Path) -> None:
    """--output takes the place of standard output."""
    done = results("results", "--votable", "--output", tmp_path / "galaxies.vot")
    assert (done.exit_code, done.stdout) == (0, "")
    assert len(parse_single_table(tmp_path / "galaxies.vot").to_table()) == 4


def test_parquet_is_written_to_a_file(results: Cli, some: list[Result], tmp_path: Path) -> None:
    """--parquet takes every result, also of hostile keys, as it is stored."""
    done = results("results", "--parquet", "--output", tmp_path / "galaxies.parquet")
    assert (done.exit_code, done.stdout) == (0, "")
    assert list(pandas.read_parquet(tmp_path / "galaxies.parquet")["key"]) == [each["image"]["key"] for each in some]


@pytest.mark.usefixtures("some")
def test_a_package_that_is_missing_is_named(results: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyarrow the command says what to install, and leaves no file."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = results("results", "--parquet", "--output", tmp_path / "galaxies.parquet")
    assert (done.exit_code, done.stderr) == (1, "error: Parquet needs pyarrow / pip install 'cosmoformer[parquet]'\n")
    assert not (tmp_path / "galaxies.parquet").exists()


@pytest.mark.usefixtures("some")
def test_a_failure_leaves_the_older_file_alone(results: Cli, tmp_path: Path) -> None:
    """The file is replaced when all results have been read, not before."""
    file = tmp_path / "galaxies.csv"
    file.write_text("older")
    assert results("results", "--csv", "--output", file, RESULTS_BUCKET="no-such-bucket").exit_code == 1
    assert file.read_text() == "older"


def test_no_results_are_no_failure(results: Cli) -> None:
    """An empty bucket is told of in words."""
    done = results("results", "n1/")
    assert (done.exit_code, done.stdout) == (0, "no results under 'n1/'\n")


@pytest.mark.parametrize(
    "options",
    [
        ["--watch", "--csv"],
        ["--watch", "--parquet", "--output", "x"],
        ["--until", "3"],
        ["--output", "x"],
        ["--parquet"],
        ["--fits"],
        ["--match", __file__],
        ["--csv", "--radius", "2"],
        ["--csv", "--column", "ra=x"],
        ["--csv", "--match", __file__, "--column", "survey=x"],
        ["--csv", "--since", "yesterday"],
        ["--watch", "--since", "2026-01-01"],
        ["--json", "--watch", "--output", "x"],
    ],
)
def test_options_that_do_not_go_together_are_a_usage_error(results: Cli, options: list[str]) -> None:
    """Nothing is asked for that would not be given."""
    assert results("results", *options).exit_code == 2


def test_watch_shows_new_and_replaced_results_as_they_come(results: Cli, store: Store) -> None:
    """First what is there, then what comes; --until ends it."""
    put_results(store, classified_result("a.png"))

    def classify() -> None:
        time.sleep(1)
        put_results(store, classified_result("a.png", probabilities=UNSURE))
        time.sleep(1)
        put_results(store, classified_result("b.png"))

    classifying = threading.Thread(target=classify)
    classifying.start()
    lines = results("results", "--watch", "--until", "2").stdout.splitlines()
    classifying.join()
    assert [line.split("\t")[:3] for line in lines] == [
        ["a.png", "spiral", "0.900"],
        ["a.png", "spiral", "0.500"],
        ["b.png", "spiral", "0.900"],
    ]


@pytest.mark.usefixtures("some")
def test_ctrl_c_ends_watching_in_peace(results: Cli) -> None:
    """Whoever has seen enough gets no error."""
    command = [sys.executable, "-m", "cosmoformer", "results", "--watch", "--json"]
    with subprocess.Popen(
        command, env=os.environ | results.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as watching:
        assert watching.stdout is not None
        assert [watching.stdout.readline() != b"" for _ in range(4)] == [True] * 4
        watching.send_signal(signal.SIGINT)
        _, errors = watching.communicate(timeout=30)
    assert (watching.returncode, errors) == (0, b"")
