"""The documents for those who work on the project: what they name exists, and what they show runs."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cosmoformer.local.process import free_port
from cosmoformer.models.bundled import BUNDLED
from tests.cosmoformer.sample_results import classified_result
from tests.e2e.running_system import wait_until

ROOT = Path(__file__).parents[1]
SAMPLES = Path(str(BUNDLED)) / "samples"
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def test_every_path_of_the_architecture_exists() -> None:
    """A file that moves is moved on the page too."""
    named = set(re.findall(r"`([\w./*-]+/[\w./*-]*)`", ARCHITECTURE))
    assert len(named) > 40
    assert [path for path in sorted(named) if not list(ROOT.glob(path.rstrip("/")))] == []


def test_every_room_is_on_the_page() -> None:
    """Each package of the project has a row, or is named within one, and says itself what it is for."""
    for init in sorted(ROOT.glob("*/*/__init__.py")):
        room = init.parent
        if room.parent.name in ("cosmoformer", "functions", "training"):
            assert f"{room.name}" in ARCHITECTURE, room
            assert ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))), room


def test_commands_of_the_makefile_exist() -> None:
    """What CONTRIBUTING.md says to make is a target."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z-]+)", text)) <= targets


def run(*argv: str, cwd: Path = ROOT) -> str:
    done = subprocess.run([sys.executable, *argv], cwd=cwd, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_folder_is_classified(tmp_path: Path) -> None:
    """Every sample gets a class, and what is no picture its reason."""
    for sample in SAMPLES.glob("*.jpg"):
        (tmp_path / sample.name).write_bytes(sample.read_bytes())
    (tmp_path / "notes.txt").write_text("no picture")
    lines = run(str(ROOT / "examples/classify_folder.py"), str(tmp_path)).splitlines()
    assert len(lines) == 9
    assert any(re.match(r"round_smooth\.jpg +round_smooth 0\.\d{3}", line) for line in lines)
    assert any(line.startswith("notes.txt") and "not_an_image" in line for line in lines)


def test_a_subscriber_is_told_of_results(tmp_path: Path) -> None:
    """It takes the event that classify replies with, and refuses what is none."""
    port, result = str(free_port()), tmp_path / "result.json"
    result.write_text(json.dumps(classified_result("m51.png")))
    example = str(ROOT / "examples/subscribe.py")
    with (tmp_path / "out").open("wb") as out:
        subscriber = subprocess.Popen([sys.executable, example, "--port", port], cwd=ROOT, stdout=out, stderr=out)
    try:
        sent = wait_until(lambda: _sent(example, port, result), 30, "the subscriber answers")
        assert sent == "204\n"
        wait_until(lambda: "m51.png: spiral" in (tmp_path / "out").read_text(), 10, "the result is printed")
    finally:
        subscriber.terminate()
        subscriber.wait(10)


def _sent(example: str, port: str, result: Path) -> str:
    argv = [sys.executable, example, "--port", port, "--send", str(result)]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.slow
def test_own_labels_are_trained_on(tmp_path: Path) -> None:
    """Two classes of one's own become a model that classifies here."""
    from PIL import Image

    for name in ("round_smooth", "two_armed_spiral"):
        (tmp_path / "data" / name).mkdir(parents=True)
        with Image.open(SAMPLES / f"{name}.jpg") as image:
            for turn in range(12):
                image.rotate(30 * turn).resize((64, 64)).save(tmp_path / "data" / name / f"{turn}.jpg")
    options = (
        "--set",
        "epochs=1",
        "--set",
        "batch_size=4",
        "--set",
        "image_size=64",
        "--set",
        "foreign_pictures=20",
        "--cache",
        str(tmp_path / "cache"),
    )
    out = run(str(ROOT / "examples/own_labels.py"), str(tmp_path / "data"), str(tmp_path / "runs/mine"), *options)
    assert "trained on round_smooth, two_armed_spiral" in out


def test_every_example_is_run_by_a_test() -> None:
    """`results_table.py` by the whole-system tests, `cutouts.py` by that of the walk-through, the others here."""
    places = (Path(__file__), ROOT / "tests/e2e/test_system.py", ROOT / "docs/walkthrough.md")
    run = "".join(path.read_text(encoding="utf-8") for path in places)
    assert [path.name for path in EXAMPLES if f"examples/{path.name}" not in run] == []
