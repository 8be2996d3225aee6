"""Training on small data: the graph, the catalogue, the loop and its resume, and what is exported."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from cosmoformer import artifact
from cosmoformer.errors import ModelRefused
from cosmoformer.render import SAMPLES, render
from training import evaluate, train
from training import export as export_module
from training.augment import Augmentation
from training.cache import open_or_build
from training.catalogue import read_parquet_folder
from training.models.crossformer import CrossFormerGraph, build
from training.tasks import CLEAN5

LOOK_ALIKES = {
    "round_smooth": "round_smooth",
    "in_between_smooth": "in_between_smooth",
    "cigar_smooth": "cigar_smooth",
    "edge_on_with_bulge": "edge_on",
    "two_armed_spiral": "spiral",
}


def small_catalogue(folder: Path, per_class: int = 8) -> Path:
    """A folder with one parquet file of rendered galaxies in the layout of the real data."""
    rows = []
    for sample, label in LOOK_ALIKES.items():
        for seed in range(per_class):
            stream = io.BytesIO()
            Image.fromarray(render(SAMPLES[sample], size=64, seed=seed)).save(stream, "WEBP")
            split = ("train", "train", "val", "test")[seed % 4]
            rows.append({"uid": f"{sample}-{seed}", "split": split, "image": stream.getvalue(), "clean5": label})
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_parquet(folder / "gz_challenge-small.parquet")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_catalogue(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def graph() -> CrossFormerGraph:
    """A model whose position biases and norms are far from their initial values."""
    torch.manual_seed(0)
    model = CrossFormerGraph(build(5)).eval()
    for parameter in model.model.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("size", [112, 224])
def test_the_graph_computes_vit_pytorchs_function(size: int) -> None:
    """The channels-last graph gives the logits of vit-pytorch's CrossFormer, folded or not."""
    torch.manual_seed(1)
    reference = build(5, size).eval()
    for parameter in reference.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    images = torch.randn(3, 3, size, size)
    with torch.no_grad():
        expected = reference(images)
        assert torch.allclose(CrossFormerGraph(reference).eval()(images), expected, atol=2e-5, rtol=1e-4)
        assert torch.allclose(CrossFormerGraph(reference).eval().fold()(images), expected, atol=2e-5, rtol=1e-4)


def test_the_model_has_the_size_of_the_thesis() -> None:
    """With eight classes the model has the thesis's 5,497,980 parameters."""
    assert sum(parameter.numel() for parameter in build(8).parameters()) == 5_497_980


def test_an_unknown_label_names_the_allowed_ones(data: Path) -> None:
    """A wrong label stops the reading and the message lists what is allowed."""
    with pytest.raises(ValueError, match=r"spiral.*allowed are \['round_smooth'\]"):
        read_parquet_folder(data, "clean5", ("round_smooth",))


def test_a_galaxy_in_two_rows_is_refused(tmp_path: Path) -> None:
    """A galaxy that stands twice could leak from one split into another."""
    folder = small_catalogue(tmp_path / "twice", per_class=2)
    table = pd.read_parquet(folder / "gz_challenge-small.parquet")
    table.to_parquet(folder / "gz_challenge-again.parquet")
    with pytest.raises(ValueError, match="two rows"):
        read_parquet_folder(folder, "clean5", CLEAN5.classes)


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    """An image that cannot be decoded is named by its row and identifier."""
    table = pd.DataFrame([{"uid": "g1", "split": "train", "label": "spiral", "image": b"no image"}])
    with pytest.raises(ValueError, match="uid g1"):
        open_or_build(table, CLEAN5.classes, 32, tmp_path)


def test_the_cache_is_decoded_once(data: Path, tmp_path: Path) -> None:
    """A second opening reads the file of the first."""
    table = read_parquet_folder(data, "clean5", CLEAN5.classes)
    first = open_or_build(table, CLEAN5.classes, 32, tmp_path)
    stamp = (tmp_path / "pixels.npy").stat().st_mtime_ns
    second = open_or_build(table, CLEAN5.classes, 32, tmp_path)
    assert (tmp_path / "pixels.npy").stat().st_mtime_ns == stamp
    assert np.array_equal(first.pixels, second.pixels)


def test_augmentation_keeps_shape_range_and_light() -> None:
    """Augmented images stay in 0..1 and about as bright; two draws differ."""
    pixels = render(SAMPLES["two_armed_spiral"], size=112, seed=0)
    images = torch.from_numpy(pixels).permute(2, 0, 1)[None].float().div(255).repeat(64, 1, 1, 1)
    torch.manual_seed(0)
    augmented = Augmentation()(images)
    assert augmented.shape == images.shape
    assert augmented.min() >= 0 and augmented.max() <= 1
    assert float(augmented.mean()) == pytest.approx(float(images.mean()), rel=0.2)
    assert not torch.equal(augmented[0], augmented[1])


def options(data: Path, out: Path, epochs: int) -> list[str]:
    words = f"--data {data} --size 112 --epochs {epochs} --batch 5 --out {out} --cache {out.parent}/cache --device cpu"
    return words.split()


