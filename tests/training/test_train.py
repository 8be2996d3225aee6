"""The training command from end to end, as a person gives it: in a process of its own, on rendered galaxies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch._dynamo.exc import TorchDynamoException

from cosmoformer.models import artifact
from tests.mlflow_server import MlflowServer
from tests.training.galaxies import LOOK_ALIKES, picture, small_catalogue
from training import export, train
from training.loop import checkpoint
from training.loop.trainer import Trainer

SMALL = ("image_size=64", "epochs=3", "batch_size=4", "target_weight=0.5", "learning_rate=1e-3", "foreign_pictures=0")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_catalogue(tmp_path_factory.mktemp("data"), votes=True)


def words(data: Path, out: Path, *changes: str) -> list[str]:
    options = [
        "--data",
        str(data),
        "--out",
        str(out),
        "--cache",
        str(data / "cache"),
        "--device",
        "cpu",
        "--threads",
        "1",
    ]
    return [*options, *(word for change in (*SMALL, *changes) for word in ("--set", change))]


def command(*arguments: str, module: tuple[str, ...] = ("training.train",)) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    argv = [sys.executable, "-m", *module, *arguments]
    return subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def through(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that went through without interruption."""
    out = tmp_path_factory.mktemp("runs") / "through"
    assert train.main(words(data, out)) == 0
    return out


def test_a_run_leaves_everything_behind(through: Path) -> None:
    """Checkpoint, figures, pictures, card, predictions, report and an artifact that loads are in the run's folder."""
    kept = {path.relative_to(through).as_posix() for path in (through / "artifacts").rglob("*") if path.is_file()}
    names = ("model.pt", "report.json", "card.md", "predictions.csv", "checkpoint.pt")
    assert {f"artifacts/{name}" for name in names} <= kept
    pictures = {name for name in kept if name.endswith(".png")}
    assert {"confusion", "reliability", "learning_curves"} <= {Path(name).stem for name in pictures}
    run = json.loads((through / "run.json").read_text())
    assert (run["status"], run["params"]["epochs"], run["params"]["recipe"]) == ("FINISHED", "3", "best")
    model = artifact.load((through / "artifacts" / "model.pt").read_bytes())
    assert (model.metadata.run, model.metadata.input_size) == (run["run"], 64)
    assert model.metadata.data_version == run["tags"]["data_version"]
    report = json.loads((through / "artifacts" / "report.json").read_text())
    assert report["metrics"]["test_images"] == 10
    assert report["views"]["count"] == 16


def test_figures_of_every_kind_are_recorded(through: Path) -> None:
    """Loss and learning rate by step, scores by epoch, the test's figures at the end."""
    lines = [json.loads(line) for line in (through / "metrics.jsonl").read_text().splitlines()]
    names = {name for line in lines for name in line["metrics"]}
    assert {"train/loss", "train/learning_rate", "train/images_per_s", "val/score", "epoch", "test_accuracy"} <= names
    assert [line["metrics"]["epoch"] for line in lines if "epoch" in line["metrics"]] == [1, 2, 3]


