"""``from cosmoformer import Classifier``: images classified in this process, as the classify function would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

import cosmoformer
from cosmoformer import Classifier, Prediction
from cosmoformer.errors import ImageRejected, ModelRefused, PermanentError
from cosmoformer.models.bundled import BUNDLED, bundle, register_bundled_model
from cosmoformer.models.registry import Registry
from cosmoformer.settings import load
from tests.mlflow_server import MlflowServer

SAMPLES = sorted(Path(str(BUNDLED)).glob("samples/*.jpg"))


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    """The bundled model with default settings."""
    return Classifier(settings=load({}))


def test_a_file_is_classified(classifier: Classifier) -> None:
    """Class, probabilities and what the picture was, of a path as text, a path, or its content."""
    sample = next(path for path in SAMPLES if path.stem == "round_smooth")
    found = classifier.classify(sample)
    assert found.label == "round_smooth"
    assert found.confidence == max(found.outputs.values()) and found.unsure is False
    assert sum(found.outputs.values()) == pytest.approx(1, abs=1e-5)
    assert set(found.outputs) == set(classifier.metadata.classes)
    assert found.format == "JPEG" and found.width == found.height
    assert classifier.classify(str(sample)) == classifier.classify(sample.read_bytes()) == found


def test_votes_and_their_way_come_with_the_class(classifier: Classifier) -> None:
    """The bundled model tells the whole decision tree; a spiral's way leads to its arms, a smooth galaxy's to its roundness."""
    samples = {path.stem: path for path in SAMPLES}
    spiral, smooth = (classifier.classify(samples[name]) for name in ("two_armed_spiral", "round_smooth"))
    assert len(spiral.votes) == 11 and sum(spiral.votes["bar"]["fractions"].values()) == pytest.approx(1, abs=1e-3)
    assert [step.question.name for step in smooth.way][:2] == ["smooth-or-featured", "how-rounded"]
    assert "has-spiral-arms" in [step.question.name for step in spiral.way]


def test_what_is_no_galaxy_is_told(classifier: Classifier) -> None:
    """Galaxies look like those that the model knows, a ramp and a grid do not; NO_GALAXY_BELOW decides."""
    galaxies = [classifier.classify(sample) for sample in SAMPLES]
    assert [found.no_galaxy for found in galaxies] == [False] * len(SAMPLES)
    grid = np.kron(np.indices((16, 16)).sum(axis=0) % 2, np.ones((16, 16))).astype(np.uint8) * 255
    strange = [classifier.classify(picture) for picture in (np.tile(np.arange(256, dtype=np.uint8), (256, 1)), grid)]
    assert [found.no_galaxy for found in strange] == [True, True]
    assert max(found.in_domain or 0 for found in strange) < 0.5 < min(found.in_domain or 0 for found in galaxies)
    strict = Classifier(settings=load({}, no_galaxy_below=1.0))
    assert strict.classify(SAMPLES[0]).no_galaxy is True


def test_an_array_is_classified_as_its_file(classifier: Classifier, tmp_path: Path) -> None:
    """Pixels in memory give what the same pixels in a lossless file give, square or not."""
    with Image.open(SAMPLES[0]) as image:
        pixels = np.array(image.convert("RGB"))[:, 10:]
    Image.fromarray(pixels).save(tmp_path / "galaxy.png")
    found = classifier.classify(pixels)
    assert found.outputs == classifier.classify(tmp_path / "galaxy.png").outputs
    assert found.format == "array" and found.conversions == ("padded_to_square",)


def test_a_fits_file_is_classified(classifier: Classifier, tmp_path: Path) -> None:
    """With its stretch, which is told."""
    with Image.open(SAMPLES[0]) as image:
        plane = np.array(image.convert("L"), dtype=np.float32)
    fits.PrimaryHDU(plane).writeto(tmp_path / "galaxy.fits")
    assert "asinh_stretch" in classifier.classify(tmp_path / "galaxy.fits").conversions


def test_an_image_is_explained(classifier: Classifier) -> None:
    """What the most probable class rests on, and a PNG that shows it."""
    found, png = classifier.explain(SAMPLES[0])
    assert (found.output, found.weights.max()) == (classifier.classify(SAMPLES[0]).label, 1)
    assert png.startswith(b"\x89PNG")


@pytest.mark.parametrize("pixels", [np.zeros((64, 64, 3)), np.zeros((64, 64, 4), np.uint8), np.zeros(64, np.uint8)])
def test_an_array_of_another_kind_is_refused(classifier: Classifier, pixels: np.ndarray) -> None:
    """Nothing is guessed: the message says what is expected and what came."""
    with pytest.raises(TypeError, match=r"uint8 and shape \(H, W, 3\)"):
        classifier.classify(pixels)


def test_a_bad_file_does_not_end_the_others(classifier: Classifier, tmp_path: Path) -> None:
    """Of several files each gets its prediction or its reason, in order."""
    bad = tmp_path / "notes.jpg"
    bad.write_text("no picture")
    paths = [SAMPLES[0], bad, tmp_path / "absent.jpg", SAMPLES[1]]
    found = dict(classifier.classify_files(paths))
    assert list(found) == paths
    assert isinstance(found[SAMPLES[0]], Prediction) and isinstance(found[SAMPLES[1]], Prediction)
    assert [getattr(found[path], "code", None) for path in paths[1:3]] == ["not_an_image", "unreadable"]


def test_limits_are_those_of_the_settings(tmp_path: Path) -> None:
    """A file over MAX_IMAGE_BYTES is not read, and UNSURE_BELOW decides what is unsure."""
    strict = Classifier(settings=load({}, max_image_bytes=1000, unsure_below=1.0))
    with pytest.raises(ImageRejected) as caught:
        strict.classify(SAMPLES[0])
    assert caught.value.code == "too_large"
    with Image.open(SAMPLES[0]) as image:
        assert strict.classify(np.array(image.convert("RGB"))).unsure is True


def test_another_model_is_a_file(tmp_path: Path) -> None:
    """An artifact by its path; what is none is refused."""
    (tmp_path / "model.pt").write_bytes(bundle().artifact)
    assert Classifier(tmp_path / "model.pt").metadata.task == "clean5"
    with pytest.raises(ModelRefused):
        Classifier(b"no model")


def test_a_model_of_the_registry(mlflow_server: MlflowServer) -> None:
    """The champion, or a version by its number."""
    settings = load({}, mlflow_tracking_uri=mlflow_server.url, model_name="of-the-python-interface")
    registered = register_bundled_model(Registry(settings), lambda _: None)
    assert registered is not None
    champion = Classifier.from_registry(settings=settings)
    assert champion.metadata == Classifier.from_registry(registered.version, settings=settings).metadata
    with pytest.raises(PermanentError):
        Classifier.from_registry(99, settings=settings)


def test_the_package_alone_is_quick_to_import() -> None:
    """``import cosmoformer`` imports none of torch, numpy, boto3 and the like; an unknown name says what there is."""
    program = (
        "import sys, cosmoformer; heavy = {'torch', 'numpy', 'boto3', 'PIL', 'rich', 'urllib3'} & set(sys.modules);"
        "print(sorted(heavy), cosmoformer.__all__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[] ")
    with pytest.raises(AttributeError, match="it offers Classifier"):
        _ = cosmoformer.Clasifier  # type: ignore[attr-defined]


def test_a_further_model_ships() -> None:
    """The inclination of a galaxy that is rendered nearly edge-on is told as one, in degrees; an unknown name is refused."""
    measured = Classifier.from_bundle("inclination")
    edge_on, round_one = (
        measured.classify(path) for path in SAMPLES if path.stem in ("edge_on_with_dust_lane", "round_smooth")
    )
    assert edge_on.outputs["inclination"] > 75 > round_one.outputs["inclination"] + 30
    assert 0 < edge_on.outputs["inclination_error"] < 15
    with pytest.raises(PermanentError, match="There are inclination"):
        Classifier.from_bundle("colour")