def test_an_interrupted_run_goes_on_to_the_same_end(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training that is ended after its first epoch and started again has the weights of one that ran through."""
    train.main(options(data, tmp_path / "through", 2))

    class Killed(Exception):
        pass

    save = train.Run._save

    def save_then_die(run: train.Run) -> None:
        save(run)
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(train.Run, "_save", save_then_die)
        train.main(options(data, tmp_path / "broken", 2))
    train.main(options(data, tmp_path / "broken", 2))
    through, broken = (
        torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["model"] for name in ("through", "broken")
    )
    assert all(torch.equal(through[name], broken[name]) for name in through)
    log = [json.loads(line) for line in (tmp_path / "broken" / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log] == [1, 2]


def test_a_checkpoint_is_exported_with_its_calibration(data: Path, tmp_path: Path) -> None:
    """The command writes an artifact that loads, with a fitted temperature, the run's name and the data's digest."""
    torch.manual_seed(3)
    torch.save({"average": build(5).state_dict()}, tmp_path / "checkpoint.pt")
    words = (
        f"--checkpoint {tmp_path}/checkpoint.pt --data {data} --cache {tmp_path} --run first --out {tmp_path}/model.pt"
    )
    export_module.main(words.split())
    loaded = artifact.load((tmp_path / "model.pt").read_bytes()).metadata
    assert (loaded.run, loaded.classes, loaded.input_size) == ("first", CLEAN5.classes, 224)
    assert loaded.temperature > 0
    assert len(loaded.data_version) == 16


def metadata(temperature: float = 1.5) -> artifact.Metadata:
    return artifact.Metadata("clean5", CLEAN5.classes, 224, CLEAN5.crop, temperature, "test", "test")


@pytest.fixture(scope="module")
def exported(graph: CrossFormerGraph) -> bytes:
    """The graph's artifact; the export itself checks that it equals the model at batch sizes 1 to 64."""
    return export_module.export(graph, metadata())


def test_the_artifact_gives_probabilities_of_the_centre(exported: bytes) -> None:
    """The artifact takes originals and looks at their centre; its metadata travels with it."""
    loaded = artifact.load(exported)
    assert loaded.metadata == metadata()
    images = torch.randint(0, 256, (3, 3, 424, 424), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    probabilities = loaded.predict(images)
    assert probabilities.shape == (3, 5)
    assert torch.allclose(probabilities.sum(1), torch.ones(3), atol=1e-6)
    centre = images[:, :, 52:372, 52:372]
    with torch.inference_mode():
        assert torch.allclose(loaded.module.cropped(centre), probabilities, atol=1e-6)


def test_an_export_that_differs_from_its_model_fails(graph: CrossFormerGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    """An artifact that is not equal to the model within the tolerance is never written."""
    monkeypatch.setattr(export_module, "EQUAL_WITHIN", -1.0)
    with pytest.raises(ValueError, match="batch size 1 "):
        export_module.export(graph, metadata())


def test_an_artifact_that_answers_differently_is_refused(exported: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """An artifact whose self-check does not come out as at export is refused at load."""
    monkeypatch.setattr(artifact, "SELF_CHECK_TOLERANCE", -1.0)
    with pytest.raises(ModelRefused, match="self-check"):
        artifact.load(exported)


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04" + bytes(500)])
def test_what_is_no_artifact_is_refused(content: bytes) -> None:
    """Bytes that are no TorchScript file are refused with a reason, not with a crash."""
    with pytest.raises(ModelRefused, match="TorchScript"):
        artifact.load(content)


def test_a_torchscript_file_without_metadata_is_refused(tmp_path: Path) -> None:
    """A TorchScript module from elsewhere is refused, and told how to become an artifact."""
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(tmp_path / "other.pt"))
    with pytest.raises(ModelRefused, match=r"training\.export"):
        artifact.load((tmp_path / "other.pt").read_bytes())


def test_temperature_scaling_finds_the_true_temperature() -> None:
    """Logits that are three times too confident get a temperature of three."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(20_000, 5, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator).squeeze(1)
    assert export_module.fit_temperature(3 * logits, labels) == pytest.approx(3, rel=0.03)


def test_figures_of_a_known_prediction() -> None:
    """Accuracy, F1 and calibration error come out as computed by hand."""
    predicted = np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    figures = evaluate.measure(predicted, np.array([0, 1, 1, 0]), ("a", "b"))
    assert figures["test_accuracy"] == 0.75
    assert figures["test_f1_a"] == pytest.approx(0.8)
    assert figures["test_f1_b"] == pytest.approx(2 / 3, abs=1e-5)
    assert figures["test_calibration_error"] == pytest.approx((0.8 + 0.2 + 0.4) / 4)
    assert figures["test_accuracy_low"] < 0.75 < figures["test_accuracy_high"]


def test_the_bundled_models_card_is_its_own(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command measures the bundled model and its card names the run and data that the artifact carries."""
    bundled = Path(artifact.__file__).parent / "bundled"
    evaluate.main(["--artifact", str(bundled / "model.pt"), "--data", str(data), "--cache", str(tmp_path)])
    assert json.loads(capsys.readouterr().out)["test_images"] == 10
    card = json.loads((bundled / "model.json").read_text())
    metadata = artifact.load((bundled / "model.pt").read_bytes()).metadata
    assert (card["tags"]["training_run"], card["tags"]["data_version"]) == (metadata.run, metadata.data_version)
