"""Importing training runs into a real MLflow server."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cosmoformer.errors import ModelRefused, PermanentError, RegistryUnavailable
from cosmoformer.models import artifact
from cosmoformer.models.registry import Registry
from cosmoformer.runs.folder import METRICS_FILE, RUN_FILE, artifact_files, milliseconds
from cosmoformer.runs.importing import RunImport, import_size
from cosmoformer.runs.registration import register_run
from cosmoformer.settings import load
from tests.cosmoformer.published_runs import finished_run
from tests.cosmoformer.recorded_runs import (
    artifacts_in_mlflow,
    points_in_mlflow,
    points_on_disk,
    recorded,
    run_in_mlflow,
    runs_of,
    with_model,
)
from training.loop.record import RunRecord

IMPORT_AND_DIE = """
import os, signal, sys
from pathlib import Path
from cosmoformer.models.registry import Registry
from cosmoformer.runs.importing import RunImport
from cosmoformer.settings import load

def advance(done):
    if done >= int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

RunImport(Registry(load()), Path(sys.argv[1]), advance)()
"""


def pairs(entries: list[dict[str, Any]]) -> dict[str, str]:
    """MLflow's parameters or tags as a mapping."""
    return {entry["key"]: entry["value"] for entry in entries}


def assert_whole(registry: Registry, folder: Path, run_id: str) -> None:
    """MLflow has every value with step and time, and every artifact byte for byte."""
    assert points_in_mlflow(registry, run_id) == points_on_disk(folder)
    content = {name: path.read_bytes() for name, path in artifact_files(folder)}
    assert artifacts_in_mlflow(registry, run_id, list(content)) == content


def test_a_finished_run_is_imported_whole(registry: Registry, tmp_path: Path) -> None:
    """Parameters, tags, every value with its step and time, every file, status and times; the data set and the commit, too."""
    record = recorded(tmp_path)
    record.artifact(("card.md", b"# A card"))
    record.finish("FINISHED")
    done = RunImport(registry, tmp_path)()
    run = run_in_mlflow(registry, done.run_id)
    assert_whole(registry, tmp_path, done.run_id)
    assert (done.values, done.files) == (2 * 30 + 2 * 3, 4)
    about = run["info"]
    assert (about["run_name"], about["status"]) == ("a run", "FINISHED")
    assert about["start_time"] == milliseconds(record.info.started)
    assert record.info.ended and about["end_time"] == milliseconds(record.info.ended)
    assert pairs(run["data"]["params"]) == record.info.params
    assert pairs(run["data"]["tags"]).items() >= record.info.tags.items()
    assert pairs(run["data"]["tags"])["mlflow.note.content"] == "# A card"
    (data_set,) = run["inputs"]["dataset_inputs"]
    assert (data_set["dataset"]["name"], data_set["dataset"]["digest"]) == ("colour", "0123abcd")
    assert (
        done.url == f"{registry.settings.mlflow_tracking_uri}/#/experiments/{about['experiment_id']}/runs/{done.run_id}"
    )


def test_a_second_import_adds_nothing(registry: Registry, tmp_path: Path) -> None:
    """By another process or the same: one run, the same values, nothing sent."""
    recorded(tmp_path).finish("FINISHED")
    importer = RunImport(registry, tmp_path)
    first = importer()
    before = run_in_mlflow(registry, first.run_id)
    for again in (importer, RunImport(registry, tmp_path)):
        second = again()
        assert (second.run_id, second.values, second.files) == (first.run_id, 0, 0)
    assert run_in_mlflow(registry, first.run_id) == before
    assert_whole(registry, tmp_path, first.run_id)
    assert len(runs_of(registry, first.info.id)) == 1


def test_two_imports_at_once_make_one_run(registry: Registry, tmp_path: Path) -> None:
    """A mirror and a person who imports the same folder do not get in each other's way."""
    record = recorded(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: RunImport(registry, tmp_path)(), range(4)))
    assert len({one.run_id for one in done}) == 1 == len(runs_of(registry, record.info.id))
    assert sorted(one.values for one in done) == [0, 0, 0, 66]
    assert_whole(registry, tmp_path, done[0].run_id)


def test_a_run_under_way_is_completed_later(registry: Registry, tmp_path: Path) -> None:
    """Each import brings what was added, among it a file that was replaced by one of the same size; the end comes last."""
    record = recorded(tmp_path)
    first = RunImport(registry, tmp_path)()
    assert run_in_mlflow(registry, first.run_id)["info"]["status"] == "RUNNING"
    record.log(31, {"train/loss": 0.01})
    record.artifact(("checkpoint.pt", bytes(reversed(range(255))) * 9000))
    record.finish("FINISHED")
    second = RunImport(registry, tmp_path)()
    assert (second.run_id, second.values, second.files) == (first.run_id, 1, 1)
    assert run_in_mlflow(registry, first.run_id)["info"]["status"] == "FINISHED"
    assert_whole(registry, tmp_path, first.run_id)


