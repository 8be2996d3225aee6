"""``cosmoformer results`` into files: joined on the sky, of a time, and gone on with after an interruption."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas
import pytest
from astropy.table import Table
from astropy.time import Time

from cosmoformer.storage.results import Result, ResultsBucket
from cosmoformer.storage.spool import Spool
from cosmoformer.storage.store import Store
from tests.cosmoformer.cli.conftest import Cli
from tests.cosmoformer.sample_results import classified_result, located_result, put_results, rejected_result


@pytest.fixture
def some(store: Store) -> list[Result]:
    """Three results in key order; of one its place is known."""
    made = [classified_result("a.png"), located_result("b.fits"), rejected_result("c.txt")]
    put_results(store, *made)
    return made


@pytest.fixture
def results(cli: Cli, store: Store) -> Cli:
    """The command line at the store's buckets."""
    return cli.at(store.settings)


@pytest.mark.usefixtures("some")
def test_fits_is_written_to_a_file(results: Cli, tmp_path: Path) -> None:
    """A table that astropy reads, and nothing beside it."""
    done = results("results", "--fits", "--output", tmp_path / "galaxies.fits")
    assert (done.exit_code, done.output) == (0, "")
    assert list(Table.read(tmp_path / "galaxies.fits")["key"]) == ["a.png", "b.fits", "c.txt"]
    assert [file.name for file in tmp_path.glob("galaxies*")] == ["galaxies.fits"]


@pytest.mark.usefixtures("some")
@pytest.mark.parametrize("form", ["csv", "fits", "parquet", "votable"])
def test_results_are_joined_with_a_catalogue_on_the_sky(results: Cli, tmp_path: Path, form: str) -> None:
    """Its columns follow in every format; results without a partner stay."""
    (tmp_path / "others.csv").write_text("name,RAJ2000,DEJ2000,key\nVirgo A,187.7060,12.3911,7\nX,1,2,8\n")
    file = tmp_path / f"joined.{form}"
    done = results("results", f"--{form}", "--output", file, "--match", tmp_path / "others.csv")
    assert done.exit_code == 0, done.output
    if form == "csv":
        table = pandas.read_csv(file)
    elif form == "parquet":
        table = pandas.read_parquet(file)
    else:
        read = Table.read(file, format=form)
        read.convert_bytestring_to_unicode()
        table = read.to_pandas()
    assert table["separation"][1] == pytest.approx(0.3516, abs=1e-3) and pandas.isna(table["separation"][0])
    assert (table["name"][1], table["match_key"][1], table["key"][1]) == ("Virgo A", 7, "b.fits")


@pytest.mark.usefixtures("some")
def test_a_join_can_be_had_as_json(results: Cli, tmp_path: Path) -> None:
    """The row stands in a member of its own; --radius is a bound."""
    (tmp_path / "others.csv").write_text("name,ra,dec\nVirgo A,187.7060,12.3911\n")
    lines = results("results", "--json", "--match", tmp_path / "others.csv").stdout.splitlines()
    assert json.loads(lines[1])["match"] == {"name": "Virgo A", "ra": 187.706, "dec": 12.3911}
    assert json.loads(lines[0])["match"] is None
    lines = results("results", "--json", "--match", tmp_path / "others.csv", "--radius", "0.3").stdout.splitlines()
    assert json.loads(lines[1])["match"] is None


@pytest.mark.parametrize("content", ["name,ra\nx,1\n", ""])
@pytest.mark.usefixtures("some")
def test_a_catalogue_that_cannot_be_joined_is_one_line(results: Cli, tmp_path: Path, content: str) -> None:
    """No file is left."""
    (tmp_path / "others.csv").write_text(content)
    done = results("results", "--csv", "--output", tmp_path / "x.csv", "--match", tmp_path / "others.csv")
    assert done.exit_code == 1 and done.stderr.count("\n") == 1 and "error: " in done.stderr
    assert not (tmp_path / "x.csv").exists()


@pytest.mark.usefixtures("some")
def test_a_catalogue_with_times_is_refused_before_anything_is_read(results: Cli, tmp_path: Path) -> None:
    """Its columns are named in one line, and nothing is left."""
    seen = Table({"ra": [187.7], "dec": [12.4], "seen": Time(["2026-01-01"])})
    seen.write(tmp_path / "others.ecsv")
    done = results("results", "--csv", "--output", tmp_path / "x.csv", "--match", tmp_path / "others.ecsv")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "columns seen (Time) cannot stand" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("x.csv")] == []


@pytest.mark.usefixtures("some")
def test_a_file_in_the_spools_place_is_kept(results: Cli, tmp_path: Path) -> None:
    """Somebody else's stays and is named; what another command had read is read anew, and that is said."""
    file, part = tmp_path / "x.csv", tmp_path / "x.csv.part"
    part.write_text("my notes")
    done = results("results", "--csv", "--output", file)
    assert (done.exit_code, done.stderr.count("\n"), part.read_text()) == (1, 1, "my notes")
    assert "x.csv.part is there and was not written by cosmoformer" in done.stderr
    part.unlink()
    with Spool.at(part, {"prefix": "other/"}):
        pass
    done = results("results", "--csv", "--output", file)
    assert (done.exit_code, file.exists(), part.exists()) == (0, True, False)
    assert "x.csv.part held what another command had read: all is read anew" in done.stderr


def test_since_takes_what_is_new(results: Cli, store: Store, some: list[Result]) -> None:
    """By the time at which a result was finished, not that of its object; a day is its first moment."""
    later = classified_result("d.png") | {"finished": "2099-01-01T00:00:00.000Z"}
    put_results(store, later, some[0] | {"finished": "2020-01-01T00:00:00.000Z"})
    for since in ("2099-01-01", "2098-12-31T23:30:00Z", "2099-01-01T01:00:00+01:00"):
        lines = results("results", "--json", "--since", since).stdout.splitlines()
        # Objects of today are older than results of tomorrow would be: only a store whose clock is ahead has such.
        assert lines == [], since
    lines = results("results", "--json", "--since", "2021-01-01").stdout.splitlines()
    assert [json.loads(line)["image"]["key"] for line in lines] == ["b.fits", "c.txt", "d.png"]
    assert "a.png" not in results("results", "--since", "2021-01-01").stdout


def test_an_interrupted_export_is_gone_on_with(
    results: Cli, store: Store, some: list[Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read is kept beside the file, and said; the same command reads the rest only."""
    file, everything, begun = tmp_path / "galaxies.csv", ResultsBucket.all, list[dict[str, Any]]()

    def interrupted(self: ResultsBucket, prefix: str = "", **options: Any) -> Any:
        begun.append(options)
        for result in everything(self, prefix, **options):
            if result["image"]["key"] == "c.txt":
                raise KeyboardInterrupt
            yield result

    with monkeypatch.context() as patched:
        patched.setattr(ResultsBucket, "all", interrupted)
        done = results("results", "--csv", "--output", file)
    assert done.exit_code == 1 and not file.exists()
    assert "2 results are kept in galaxies.csv.part: the same command goes on from there" in done.stderr
    put_results(store, some[0] | {"seconds": 77})
    assert results("results", "--csv", "--output", file).exit_code == 0
    assert list(pandas.read_csv(file)["key"]) == ["a.png", "b.fits", "c.txt"]
    assert pandas.read_csv(file)["seconds"][0] != 77, "what was read is not read again"
    assert not (tmp_path / "galaxies.csv.part").exists()
    results("results", "--csv", "--output", file)
    assert pandas.read_csv(file)["seconds"][0] == 77, "a new export reads all anew"