def test_a_killed_run_goes_on_to_the_same_end(data: Path, through: Path, tmp_path: Path) -> None:
    """A run that is killed (-9) after its first epoch and started again has the weights of one that was not."""
    out = tmp_path / "killed"
    process = command(*words(data, out))
    deadline = time.monotonic() + 120
    while not (out / checkpoint.NAME).exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed_at = checkpoint.read(out / checkpoint.NAME, torch.device("cpu"))["progress"]["step"]
    again = command(*words(data, out))
    output, _ = again.communicate(timeout=240)
    assert again.returncode == 0, output
    assert f"going on at step {killed_at} of" in output
    one, other = (checkpoint.weights_of(folder / checkpoint.NAME) for folder in (through, out))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_finished_run_is_left_as_it_is(data: Path, through: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The same command again says that there is nothing to do, and writes nothing."""
    files = [path for path in through.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    assert train.main(words(data, through)) == 0
    assert "finished" in capfd.readouterr().out
    assert {path: path.read_bytes() for path in files} == before


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), "batch_size"),
        (TorchDynamoException("no compiler"), "--no-compile"),
    ],
)
def test_what_a_device_cannot_do_is_told_with_a_cure(
    error: Exception,
    cure: str,
    monkeypatch: pytest.MonkeyPatch,
    data: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Too little memory, and a model that cannot be compiled, name the option to change."""
    monkeypatch.setattr(Trainer, "fit", _raiser(error))
    assert train.main(words(data, tmp_path)) == 1
    assert cure in capfd.readouterr().err


def test_other_errors_of_torch_are_shown_whole(monkeypatch: pytest.MonkeyPatch, data: Path, tmp_path: Path) -> None:
    """They are mistakes of ours, and a traceback says where."""
    monkeypatch.setattr(Trainer, "fit", _raiser(RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        train.main(words(data, tmp_path))


def _raiser(error: Exception) -> Callable[..., None]:
    def fit(*_: object) -> None:
        raise error

    return fit


def test_a_run_that_is_told_to_end_keeps_its_state(data: Path, tmp_path: Path) -> None:
    """SIGTERM, as a cluster sends it, ends a run with a checkpoint, and the record says that it was ended."""
    out = tmp_path / "told"
    process = command(*words(data, out, "epochs=500"))
    deadline = time.monotonic() + 120
    while not (out / checkpoint.NAME).exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "the same command goes on from here" in output
    assert json.loads((out / "run.json").read_text())["status"] == "KILLED"


def test_two_processes_train_one_model(data: Path, tmp_path: Path) -> None:
    """Under torchrun two processes share each batch, one keeps the record, and the run ends with an artifact."""
    out = tmp_path / "two"
    process = command("--standalone", "--nproc-per-node=2", "-m", "training.train", *words(data, out, "epochs=1"),
                      module=("torch.distributed.run",))  # fmt: skip
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert json.loads((out / "run.json").read_text())["params"]["processes"] == "2"
    assert artifact.load((out / "artifacts" / "model.pt").read_bytes()).metadata.task == "clean5"


def test_mlflow_follows_a_run(
    data: Path, tmp_path: Path, mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a tracking server named, the run is there as a whole when the command ends: figures, files, how it ended."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.url)
    monkeypatch.setenv("MODEL_NAME", "followed")
    assert train.main(words(data, tmp_path / "run", "epochs=2")) == 0
    import mlflow

    client = mlflow.MlflowClient(mlflow_server.url)
    experiment = client.get_experiment_by_name("followed")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["epochs"] == "2"
    assert [point.step for point in client.get_metric_history(run.info.run_id, "val/score")] == [5, 10]
    report = json.loads((tmp_path / "run" / "artifacts" / "report.json").read_text())
    assert run.data.metrics["test_accuracy"] == report["metrics"]["test_accuracy"]
    assert {"model.pt", "report.json", "checkpoint.pt", "pictures"} <= {
        item.path for item in client.list_artifacts(run.info.run_id)
    }


def test_a_refused_run_leaves_the_record_alone(data: Path, through: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Another recipe for a folder that holds a finished run is refused, and what is known of that run stays."""
    before = (through / "run.json").read_bytes()
    assert train.main(words(data, through, "learning_rate=0.5")) == 1
    assert "differs in learning_rate 0.001 → 0.5" in capfd.readouterr().err
    assert (through / "run.json").read_bytes() == before


def test_own_labels_in_class_folders(tmp_path: Path, through: Path) -> None:
    """A folder of class folders is all that is needed; training may start from another task's artifact."""
    for sample in list(LOOK_ALIKES)[:2]:
        folder = tmp_path / "mine" / sample
        folder.mkdir(parents=True)
        for seed in range(16):
            (folder / f"{seed}.jpg").write_bytes(picture(sample, seed, "jpg"))
    (folder / "broken.jpg").write_bytes(b"no picture")
    start = str(through / "artifacts" / "model.pt")
    (tmp_path / "mine.toml").write_text('task = "own"\n')
    arguments = [*words(tmp_path / "mine", tmp_path / "run", "epochs=1"), "--init", start]
    arguments += ["--recipe", str(tmp_path / "mine.toml")]
    assert train.main(arguments) == 0
    model = artifact.load((tmp_path / "run" / "artifacts" / "model.pt").read_bytes())
    assert (model.metadata.task, model.metadata.classes) == ("own", tuple(sorted(list(LOOK_ALIKES)[:2])))
    params = json.loads((tmp_path / "run" / "run.json").read_text())["params"]
    assert (params["skipped_images"], params["recipe"]) == ("1", "mine.toml")
    assert not [name for name, value in params.items() if str(tmp_path) in value]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("--set", "image_size=100"), "crossformer takes images of 64, 112, 160, 224 pixels, not 100"),
        (("--set", "model=resnet"), "unknown model 'resnet'"),
        (("--set", "task=stars"), "unknown task 'stars'; there are clean5"),
        (("--recipe", "secret"), "no recipe 'secret'"),
        (("--classes", "spiral,elliptical"), "allowed are ['spiral', 'elliptical']"),
        (("--data", "/nowhere"), "/nowhere"),
        (("--device", "cuda:99"), "there is no device 'cuda:99'"),
        (("--device", "gpu"), "expected cpu, cuda, cuda:N or auto as device, got 'gpu'"),
        (("--set", "batch_size=1000"), "fewer than one batch of 1000"),
    ],
)
def test_what_cannot_be_trained_says_why(
    data: Path, tmp_path: Path, changes: tuple[str, ...], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """A wrong option ends the command with one line and status 1, without a traceback."""
    assert train.main([*words(data, tmp_path / "run"), *changes]) == 1
    assert message in capfd.readouterr().err


def test_a_checkpoint_is_exported_with_its_calibration(data: Path, through: Path, tmp_path: Path) -> None:
    """The export command writes the artifact that the run wrote."""
    arguments = (
        "--checkpoint",
        through / checkpoint.NAME,
        "--data",
        data,
        "--cache",
        data / "cache",
        "--out",
        tmp_path / "m.pt",
    )
    assert export.main([*map(str, arguments), "--run", "again"]) == 0
    again = artifact.load((tmp_path / "m.pt").read_bytes()).metadata
    first = artifact.load((through / "artifacts" / "model.pt").read_bytes()).metadata
    assert (again.run, again.temperature, again.data_version) == ("again", first.temperature, first.data_version)


def test_what_cannot_be_exported_says_why(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A missing checkpoint ends the command with one line and status 1."""
    options = ["--checkpoint", tmp_path / "none.pt", "--data", tmp_path, "--out", tmp_path / "m.pt"]
    assert export.main([*map(str, options)]) == 1
    assert "none.pt" in capfd.readouterr().err