def test_half_a_line_waits_for_its_other_half(registry: Registry, tmp_path: Path) -> None:
    """An import in the middle of a write takes the whole lines, the next one the rest."""
    recorded(tmp_path)
    line = b'{"step": 31, "time": 1700000000000, "metrics": {"train/loss": 7.0}}\n'
    for part, sent in ((line[:20], 66), (line[20:], 1)):
        with (tmp_path / METRICS_FILE).open("ab") as file:
            file.write(part)
        done = RunImport(registry, tmp_path)()
        assert done.values == sent
    assert_whole(registry, tmp_path, done.run_id)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_an_interrupted_import_is_completed(registry: Registry, tmp_path: Path, share: float) -> None:
    """Killed among the metrics or in the middle of a file, an import leaves nothing doubled and nothing out."""
    record = recorded(tmp_path, steps=1500)
    record.finish("FINISHED")
    settings = registry.settings
    environment = {"MLFLOW_TRACKING_URI": settings.mlflow_tracking_uri, "MODEL_NAME": settings.model_name}
    limit = str(int(share * import_size(tmp_path)))
    argv = [sys.executable, "-c", IMPORT_AND_DIE, str(tmp_path), limit]
    killed = subprocess.run(argv, env=os.environ | environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    (run_id,) = runs_of(registry, record.info.id)
    assert run_in_mlflow(registry, run_id)["info"]["status"] == "RUNNING"
    done = RunImport(registry, tmp_path)()
    assert done.run_id == run_id and done.values < 2 * 1500 + 2 * 150
    assert_whole(registry, tmp_path, run_id)
    assert run_in_mlflow(registry, run_id)["info"]["status"] == "FINISHED"


def test_steps_that_a_resumed_run_writes_again_are_not_doubled(registry: Registry, tmp_path: Path) -> None:
    """MLflow keeps the values that it had before the run was taken back to its checkpoint, and gets those after them."""
    record = recorded(tmp_path, steps=20)
    first = RunImport(registry, tmp_path)()
    before = points_on_disk(tmp_path)["train/loss"]
    record.finish("KILLED")
    record = RunRecord(tmp_path, "a run", {"epochs": "4"}, {})
    record.truncate_after(10)
    for step in range(11, 26):
        record.log(step, {"train/loss": -float(step), "new": float(step)})
        if step == 15:  # an import between: the steps written again go on after it
            assert RunImport(registry, tmp_path)().values == 5
    done = RunImport(registry, tmp_path)()
    assert done.run_id == first.run_id
    points = points_in_mlflow(registry, done.run_id)
    assert points["train/loss"] == before + points_on_disk(tmp_path)["train/loss"][20:]
    assert points["new"] == points_on_disk(tmp_path)["new"]
    run = run_in_mlflow(registry, done.run_id)
    assert (run["info"]["status"], run["info"].get("end_time")) == ("RUNNING", None)
    assert pairs(run["data"]["params"])["epochs"] == "3"
    assert pairs(run["data"]["tags"])["resumed.epochs"] == "4"


def test_figures_that_are_no_numbers_arrive(registry: Registry, tmp_path: Path) -> None:
    """A loss that diverged is told as MLflow tells it, and takes nothing else with it."""
    record = RunRecord(tmp_path, "a run", {}, {})
    record.log(1, {"loss": math.nan, "up": math.inf, "down": -math.inf, "fine": 1.5})
    points = points_in_mlflow(registry, RunImport(registry, tmp_path)().run_id)
    assert math.isnan(points["loss"][0][2])
    largest = sys.float_info.max  # MLflow's infinity
    assert [points[name][0][2] for name in ("up", "down", "fine")] == [largest, -largest, 1.5]


def test_names_that_mlflow_refuses_are_mended(registry: Registry, tmp_path: Path) -> None:
    """Class names with brackets become metric names with underscores; more parameters and figures than one request may have."""
    record = RunRecord(tmp_path, "a run", {f"p({number})": "1" for number in range(250)}, {"a,b": "c"})
    record.log(1, {"f1/smooth (round)": 0.5} | {f"m{number}": 0.0 for number in range(2100)})
    done = RunImport(registry, tmp_path)()
    data = run_in_mlflow(registry, done.run_id)["data"]
    assert done.values == len(data["metrics"]) == 2101
    assert "f1/smooth _round_" in {metric["key"] for metric in data["metrics"]}
    assert len(data["params"]) == 250 and pairs(data["tags"])["a_b"] == "c"


def test_a_note_that_a_person_wrote_stays(registry: Registry, tmp_path: Path) -> None:
    """The card is the run's description only until somebody edits it."""
    record = recorded(tmp_path)
    record.artifact(("card.md", b"# A card"))
    done = RunImport(registry, tmp_path)()
    registry.post("runs/set-tag", run_id=done.run_id, key="mlflow.note.content", value="mine")
    RunImport(registry, tmp_path)()
    assert pairs(run_in_mlflow(registry, done.run_id)["data"]["tags"])["mlflow.note.content"] == "mine"


def test_a_folder_that_is_no_run_is_refused(registry: Registry, tmp_path: Path) -> None:
    """Before anything is made in MLflow; what is wrong is told."""
    with pytest.raises(PermanentError, match=f"it has no {RUN_FILE}"):
        RunImport(registry, tmp_path)()
    members = json.loads(RunRecord(tmp_path, "a run", {}, {}).info.as_json())
    for wrong in ({"id": "x'y"}, {"status": "ASLEEP"}, {"started": "soon"}, {"params": {"epochs": 3}}):
        (tmp_path / RUN_FILE).write_text(json.dumps(members | wrong))
        with pytest.raises(PermanentError, match="is no record of a training run"):
            RunImport(registry, tmp_path)()
    with pytest.raises(RegistryUnavailable):  # 404: there is no such experiment
        runs_of(registry, "")


def test_a_malformed_line_is_named(registry: Registry, tmp_path: Path) -> None:
    """A record that was tampered with is not imported without a word."""
    RunRecord(tmp_path, "a run", {}, {}).log(1, {"loss": 1.0})
    with (tmp_path / METRICS_FILE).open("ab") as file:
        file.write(b'{"step": "two"}\n')
    with pytest.raises(PermanentError, match=r"metrics\.jsonl, line 2: expected"):
        RunImport(registry, tmp_path)()


def test_an_mlflow_that_does_not_answer_is_a_transient_error(tmp_path: Path) -> None:
    """Nobody listening is RegistryUnavailable."""
    recorded(tmp_path)
    with pytest.raises(RegistryUnavailable):
        RunImport(Registry(load({}, mlflow_tracking_uri="http://127.0.0.1:9")), tmp_path)()


def test_a_model_is_registered_from_its_run(registry: Registry, tmp_path: Path) -> None:
    """The version names the run and has the report's tags, labels and card; the report's metrics go to the run, once."""
    record = recorded(tmp_path)
    content = with_model(record, held_out_set="abcd", held_out_right="ff")
    record.log(40, {"test/other": 1.0})
    run_id = RunImport(registry, tmp_path)().run_id
    first = register_run(registry, tmp_path, run_id, check=artifact.load)
    assert first.run_id == run_id
    assert registry.download(first) == content
    (listed,) = registry.versions()
    expected = {"held_out_set": "abcd", "held_out_right": "ff", "task": "colour", "labels": "red, green, blue"}
    assert listed.tags.items() >= expected.items() and listed.tags["data_version"] == "none"
    about = registry.get("model-versions/get", name=first.name, version=1)["model_version"]
    assert about["description"] == "# A model of colours"
    with_model(record, held_out_set="efgh")
    again = register_run(registry, tmp_path, run_id, check=artifact.load)
    assert (again.version, registry.versions()[0].tags["held_out_set"]) == (1, "efgh")
    points = points_in_mlflow(registry, run_id)
    assert len(points["test/accuracy"]) == len(points["test/other"]) == 1


def test_another_model_of_the_same_run_is_another_version(registry: Registry, tmp_path: Path) -> None:
    """A run that exports again does not change the artifact of the version before."""
    record = recorded(tmp_path)
    run_id = RunImport(registry, tmp_path)().run_id
    contents = []
    for name in ("one", "two"):
        contents.append(with_model(record, run=name))
        register_run(registry, tmp_path, run_id, check=artifact.load)
    assert [registry.download(version) for version in reversed(registry.versions())] == contents


def test_a_run_without_a_model_is_not_registered(registry: Registry, tmp_path: Path) -> None:
    """What is missing, malformed or unfit is told, and no version is made."""
    record = recorded(tmp_path)
    run_id = RunImport(registry, tmp_path)().run_id
    with pytest.raises(PermanentError, match=r"model\.pt is missing"):
        register_run(registry, tmp_path, run_id, check=artifact.load)
    with_model(record)
    record.artifact(("report.json", b'{"metrics": {"accuracy": "high"}, "tags": {}}'))
    with pytest.raises(PermanentError, match=r"report\.json: expected"):
        register_run(registry, tmp_path, run_id, check=artifact.load)
    with_model(record)
    record.artifact(("model.pt", b"no model"))
    with pytest.raises(ModelRefused):
        register_run(registry, tmp_path, run_id, check=artifact.load)
    assert registry.versions() == []


def test_a_report_of_another_model_is_no_evidence(registry: Registry, tmp_path: Path) -> None:
    """What the report tells would stand on a version that never gave these answers, so the run is not registered."""
    finished_run(tmp_path, subject=artifact.digest(b"the model before"))
    run_id = RunImport(registry, tmp_path)().run_id
    with pytest.raises(PermanentError, match=r"report\.json is no report of model\.pt beside it"):
        register_run(registry, tmp_path, run_id, check=artifact.load)
    assert registry.versions() == []
    content = finished_run(tmp_path)
    assert registry.download(register_run(registry, tmp_path, run_id, check=artifact.load)) == content
