"""Catalogues of rendered galaxies: the same file for a seed, with all that training and a reader of it need."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from pyarrow import parquet

from cosmoformer.render.__main__ import main
from cosmoformer.render.catalogue import COLUMNS, write_catalogue


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("catalogue") / "new" / "inclination.parquet"
    write_catalogue(path, 60, seed=3, size=48)
    return path


def test_a_catalogue_says_what_is_in_its_pictures(file: Path) -> None:
    """Each row has a picture of the size that was asked for, a split, and each fact as a finite number in its range."""
    table = parquet.read_table(file)
    assert table.column_names == ["uid", "split", *(fact.name for fact in COLUMNS), "image"]
    assert table.schema.field("inclination").metadata[b"unit"] == b"deg"
    rows = table.to_pylist()
    assert len({row["uid"] for row in rows}) == 60
    assert {row["split"] for row in rows} == {"train", "val", "test"}
    for row in rows:
        picture = Image.open(io.BytesIO(row["image"]))
        assert (picture.size, picture.mode) == ((48, 48), "RGB")
        assert np.isfinite([row[fact.name] for fact in COLUMNS]).all()
        assert 0 <= row["inclination"] <= 90 and row["thickness"] <= row["axis_ratio"] <= 1
        cosine = np.cos(np.radians(row["inclination"]))
        squared = (row["axis_ratio"] ** 2 - row["thickness"] ** 2) / (1 - row["thickness"] ** 2)
        assert squared == pytest.approx(cosine**2, abs=1e-5)


def test_a_seed_gives_the_same_file_whoever_draws(tmp_path: Path) -> None:
    """One process and three write the same bytes; another seed writes others; a longer catalogue begins with the shorter one."""
    told: list[int] = []
    write_catalogue(tmp_path / "one.parquet", 510, seed=1, size=16)
    write_catalogue(tmp_path / "three.parquet", 510, seed=1, size=16, workers=3, done=told.append)
    write_catalogue(tmp_path / "short.parquet", 5, seed=1, size=16)
    write_catalogue(tmp_path / "other.parquet", 5, seed=2, size=16)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "three.parquet").read_bytes()
    assert told == [250, 500, 510]
    images = {
        name: parquet.read_table(tmp_path / f"{name}.parquet")["image"].to_pylist()
        for name in ("one", "short", "other")
    }
    assert images["one"][:5] == images["short"] and not set(images["short"]) & set(images["other"])


def test_nothing_stands_there_until_it_is_whole(tmp_path: Path) -> None:
    """A catalogue whose drawing fails leaves the file that was there before."""
    path = tmp_path / "inclination.parquet"
    path.write_bytes(b"before")

    def fail(written: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_catalogue(path, 5, size=16, done=fail)
    assert path.read_bytes() == b"before"


def test_the_command_writes_a_catalogue(tmp_path: Path) -> None:
    """It says how many galaxies it wrote, and where; a folder alone still draws pictures."""
    path = tmp_path / "out.parquet"
    result = CliRunner().invoke(
        main, ["catalogue", "--count", "7", "--out", str(path), "--size", "16", "--workers", "1"]
    )
    assert result.exit_code == 0 and "7 galaxies" in result.output
    assert parquet.read_table(path).num_rows == 7
    result = CliRunner().invoke(main, ["--foreign", "1", str(tmp_path / "pictures")])
    assert result.exit_code == 0 and len(list((tmp_path / "pictures").iterdir())) == len(result.output.splitlines())
    result = CliRunner().invoke(main, ["--help"])
    assert "catalogue" in result.output and "pictures" in result.output
