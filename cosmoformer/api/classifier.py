"""A classifier in this process: files, bytes and arrays, without store, broker or function."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from cosmoformer.errors import ImageRejected, PermanentError
from cosmoformer.models.bundled import bundle, further_bundles
from cosmoformer.models.promotion import download_checked, find_version
from cosmoformer.models.registry import Registry
from cosmoformer.settings import Settings, load
from cosmoformer.settings_file import effective_environment
from cosmoformer.storage.sky_objects import read
from cosmoformer.votes.way import Step, way

try:
    import numpy as np
    from numpy.typing import NDArray

    from cosmoformer.images.decoding import decode, of_pixels
    from cosmoformer.images.framing import Framing
    from cosmoformer.images.heat_map import heat_map
    from cosmoformer.images.picture import Limits, Picture, too_large
    from cosmoformer.models import artifact
    from cosmoformer.models.explanation import Explanation, explain
    from cosmoformer.models.outputs import grouped
    from cosmoformer.models.prediction import described, predict, preprocess
except ImportError as error:
    raise PermanentError(
        f"classifying needs torch, Pillow and numpy: {error}", "pip install 'cosmoformer[classify]'"
    ) from error

if TYPE_CHECKING:
    from cosmoformer.models.artifact import Artifact, Metadata
    from cosmoformer.models.outputs import Votes

Image = str | Path | bytes | NDArray[np.uint8]


@dataclass(frozen=True)
class Prediction:
    """A model's prediction for one image.

    Attributes:
        label: the most probable class; None for a task that is no classification.
        confidence: its probability; None likewise.
        unsure: whether that is below ``UNSURE_BELOW``; None likewise.
        outputs: probabilities by class name, which sum to 1; or values by name, in the units of the model's metadata.
        width: of the image as it came, pixels.
        height: likewise.
        format: file format, such as JPEG; ``array`` for an array.
        conversions: what was done to make it 8-bit square RGB, in order (docs/bad-input.md).
        values: numbers by name; empty for a model that gives none.
        votes: how volunteers would answer each question of the decision tree (docs/results.md); empty likewise. By question
            ``asked``, how many of a hundred would be asked it, and ``fractions``, of these by answer:
            ``votes["bar"]["fractions"]["yes"]``.
        zoom: side of the image over the side that was shown to the model.
        in_domain: how much the image looks like those that the model was trained on, 0 to 1; None for a model that does not tell.
        no_galaxy: whether that is below ``NO_GALAXY_BELOW``; None likewise.
    """

    label: str | None
    confidence: float | None
    unsure: bool | None
    outputs: dict[str, float]
    width: int
    height: int
    format: str
    conversions: tuple[str, ...]
    values: dict[str, float] = field(default_factory=dict)
    votes: Votes = field(default_factory=dict)
    zoom: float = 1.0
    in_domain: float | None = None
    no_galaxy: bool | None = None

    @property
    def way(self) -> tuple[Step, ...]:
        """The galaxy's way through the decision tree: each question that its most-voted answers lead to, in order.

        Empty for a model without votes. ``[(step.question.name, step.answer.name, step.fraction) for step in found.way]`` are
        names of questions and answers, and fractions of those who are asked.
        """
        return way(self.votes)


class Classifier:
    """A model that classifies images here, in the way of the classify function: same decoding, same artifact.

    Args:
        model: path or content of an artifact file; None is the model that ships with CosmoFormer.
        settings: what the limits, ``UNSURE_BELOW`` and ``NO_GALAXY_BELOW`` are; None is those of the environment.

    Raises:
        ModelRefused: the file is no artifact, or fails its self-check.
        OSError: it cannot be read.
    """

    def __init__(self, model: str | Path | bytes | None = None, *, settings: Settings | None = None) -> None:
        self._settings = settings or load(effective_environment())
        self._limits = Limits(self._settings.max_image_bytes, self._settings.max_image_pixels)
        if model is None:
            model = bundle().artifact
        self._artifact: Artifact = artifact.load(model if isinstance(model, bytes) else Path(model).read_bytes())

    @classmethod
    def from_bundle(cls, name: str, *, settings: Settings | None = None) -> Self:
        """A model that ships with CosmoFormer beside the first one, such as ``inclination``.

        Args:
            name: which.
            settings: as for the class.

        Raises:
            PermanentError: none ships under this name.
        """
        if name not in further_bundles():
            raise PermanentError(f"no model ships as {name!r}", f"There are {', '.join(further_bundles())}")
        return cls(bundle(name).artifact, settings=settings)

    @classmethod
    def from_registry(cls, version: int | None = None, *, settings: Settings | None = None) -> Self:
        """The model that a version in the MLflow registry holds.

        Args:
            version: its number; None is the champion, which is what a running system serves.
            settings: where the registry is; None is those of the environment.

        Raises:
            RegistryUnavailable: MLflow does not answer, or has no such alias.
            PermanentError: there is no such version.
            ModelRefused: its artifact cannot be served.
        """
        settings = settings or load(effective_environment())
        registry = Registry(settings)
        found = registry.resolve(settings.model_alias) if version is None else find_version(registry, version)
        return cls(download_checked(registry, found), settings=settings)

    @property
    def metadata(self) -> Metadata:
        """Task, classes, training run and the rest that travels with the weights."""
        return self._artifact.metadata

    def classify(
        self,
        image: Image,
        *,
        zoom: float | None = None,
        size_arcsec: float | None = None,
        pixel_scale: float | None = None,
    ) -> Prediction:
        """Classify one image.

        Args:
            image: path or content of a file, FITS among them; or an array, uint8 (H, W, 3) RGB or (H, W) grey.
            zoom: how much larger its centre is shown to the model; None is by the galaxy's size where that is known, else
                ``ZOOM``.
            size_arcsec: Petrosian radius (R90) of the galaxy, seconds of arc, for models that tell in ``metadata.radii`` how many
                radii they want to be shown.
            pixel_scale: side of a pixel, seconds of arc; None is what a FITS file's header tells.

        Raises:
            ImageRejected: it is no picture that can be classified; ``code`` and ``detail`` say why.
            OSError: the file cannot be read.
            TypeError: an array of another shape or dtype.
            ValueError: a zoom, size or scale that is none.
        """
        picture = self._picture(image, self._framing(zoom=zoom, size_arcsec=size_arcsec, pixel_scale=pixel_scale))
        answer = grouped(self.metadata, predict(self._artifact, preprocess(picture.seen)))
        shares = answer.probabilities
        label = max(shares, key=lambda name: shares[name]) if shares else None
        confidence = shares[label] if label is not None else None
        return Prediction(
            label=label,
            confidence=confidence,
            unsure=confidence < self._settings.unsure_below if confidence is not None else None,
            outputs=shares or answer.values,
            width=picture.width,
            height=picture.height,
            format=picture.format,
            conversions=picture.conversions,
            zoom=picture.zoom,
            values=answer.values,
            votes=answer.votes,
            in_domain=answer.in_domain,
            no_galaxy=None if answer.in_domain is None else answer.in_domain < self._settings.no_galaxy_below,
        )

    @property
    def sha256(self) -> str:
        """Digest of the artifact file."""
        return self._artifact.sha256

    def features(self, image: Image, *, zoom: float | None = None) -> NDArray[np.float16]:
        """The model's feature vector of an image, float16 (F,); those of like images point the same way.

        Args:
            image: as for :meth:`classify`.
            zoom: likewise.

        Raises:
            ImageRejected: as for :meth:`classify`; likewise OSError, TypeError and ValueError.
            PermanentError: the model gives none.
        """
        if not self.metadata.features:
            raise PermanentError(
                "the model gives no feature vectors", "Export it again, or add them: python -m training.repack"
            )
        _, vector = described(self._artifact, preprocess(self._picture(image, self._framing(zoom=zoom)).seen))
        return np.frombuffer(vector, "<f2")

    def explain(self, image: Image, output: str = "1") -> tuple[Explanation, bytes]:
        """What the model looks at in an image.

        Args:
            image: as for :meth:`classify`.
            output: name of a class, answer or value; ``1`` for the most probable class, or, without classes, the first output.

        Returns:
            How much the output relies on each place, and a PNG of that.

        Raises:
            ImageRejected: as for :meth:`classify`; likewise OSError and TypeError.
            InvalidRequest: the model has no such output.
            NotExplained: it is too slow.
        """
        pixels = self._picture(image, self._framing()).pixels
        found = explain(self._artifact, pixels, output)
        return found, heat_map(pixels, found.weights, self.metadata.crop)

    def classify_files(self, paths: Iterable[str | Path]) -> Iterator[tuple[Path, Prediction | ImageRejected]]:
        """Classify files one after the other; one that is no picture ends nothing.

        Yields:
            Each path, and its prediction or why there is none.
        """
        for path in map(Path, paths):
            try:
                yield path, self.classify(path)
            except ImageRejected as rejection:
                yield path, rejection
            except OSError as error:
                yield path, ImageRejected("unreadable", f"The file cannot be read: {error.strerror or error}.")

    def _framing(self, **known: float | None) -> Framing:
        told = read({name: value for name, value in known.items() if value is not None})
        if told.ignored:
            raise ValueError("; ".join(told.ignored))
        return told.framing(self.metadata.radii, self._settings.zoom)

    def _picture(self, image: Image, framing: Framing) -> Picture:
        if isinstance(image, np.ndarray):
            if self.metadata.bands:
                raise TypeError(
                    f"this model takes the bands {', '.join(self.metadata.bands)} of a FITS file, not an array"
                )
            return of_pixels(_checked(image), framing)
        if isinstance(image, bytes):
            return decode(image, self._limits, framing, self.metadata.bands)
        path = Path(image)
        if (size := path.stat().st_size) > self._limits.image_bytes:
            raise too_large(size, self._limits.image_bytes)
        return decode(path.read_bytes(), self._limits, framing, self.metadata.bands)


def _checked(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise TypeError(
            f"expected an array of dtype uint8 and shape (H, W, 3) or (H, W), got {pixels.dtype} {pixels.shape}; "
            "scale floating point to 0..255 first, or give a FITS file"
        )
    return pixels
