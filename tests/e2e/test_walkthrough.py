"""The walk-through of the documents, typed to the letter: from cut-outs with a sky to a matched table."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table

from tests.e2e.running_system import RunningSystem

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "walkthrough.md").read_text(encoding="utf-8")


def test_the_walk_through_ends_in_a_matched_table(system: RunningSystem, tmp_path: Path) -> None:
    """Every command succeeds, every galaxy is where its file says, and each has the partner that is there."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    environment = system.environment | {"PYTHONPATH": str(ROOT)}
    printed = ""
    for language, block in re.findall(r"^```(sh|python)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL):
        lines = [["-c", block]] if language == "python" else [_argv(line) for line in block.splitlines()]
        for line in lines:
            done = subprocess.run(
                [sys.executable, *line], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400
            )
            assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
            printed += done.stdout
    assert "100 galaxies, 90 with a partner" in printed
    galaxies, other = Table.read(tmp_path / "galaxies.vot"), Table.read(tmp_path / "cutouts.csv")
    partners = {f"CF{int(name.removeprefix('OTHER-')):03}": row for name, row in zip(other["name"], other, strict=True)}
    for galaxy in galaxies:
        row = partners.get(galaxy["object_id"])
        assert np.ma.is_masked(galaxy["separation"]) is (row is None)
        if row is not None:
            assert galaxy["redshift"] == row["redshift"]
            here = SkyCoord(galaxy["ra"], galaxy["dec"], unit="deg")
            there = SkyCoord(row["ra"], row["dec"], unit="deg")
            assert abs(here.separation(there).arcsec - galaxy["separation"]) < 0.01
    numbers = [int(name.removeprefix("CF")) for name in galaxies["object_id"]]
    assert sorted(numbers) == list(range(100))
    assert np.allclose(galaxies["ra"], [180 + 0.02 * (number % 10) for number in numbers], atol=1e-4)
    assert np.allclose(galaxies["pixel_scale"], 0.4, atol=1e-3)


def _argv(line: str) -> list[str]:
    program, *rest = shlex.split(line)
    return rest if program == "python" else ["-m", program, *rest]
