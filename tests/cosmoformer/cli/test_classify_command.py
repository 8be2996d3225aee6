"""``cosmoformer classify`` at the real classify function, with a model of three colours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from cosmoformer.settings import Settings
from cosmoformer.storage.results import ResultsBucket
from cosmoformer.storage.store import Store
from functions.classify.app import build_app
from functions.classify.handler import Handler
from functions.classify.serving import ModelServing
from functions.runtime.store_gate import StoreGate
from tests.cosmoformer.cli.conftest import Cli, served
from tests.cosmoformer.tiny_artifact import hue_artifact, joint_artifact, tiny_artifact


@pytest.fixture
def model() -> bytes:
    """The artifact that is served."""
    return tiny_artifact()


@pytest.fixture
def system(cli: Cli, settings: Settings, model: bytes, tmp_path: Path) -> Iterator[Cli]:
    """The command line at a classify function that loads its model meanwhile."""
    registry, store = Registry(settings), Store(settings)
    register(registry, model, tags={}, alias="champion")
    serving = ModelServing(Settings(**(vars(settings) | {"model_cache_dir": tmp_path / "models"})), registry)
    serving.start()
    handler, gate = Handler(settings, store, ResultsBucket(store), serving), StoreGate(settings, store, needed=())
    with served(build_app(settings, handler, serving, gate)) as url:
        yield cli.at(Settings(**(vars(settings) | {"classify_url": url})))
    serving.stop()


def red_image(path: Path) -> Path:
    """A picture that is mostly red."""
    picture = Image.new("RGB", (16, 16), (200, 10, 10))
    picture.putpixel((0, 0), (0, 0, 255))
    picture.save(path)
    return path


def test_classify_shows_the_probabilities_of_a_file(system: Cli, tmp_path: Path) -> None:
    """The class and every probability are shown; a function that still loads its model is waited for."""
    result = system("classify", red_image(tmp_path / "m51.png"))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == f"{tmp_path}/m51.png: red"
    assert [line.split()[0] for line in lines[1:4]] == ["red", "blue", "green"]
    assert lines[4].split(",")[0].split()[-2:] == ["version", "1"]


@pytest.mark.parametrize("model", [joint_artifact(score=True)], ids=["score"])
def test_classify_marks_what_is_no_galaxy(system: Cli, tmp_path: Path) -> None:
    """Of a picture unlike those that the model knows the score is told beside the class; of another one it is not."""
    cat = Image.new("RGB", (16, 16), (50, 40, 40))
    cat.putpixel((0, 0), (90, 40, 40))  # one colour alone is no picture
    cat.save(tmp_path / "cat.png")
    result = system("classify", tmp_path / "cat.png", red_image(tmp_path / "m51.png"))
    heads = [line for line in result.stdout.splitlines() if not line.startswith(" ")]
    assert heads[0].endswith("cat.png: red, unsure (below 0.7), probably no galaxy (in_domain 0.2)")
    assert heads[1].endswith("m51.png: red")


@pytest.mark.parametrize("model", [hue_artifact()], ids=["values"])
def test_classify_shows_the_values_of_a_file(system: Cli, tmp_path: Path) -> None:
    """Of a task that is no classification, its name and its numbers are shown."""
    lines = system("classify", red_image(tmp_path / "m51.png")).stdout.splitlines()
    assert lines[0] == f"{tmp_path}/m51.png: hue"
    rows = dict(line.split() for line in lines[1:3])
    assert list(rows) == ["angle", "excess"] and 40 < float(rows["angle"]) < 45 and float(rows["excess"]) > 15


WAY = """\
  what most volunteers would answer, of those asked:
  smooth-or-featured  smooth             33 %  asked: 100 of 100
  how-rounded         completely round   33 %  asked: 33 of 100
  something-odd       yes                50 %  asked: 67 of 100
  odd-feature         ring               14 %  asked: 33 of 100
