"""What is published of a version at a real MLflow server, of a run's folder and of the bundled model, and the files of it."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import EvalResult, ModelCard

from cosmoformer.errors import ModelRefused, PermanentError
from cosmoformer.models.artifact import digest, read_metadata
from cosmoformer.models.bundled import register_bundled_model
from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from cosmoformer.models.sources import artifact_path
from cosmoformer.publishing import publication
from cosmoformer.publishing.hub_files import hub_files, write_files
from cosmoformer.publishing.publication import Figures, Publication
from cosmoformer.runs.folder import ARTIFACTS
from cosmoformer.runs.importing import RunImport
from cosmoformer.runs.registration import register_run
from tests.cosmoformer.published_runs import CARD, METRICS, finished_run
from tests.cosmoformer.tiny_artifact import hue_artifact, tiny_artifact

REPOSITORY = "my-name/colours"
MEASURED = Figures("test", METRICS["test_accuracy"], METRICS["test_macro_f1"])


def imported(registry: Registry, folder: Path) -> str:
    """MLflow's id of a run that was imported."""
    return RunImport(registry, folder)().run_id


def prepared(publication: Publication, folder: Path) -> ModelCard:
    """The card that the Hub's own package reads from the written files."""
    write_files(hub_files(publication, REPOSITORY), folder)
    return ModelCard.load(folder / "README.md")


