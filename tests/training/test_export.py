"""The artifact: equal to its model, wherever it is asked, and refused when it is not what it says."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cosmoformer.errors import ModelRefused
from cosmoformer.models import artifact
from tests.training.loop.small_runs import ordered_run
from training import export as export_module
from training.artifact.flat import FlatModule
from training.loop import checkpoint, initial_weights
from training.loop.last_layer import LastLayer
from training.models.crossformer import MODEL, CrossFormerGraph, build
from training.tasks import TASKS

CLEAN5 = TASKS["clean5"]


def _graph() -> CrossFormerGraph:
    """A model whose position biases and norms are far from their initial values."""
    torch.manual_seed(0)
    model = CrossFormerGraph(build(CLEAN5.outputs)).eval()
    for parameter in model.model.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    return model


def metadata(temperature: float = 1.5) -> artifact.Metadata:
    return artifact.Metadata("clean5", CLEAN5.classes, 224, CLEAN5.crop, temperature, "test", "test")


@pytest.fixture(scope="module")
def exported() -> bytes:
    """The graph's artifact; the export itself checks that it equals the model at batch sizes 1 to 64."""
    return export_module.pack(_graph(), MODEL.for_inference(_graph()), CLEAN5, metadata())


def test_the_artifact_gives_probabilities_of_the_centre(exported: bytes) -> None:
    """The artifact takes originals, looks at their centre and tells the classes alone; its metadata travels with it."""
    loaded = artifact.load(exported)
    assert loaded.metadata == replace(metadata(), features=256)
    images = torch.randint(0, 256, (3, 3, 424, 424), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    probabilities = loaded.predict(images)
    assert probabilities.shape == (3, 5)
    assert torch.allclose(probabilities.sum(1), torch.ones(3), atol=1e-6)
    centre = images[:, :, 52:372, 52:372]
    with torch.inference_mode():
        assert torch.allclose(loaded.module.cropped(centre), probabilities, atol=1e-6)


def test_the_artifact_gives_what_its_last_layer_is_given(exported: bytes) -> None:
    """Beside the predictions it gives feature vectors: what comes before the model's last layer, of each image."""
    loaded = artifact.load(exported)
    images = torch.randint(0, 256, (3, 3, 424, 424), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    told, features = loaded.describe(images)
    assert features is not None and features.shape == (3, 256)
    assert torch.equal(told, loaded.predict(images))
    graph = _graph()
    trunk = LastLayer.of(graph, CLEAN5.outputs).trunk(graph)
    around = CLEAN5.artifact_module(trunk, 224, 1.5)
    with torch.inference_mode():
        seen = trunk((around.resized(around.centre(images)).float() / 255.0 - around.mean) / around.std)
    assert torch.allclose(features, seen, atol=1e-4)


@pytest.mark.parametrize("said", [0, 7])
def test_features_of_another_length_than_said_are_refused(exported: bytes, said: int) -> None:
    """An artifact whose metadata tell another length of the vector is never written; one that tells none gives none."""
    module, facts = torch.jit.load(io.BytesIO(exported)), replace(metadata(), features=said)
    if said:
        with pytest.raises(ModelRefused, match=r"vectors of length 7, got \(2, 256\)"):
            export_module.write(module, facts)
    else:
        assert artifact.load(export_module.write(module, facts)).describe(_black())[1] is None


def _black() -> torch.Tensor:
    return torch.zeros(1, 3, 64, 64, dtype=torch.uint8)


def test_every_batch_size_gives_what_the_model_gives() -> None:
    """From one image to 64, at the smallest side; the export itself looks at four sizes."""
    facts = replace(metadata(), input_size=64)
    torch.manual_seed(0)
    reference = CrossFormerGraph(build(CLEAN5.outputs, 64)).eval()
    other = CrossFormerGraph(build(CLEAN5.outputs, 64)).eval()
    other.load_state_dict(reference.state_dict())
    model = artifact.load(export_module.pack(reference, MODEL.for_inference(other), CLEAN5, facts)).module
    expected_of = CLEAN5.artifact_module(reference, 64, facts.temperature)
    images = torch.randint(0, 256, (64, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        expected = expected_of.cropped(images)
        for count in range(1, 65):
            assert torch.allclose(model.cropped(images[:count]), expected[:count], atol=1e-5, rtol=0)


def test_no_device_is_baked_in(exported: bytes) -> None:
    """No constant of the graph names a device, so that the module follows where it is moved."""
    module = torch.jit.load(io.BytesIO(exported))
    graph = str(module.inlined_graph) + str(module.cropped.inlined_graph)
    assert "prim::Constant" in graph
    assert 'value="cpu"' not in graph
    assert 'value="cuda' not in graph


def test_what_inference_settles_is_not_computed(exported: bytes) -> None:
    """In the graph no sizes are computed and no position bias; linear layers are one operation with what follows them."""
    core = str(torch.jit.load(io.BytesIO(exported)).core.inlined_graph)
    assert "mkldnn::_linear_pointwise" in core
    assert "aten::size" not in core
    assert "dpb" not in core


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same(exported: bytes) -> None:
    """Moved to a GPU, the artifact gives the probabilities that it gives on the CPU."""
    module = torch.jit.load(io.BytesIO(exported))
    images = torch.randint(0, 256, (3, 3, 300, 300), dtype=torch.uint8)
    with torch.inference_mode():
        assert torch.allclose(module.to("cuda")(images.cuda()).cpu(), module.to("cpu")(images), atol=1e-3)


def test_an_export_that_differs_from_its_model_fails() -> None:
    """Where the graph for inference is not the function that was trained, nothing is written."""
    other = _graph()
    with torch.no_grad():
        other.model.to_logits[1].bias.add_(torch.randn(CLEAN5.outputs))
    with pytest.raises(ValueError, match="batch size 1 the artifact differs"):
        export_module.pack(other, MODEL.for_inference(_graph()), CLEAN5, metadata())


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


def test_the_weights_of_an_artifact_are_those_of_its_model(exported: bytes, tmp_path: Path) -> None:
    """One module holds them all, and they are found again by the names they have in the model, so that training can go on."""
    (tmp_path / "model.pt").write_bytes(exported)
    model, expected = CrossFormerGraph(build(CLEAN5.outputs)), _graph().state_dict()
    assert initial_weights.start_from(model, checkpoint.weights_of(tmp_path / "model.pt")) == []
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())
    assert len(list(torch.jit.load(io.BytesIO(exported)).core.children())) == 0


def test_a_name_with_two_underscores_is_refused() -> None:
    """It could not be told from a dot afterwards."""
    model = torch.nn.Module()
    model.register_buffer("own__name", torch.zeros(1))
    with pytest.raises(ValueError, match="own__name"):
        FlatModule(model)


@pytest.mark.usefixtures("toy_model")
def test_the_classes_are_in_the_order_of_the_checkpoint(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The data name them in the order of the alphabet; an order given that is not the run's is refused."""
    classes = ("spiral", "merger, late", "edge")
    labels = dict(zip(("two_armed_spiral", "round_smooth", "edge_on_with_bulge"), classes, strict=True))
    path, table = ordered_run(tmp_path, classes, labels)
    out = tmp_path / "m.pt"
    options = ["--checkpoint", path, "--data", table, "--cache", tmp_path / "cache", "--out", out]
    assert export_module.main([*map(str, options)]) == 0
    assert artifact.load(out.read_bytes()).metadata.classes == classes
    assert export_module.main([*map(str, options), "--classes", 'spiral, "merger, late", edge']) == 0
    assert export_module.main([*map(str, options), "--classes", 'edge,"merger, late",spiral']) == 1
    assert "leave --classes out" in capfd.readouterr().err