"""


@pytest.mark.parametrize("model", [joint_artifact()], ids=["votes"])
def test_classify_shows_the_way_through_the_decision_tree(system: Cli, tmp_path: Path) -> None:
    """Below the classes stand the questions that the most-voted answers lead to, in order; JSON has all of them."""
    output = system("classify", red_image(tmp_path / "m51.png")).stdout
    assert output.startswith(f"{tmp_path}/m51.png: red\n") and WAY in output
    told = json.loads(system("classify", "--json", tmp_path / "m51.png").stdout)
    assert len(told["result"]["prediction"]["votes"]) == 11


@pytest.mark.parametrize("model", [joint_artifact(classes=())], ids=["votes"])
def test_classify_shows_votes_without_classes(system: Cli, tmp_path: Path) -> None:
    """Of a model that gives votes and a value and no class, the value stands above the way."""
    lines = system("classify", red_image(tmp_path / "m51.png")).stdout.splitlines()
    assert lines[0] == f"{tmp_path}/m51.png: colour" and lines[1].split()[0] == "angle"
    assert "\n".join(lines[2:7]) + "\n" == WAY


@pytest.mark.parametrize("model", [hue_artifact()], ids=["values"])
def test_numbers_that_are_not_finite_are_no_result(system: Cli, tmp_path: Path) -> None:
    """A picture of which the model gives infinity is named with the reason, and another one is judged as before."""
    pure = Image.new("RGB", (16, 16), (200, 10, 0))
    pure.putpixel((0, 0), (0, 0, 0))
    pure.save(tmp_path / "pure.png")
    result = system("classify", tmp_path / "pure.png", red_image(tmp_path / "m51.png"))
    assert result.exit_code == 1 and "gives inf for 'excess'; expected a finite number" in result.stderr
    assert "m51.png: hue" in result.stdout


def test_classify_tells_what_is_no_picture_and_goes_on(system: Cli, tmp_path: Path) -> None:
    """Each file that is not classified is named with the reason; the exit status is 1."""
    (tmp_path / "notes").write_text("hello")
    result = system("classify", tmp_path / "notes", red_image(tmp_path / "m51.png"))
    assert result.exit_code == 1
    assert "notes: rejected: This is no image" in result.stderr
    assert "m51.png: red" in result.stdout
    assert result.stderr.endswith("error: 1 of 2 files were not classified\n")


def test_classify_draws_what_the_model_looked_at(system: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--explain draws each file's heat map into the current folder; --of says which output it is of."""
    monkeypatch.chdir(tmp_path)
    result = system("classify", "--explain", "--of", "blue", red_image(tmp_path / "m51.png"))
    assert result.exit_code == 0, result.output
    assert "m51.png.explained.png: what spoke for blue in orange" in result.stdout
    with Image.open("m51.png.explained.png") as drawing:
        assert drawing.format == "PNG"
    refused = system("classify", "--explain", "--of", "pink", tmp_path / "m51.png")
    assert (refused.exit_code, "not explained: the model has no output 'pink'" in refused.stderr) == (1, True)
    assert "m51.png: red" in refused.stdout  # the class is told all the same


@pytest.mark.parametrize("options", [["--of", "red"], ["--explain", "--of", "no"]])
def test_classify_explains_no_answer_that_is_none(system: Cli, tmp_path: Path, options: list[str]) -> None:
    """A mistake in the options is told before anything is sent."""
    result = system("classify", *options, red_image(tmp_path / "m51.png"))
    assert (result.exit_code, "--of" in result.stderr) == (2, True)


def test_classify_gives_json_lines(system: Cli, tmp_path: Path) -> None:
    """Each line has the file's name and its result, as it would be stored, or its error."""
    (tmp_path / "notes.png").write_text("hello")
    files = [red_image(tmp_path / "m51.png"), tmp_path / "notes.png"]
    lines = [json.loads(line) for line in system("classify", "--json", *files).stdout.splitlines()]
    assert [line["file"] for line in lines] == [str(file) for file in files]
    assert lines[0]["result"]["prediction"]["class"] == "red"
    assert lines[0]["result"]["event"]["source"] == "urn:cosmoformer:cli"
    assert lines[1]["result"]["rejection"]["code"] == "not_an_image"
    broken = system("classify", "--json", files[0], CLASSIFY_URL="http://127.0.0.1:9")
    assert "does not answer" in json.loads(broken.stdout)["error"]