def load_as_the_readme_says(folder: Path, monkeypatch: pytest.MonkeyPatch, outputs: str = "probabilities") -> Any:
    """Run the code block of README.md in the folder; gives what the model gives, by the name that it has there."""
    (code,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(code.splitlines()) == 3
    names: dict[str, Any] = {}
    monkeypatch.chdir(folder)
    exec(code, names)
    return names[outputs]


def test_a_version_is_published_with_what_its_run_has_of_it(registry: Registry, tmp_path: Path) -> None:
    """Artifact, report and figures are the run's, and so is a card that is too long for MLflow's description."""
    card = CARD + "word " * 2000 + "end."
    artifact = finished_run(tmp_path / "run", card=card)
    run_id = imported(registry, tmp_path / "run")
    version = register_run(registry, tmp_path / "run", run_id, check=len)
    found = publication.of_version(registry, version)
    assert (found.artifact, found.card, found.figures) == (artifact, card, MEASURED)
    assert found.report == (tmp_path / "run" / ARTIFACTS / "report.json").read_bytes()
    assert (found.origin, found.sha256) == (f"{version.name} version 1", digest(artifact))
    assert found.metadata == read_metadata(artifact)


def test_a_description_that_somebody_wrote_is_the_card(registry: Registry, tmp_path: Path) -> None:
    """It is no beginning of the run's card, so it is meant."""
    artifact = finished_run(tmp_path / "run")
    run_id = imported(registry, tmp_path / "run")
    version = register(registry, artifact, tags={}, description="# Corrected", run_id=run_id)
    assert publication.of_version(registry, version).card == "# Corrected"


def test_another_artifact_of_the_run_gets_none_of_its_figures(registry: Registry, tmp_path: Path) -> None:
    """Card, report and metrics of the run are about the model that it exported."""
    finished_run(tmp_path / "run")
    run_id = imported(registry, tmp_path / "run")
    version = register(registry, tiny_artifact(run="another"), tags={"accuracy": "0.6"}, run_id=run_id)
    found = publication.of_version(registry, version)
    assert (found.card, found.report, found.figures) == ("", None, Figures("", 0.6, None))


def test_a_version_of_its_own_has_description_and_metrics(registry: Registry) -> None:
    """What `register` was given is what is published."""
    version = register(registry, tiny_artifact(), tags={"test_accuracy": "0.1"}, metrics=METRICS, description=CARD)
    found = publication.of_version(registry, version)
    assert (found.card, found.report, found.figures) == (CARD, None, MEASURED)


@pytest.mark.parametrize("told", ["good", "nan", "inf", "95.7", "-1", ""])
def test_a_tag_that_is_no_accuracy_is_no_figure(registry: Registry, told: str) -> None:
    """Anybody may write a tag; nothing is published that cannot be a fraction."""
    version = register(registry, tiny_artifact(), tags={"accuracy": told})
    assert publication.of_version(registry, version).figures is None


def test_an_artifact_that_was_changed_is_not_published(registry: Registry) -> None:
    """The digest is checked, as it is before a promotion."""
    version = register(registry, tiny_artifact(), tags={})
    registry.upload(artifact_path(version.source), tiny_artifact(run="changed"))
    with pytest.raises(ModelRefused, match="was changed after it was registered"):
        publication.of_version(registry, version)


def test_the_bundled_model_has_its_card_wherever_it_comes_from(registry: Registry) -> None:
    """The version that a first start registers has a line as description, and is published with the whole card."""
    bundled = publication.of_bundled()
    assert bundled.card == (Path(__file__).parents[3] / "mlflow" / "model-card.md").read_text(encoding="utf-8")
    measured = json.loads((resources.files("cosmoformer") / "bundled" / "model.json").read_text())["metrics"]
    assert bundled.figures == Figures("test", measured["test_accuracy"], measured["test_macro_f1"])
    version = register_bundled_model(registry, lambda _: None)
    assert version is not None
    found = publication.of_version(registry, version)
    assert (found.artifact, found.card, found.figures) == (bundled.artifact, bundled.card, bundled.figures)


def test_a_run_is_published_from_its_folder(tmp_path: Path) -> None:
    """No registry is needed; without an evaluation there are neither report nor figures."""
    artifact = finished_run(tmp_path / "run")
    found = publication.of_run(tmp_path / "run")
    assert (found.origin, found.artifact, found.card, found.figures) == ("run colours", artifact, CARD, MEASURED)
    (tmp_path / "run" / ARTIFACTS / "report.json").unlink()
    found = publication.of_run(tmp_path / "run")
    assert (found.report, found.figures) == (None, None)


def test_a_run_without_a_model_of_its_own_is_refused(tmp_path: Path) -> None:
    """A report of another artifact, no artifact, no run: each is told."""
    finished_run(tmp_path / "run", subject="0" * 64)
    with pytest.raises(PermanentError, match=r"report\.json is no report of model\.pt beside it"):
        publication.of_run(tmp_path / "run")
    (tmp_path / "run" / ARTIFACTS / "model.pt").unlink()
    with pytest.raises(PermanentError, match=r"nothing to publish: .*model\.pt is missing"):
        publication.of_run(tmp_path / "run")
    with pytest.raises(PermanentError, match="is no training run"):
        publication.of_run(tmp_path)


def test_the_hubs_package_reads_the_readme(tmp_path: Path) -> None:
    """Licence, tags and results arrive in the members that the Hub has for them, and the card below them."""
    finished_run(tmp_path / "run")
    card = prepared(publication.of_run(tmp_path / "run"), tmp_path / "out")
    assert (card.data.license, card.data.library_name) == ("apache-2.0", "pytorch")
    assert (card.data.pipeline_tag, card.data.metrics) == ("image-classification", ["accuracy", "f1"])
    assert {"galaxy-morphology", "astronomy"} <= set(card.data.tags or ())
    assert card.data.model_name == "colours" and card.data.datasets is None
    measured_on = {
        "task_type": "image-classification",
        "dataset_type": "colour",
        "dataset_name": "CosmoFormer's task colour, data version none",
        "dataset_split": "test",
    }
    assert card.data.eval_results == [
        EvalResult(**measured_on, metric_type="accuracy", metric_value=0.75, metric_name="Accuracy"),
        EvalResult(
            **measured_on,
            metric_type="f1",
            metric_value=0.5,
            metric_name="Macro F1",
            metric_args={"average": "macro"},
        ),
    ]
    assert card.text.strip().startswith(CARD.strip())


def test_a_model_of_values_is_published_as_no_classifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub is told of no pipeline, and the card calls what the model gives by its name."""
    artifact = hue_artifact()
    card = prepared(Publication("somewhere", artifact, read_metadata(artifact), "", None, None), tmp_path / "out")
    assert card.data.pipeline_tag is None and "image-classification" not in (card.data.tags or ())
    assert "`values` are float32 (N, 2); the columns are `angle`, `excess`" in card.text
    assert load_as_the_readme_says(tmp_path / "out", monkeypatch, "values").shape == (1, 2)


def test_what_is_not_known_is_not_told(tmp_path: Path) -> None:
    """A model without figures or card has no results, and data sets are those that were named."""
    artifact = tiny_artifact()
    publication = Publication("somewhere", artifact, read_metadata(artifact), "", None, None)
    files = hub_files(publication, REPOSITORY, ["mwalmsley/gz2"])
    assert list(files) == ["README.md", "model.pt", "config.json"]
    card = ModelCard(files["README.md"].decode())
    assert card.data.datasets == ["mwalmsley/gz2"]
    assert not {"model-index", "metrics"} & set(card.data.to_dict())
    assert card.text.strip().startswith("# CosmoFormer, run tiny")


def test_the_config_says_what_the_artifact_is(tmp_path: Path) -> None:
    """Task, classes in their order, sizes, calibration, origin and digest."""
    artifact = finished_run(tmp_path / "run")
    files = hub_files(publication.of_run(tmp_path / "run"), REPOSITORY)
    assert json.loads(files["config.json"]) == {
        "task": "colour",
        "classes": ["red", "green", "blue"],
        "input_size": 4,
        "crop": 1.0,
        "temperature": 1.0,
        "run": "tiny",
        "data_version": "none",
        "fractions": None,
        "values": [],
        "radii": 0.0,
        "features": 0,
        "bands": [],
        "format": 1,
        "file": "model.pt",
        "sha256": digest(artifact),
    }
    assert files["report.json"] == (tmp_path / "run" / ARTIFACTS / "report.json").read_bytes()


def test_the_readme_loads_the_artifact_in_three_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code of README.md runs as it stands, of a small model and of the bundled one."""
    finished_run(tmp_path / "run")
    models = {"probabilities": publication.of_run(tmp_path / "run"), "outputs": publication.of_bundled()}
    for name, found in models.items():
        folder = tmp_path / name
        prepared(found, folder)
        outputs = load_as_the_readme_says(folder, monkeypatch, name)
        assert tuple(outputs.shape) == (1, len(found.metadata.names))
        assert float(outputs.detach()[:, : len(found.metadata.classes)].sum()) == pytest.approx(1, abs=1e-5)


def test_prepared_files_replace_no_others(tmp_path: Path) -> None:
    """A folder with something in it is left alone; one that cannot be made is told."""
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(PermanentError, match="is not empty"):
        write_files({"README.md": b"theirs"}, tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"
    with pytest.raises(PermanentError, match="cannot write"):
        write_files({}, tmp_path / "README.md" / "below")
