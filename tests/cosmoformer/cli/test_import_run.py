"""``cosmoformer import-run`` at a real MLflow server, and ``cosmoformer train``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cosmoformer.models.registry import Registry
from tests.cosmoformer.cli.conftest import Cli
from tests.cosmoformer.recorded_runs import recorded, runs_of, with_model
from tests.cosmoformer.runs.test_importing import assert_whole
from training.loop.record import RunRecord

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def models(cli: Cli, registry: Registry) -> Cli:
    """The command line at the registry's model."""
    return cli.at(registry.settings)


def test_a_run_is_imported_and_its_page_told(models: Cli, registry: Registry, tmp_path: Path) -> None:
    """What was sent and where it is; again, nothing is sent."""
    record = recorded(tmp_path / "run")
    record.finish("FINISHED")
    result = models("import-run", tmp_path / "run")
    assert result.exit_code == 0, result.output
    (run_id,) = runs_of(registry, record.info.id)
    assert_whole(registry, tmp_path / "run", run_id)
    assert result.stdout.splitlines()[0] == "a run, FINISHED: 66 metric values and 3 files were sent"
    assert result.stdout.splitlines()[1].endswith(f"/runs/{run_id}")
    assert "FINISHED: 0 metric values and 0 files were sent" in models("import-run", tmp_path / "run").stdout
    assert registry.versions() == []


def test_a_run_is_registered_and_promoted(models: Cli, registry: Registry, tmp_path: Path) -> None:
    """The version comes from the run, and becomes champion as `cosmoformer promote` would make it."""
    record = recorded(tmp_path / "run")
    with_model(record)
    record.finish("FINISHED")
    result = models("import-run", tmp_path / "run", "--register", "--promote")
    assert result.exit_code == 0, result.output
    assert "version 1: digest and self-check passed" in result.stdout
    assert "champion: none → 1" in result.stdout
    assert registry.resolve("champion").run_id == runs_of(registry, record.info.id)[0]
    assert models("import-run", tmp_path / "run", "--register").exit_code == 0
    assert len(registry.versions()) == 1


def test_a_promotion_passes_the_gate(models: Cli, registry: Registry, tmp_path: Path) -> None:
    """A run whose model is not shown to be better than the champion is registered, and not served."""
    for name in ("first", "second"):
        record = recorded(tmp_path / name)
        with_model(record, run=name)
        result = models("import-run", tmp_path / name, "--register", "--promote")
    assert result.exit_code == 1 and "held_out" in result.stderr
    assert len(registry.versions()) == 2 and registry.aliases() == {"champion": 1}


def test_a_run_without_a_model_is_imported_all_the_same(models: Cli, registry: Registry, tmp_path: Path) -> None:
    """--register fails with what is missing; the run is in MLflow."""
    record = recorded(tmp_path / "run")
    result = models("import-run", tmp_path / "run", "--register")
    assert result.exit_code == 1 and "model.pt is missing / Let the training finish" in result.stderr
    assert len(runs_of(registry, record.info.id)) == 1


def test_failures_have_a_status_of_their_own(cli: Cli, tmp_path: Path) -> None:
    """MLflow away, a folder that is no run: one red line and 1; a wrong call: 2."""
    RunRecord(tmp_path / "run", "a run", {}, {})
    away = cli("import-run", tmp_path / "run", MLFLOW_TRACKING_URI=NOBODY)
    assert away.exit_code == 1 and away.stderr.startswith("error: ") and NOBODY in away.stderr
    assert "is no training run" in cli("import-run", tmp_path).stderr
    assert cli("import-run", tmp_path / "missing").exit_code == 2
    assert cli("import-run", tmp_path / "run", "--promote").exit_code == 2


def test_training_without_its_packages_says_how_to_install_them() -> None:
    """One line names what is missing and the extra that has it."""
    program = "import sys; sys.modules['torch'] = None; from cosmoformer.cli import main; main(['train', '--help'])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "torch" in done.stderr and "pip install 'cosmoformer[train]'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
