"""Tables that people bring are read, whatever astronomers' tools wrote them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow
import pytest
from astropy.table import MaskedColumn, Table
from pyarrow import parquet

from cosmoformer.errors import InvalidRequest
from cosmoformer.storage.catalogues import SUFFIXES, read_catalogue

IDENTIFIER = 1237648720693755918  # more digits than a double has


def catalogue() -> Table:
    """Two objects; of the second no place is known."""
    table = Table({"file": ["a.jpg", "käse.fits"], "objid": [IDENTIFIER, IDENTIFIER + 1]})
    table["ra"] = MaskedColumn([184.5, 0], mask=[False, True], unit="deg")
    return table


def write(table: Table, path: Path) -> Path:
    """The table in a file of the format that its suffix says."""
    if path.suffix == ".parquet":
        columns = {name: [None if cell is np.ma.masked else cell for cell in table[name]] for name in table.colnames}
        parquet.write_table(pyarrow.table(columns), path)
        return path
    form = {".csv": "ascii.csv", ".tsv": "ascii.tab", ".ecsv": "ascii.ecsv"}.get(path.suffix)
    if ".fit" in path.name:  # which has no text beyond ASCII
        table["file"] = ["a.jpg", "b.fits"]
    table.write(path, format=form or ("fits" if ".fit" in path.name else "votable"))
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_gives_the_same_cells(tmp_path: Path, suffix: str) -> None:
    """Texts are texts, identifiers keep all their digits, and empty cells are masked."""
    table = read_catalogue(write(catalogue(), tmp_path / f"objects{suffix}"))
    assert [str(name) for name in table["file"]] in (["a.jpg", "käse.fits"], ["a.jpg", "b.fits"])
    assert [int(number) for number in table["objid"]] == [IDENTIFIER, IDENTIFIER + 1]
    assert table["ra"][0] == 184.5 and np.ma.is_masked(table["ra"][1])


def test_csv_cells_can_be_had_as_they_stand(tmp_path: Path) -> None:
    """An identifier keeps its zeros; a byte order mark, quotes and line breaks in cells do no harm."""
    path = tmp_path / "objects.csv"
    path.write_bytes(b'\xef\xbb\xbffile,objid\na.jpg,007\n"b, c.jpg",\n"caf\xe9.jpg",1\n')
    table = read_catalogue(path, as_text=True)
    assert table.colnames == ["file", "objid"]
    assert list(table["file"]) == ["a.jpg", "b, c.jpg", "caf\ufffd.jpg"]
    assert table["objid"][0] == "007" and np.ma.is_masked(table["objid"][1])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"\x00\xff\x00" * 100, b"<VOTABLE>", b"a,b\n1,2,3\n"])
def test_what_is_no_table_is_told_in_one_line(tmp_path: Path, suffix: str, content: bytes) -> None:
    """Whatever a library raises, the message names the file."""
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    if suffix in (".csv", ".tsv") and (content[:1] == b"<" or (suffix, content[:1]) == (".tsv", b"a")):
        assert len(read_catalogue(path).colnames) == 1  # as good a heading as any
        return
    with pytest.raises(InvalidRequest, match=f"broken{suffix} cannot be read as a table: ") as raised:
        read_catalogue(path)
    assert "\n" not in raised.value.detail


def test_another_suffix_is_no_table(tmp_path: Path) -> None:
    """The message names those that are."""
    with pytest.raises(InvalidRequest, match=r"objects.txt is no table: expected .*\.csv.*\.parquet"):
        read_catalogue(tmp_path / "objects.txt")


def test_a_table_of_headings_has_no_rows(tmp_path: Path) -> None:
    """It is read, and tells nothing."""
    (tmp_path / "empty.csv").write_text("file,ra\n")
    assert len(read_catalogue(tmp_path / "empty.csv", as_text=True)) == 0
