"""The artifact: one TorchScript file with everything between pixels and predictions. This module loads it.

The file takes a batch of square uint8 RGB images of any side and gives named groups of outputs (see
:mod:`cosmoformer.models.outputs`), and by its method ``described`` a feature vector of each image beside them; crop, resize,
scaling, normalisation, temperature and softmax are inside. Beside the code it carries :data:`METADATA` and a self-check: images
and the outputs that the exporting machine got for them. ``training.export`` writes it.

Format 2 has several groups at once. Format 1, which is still served, has one: its ``kind`` says whether ``classes`` are the names
of classes or of values without a unit.

``torch.jit`` is deprecated in favour of ``torch.export``; nothing outside these two modules knows the format.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cosmoformer.errors import ModelRefused, first_line
from cosmoformer.models.outputs import Fractions, Value, check_names, check_ranges

if TYPE_CHECKING:
    import torch

FORMAT = 2
_KINDS = ("classification", "values")  # of format 1
METADATA = "cosmoformer.json"
SELF_CHECK = "self_check.json"
SELF_CHECK_TOLERANCE = 1e-3  # see :func:`tolerance`; instruction sets differ by about 1e-6


@dataclass(frozen=True)
class Metadata:
    """What travels with the weights.

    Attributes:
        task: which question the model answers.
        classes: names of the classes, in the order of the outputs; empty for a model that is no classifier.
        input_size: side in pixels that images are resized to, inside.
        crop: central fraction of an image's side that is looked at.
        temperature: what logits of the classes are divided by before the softmax (Guo et al. 2017).
        run: training run.
        data_version: digest of the training data.
        fractions: vote fractions of a decision tree; None for a model that gives none.
        values: numbers with unit and range.
        radii: side of an image as the model learned from, in Petrosian radii (R90) of its galaxy; 0 for no such rule.
        features: length of the feature vector that the model gives beside its outputs; 0 for none.
        bands: names of the raw bands that the model takes, float32 (N, C, S, S) in a file's units, in their order; empty for a
            model of pictures, uint8 (N, 3, S, S).
        format: of the artifact's metadata.
    """

    task: str
    classes: tuple[str, ...]
    input_size: int
    crop: float
    temperature: float
    run: str
    data_version: str
    fractions: Fractions | None = None
    values: tuple[Value, ...] = ()
    radii: float = 0.0
    features: int = 0
    bands: tuple[str, ...] = ()
    format: int = FORMAT

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all outputs, in their order."""
        votes = self.fractions.labels if self.fractions else ()
        return (*self.classes, *votes, *(value.name for value in self.values))

    @property
    def told(self) -> str:
        """What the outputs are, in words."""
        groups = {"probabilities": self.classes, "vote fractions": self.fractions, "values": self.values}
        return " and ".join(words for words, group in groups.items() if group)


class Artifact:
    """A loaded artifact."""

    def __init__(
        self, module: torch.jit.ScriptModule, metadata: Metadata, self_check: dict[str, Any], sha256: str
    ) -> None:
        self.module, self.metadata, self.sha256 = module, metadata, sha256
        self._self_check = self_check
        self.self_check_seconds = 0.0

    def predict(self, images: torch.Tensor) -> torch.Tensor:
        """All outputs, float32 (N, names) in the order of the metadata's names, of uint8 images (N, 3, S, S)."""
        return self.describe(images)[0]

    def describe(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The same, and feature vectors, float32 (N, F), in one pass; None for a model that gives none."""
        import torch

        # The profiling executor would recompile at the first two calls, a second each.
        with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            if not self.metadata.features:
                return self.module(images), None
            outputs, features = self.module.described(images)
        return outputs, features

    def verify(self) -> None:
        """Run the self-check, and note in ``self_check_seconds`` how long it took; it also warms the model up.

        Raises:
            ModelRefused: the outputs differ from those of the exporting machine.
        """
        import torch

        started = time.perf_counter()
        shape = self._self_check["shape"]
        dtype = torch.float32 if self.metadata.bands else torch.uint8
        images = torch.frombuffer(bytearray.fromhex(self._self_check["pixels"]), dtype=dtype).view(shape)
        expected = torch.tensor(self._self_check["probabilities"])
        got, features = self.describe(images)
        names, said = self.metadata.names, self.metadata.told
        wanted = (len(images), len(names))
        if not tuple(got.shape) == tuple(expected.shape) == wanted:
            raise ModelRefused(
                f"self-check: expected {said} of shape {wanted} ({', '.join(names)}), "
                f"got {tuple(got.shape)}; recorded are {tuple(expected.shape)}"
            )
        difference = float((got - expected).abs().max())
        allowed = tolerance(SELF_CHECK_TOLERANCE, expected)
        if not difference <= allowed < math.inf:  # also refuses NaN
            raise ModelRefused(
                f"self-check: {said} differ by {difference:.3g} from those at export (allowed: {allowed:.3g})",
                "Export and register the model again",
            )
        if features is not None and not _is_matrix(features, len(images), self.metadata.features):
            raise ModelRefused(
                f"self-check: expected finite feature vectors of length {self.metadata.features}, got {tuple(features.shape)}",
                "Export and register the model again",
            )
        for row in got.tolist():
            check_ranges(self.metadata.values, row[len(names) - len(self.metadata.values) :])
        self.self_check_seconds = time.perf_counter() - started


def _is_matrix(features: torch.Tensor, rows: int, columns: int) -> bool:
    return tuple(features.shape) == (rows, columns) and bool(features.isfinite().all())


def tolerance(of_one: float, outputs: torch.Tensor) -> float:
    """How far outputs of two machines may differ: ``of_one`` up to 1, as probabilities are, and in proportion beyond.

    An angle in degrees or a mass has no more digits in float32 than a probability.
    """
    return of_one * max(1.0, float(outputs.abs().max()))


def digest(content: bytes) -> str:
    """SHA-256 of an artifact file, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def read_metadata(content: bytes) -> Metadata:
    """What travels with the weights, read without torch: a TorchScript file is a ZIP archive with extra files in ``extra/``.

    Raises:
        ModelRefused: the file is no artifact of this format.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name for name in archive.namelist() if name.partition("/")[2] == f"extra/{METADATA}"]
            text = archive.read(names[0]) if names else b""
    except zipfile.BadZipFile as error:
        raise ModelRefused(
            f"{len(content):,} bytes are no TorchScript file: {error}", "Export the model again"
        ) from None
    return _metadata(text)


def load(content: bytes) -> Artifact:
    """Load an artifact onto the CPU and run its self-check.

    Raises:
        ModelRefused: the file is no artifact of this format, or fails its self-check.
    """
    import torch

    extra: dict[str, Any] = {METADATA: "", SELF_CHECK: ""}
    try:
        module = torch.jit.load(io.BytesIO(content), map_location="cpu", _extra_files=extra)
    except MemoryError:
        raise
    except Exception as error:  # torch raises many kinds for what is no TorchScript file, and all mean the same
        reason = first_line(error)[:200]
        raise ModelRefused(
            f"{len(content):,} bytes are no TorchScript file: {reason}", "Export the model again"
        ) from None
    metadata = _metadata(extra[METADATA])
    try:
        self_check = json.loads(extra[SELF_CHECK])
    except ValueError:
        raise ModelRefused(f"the artifact carries no {SELF_CHECK}", "Export it with training.export") from None
    loaded = Artifact(module.eval(), metadata, self_check, digest(content))
    try:
        loaded.verify()
    except (ModelRefused, MemoryError):
        raise
    except Exception as error:  # a model is code: it may raise anything
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1][:200]
        raise ModelRefused(f"self-check: the model cannot run: {reason}") from None
    return loaded


def metadata_of(members: Mapping[str, Any]) -> Metadata:
    """Metadata of any format from the members of its JSON form.

    Raises:
        ModelRefused: the format is unknown, or what is given is not as the format has it.
    """
    number = members.get("format")
    if number not in _READERS:
        raise ModelRefused(
            f"the artifact's format is {number!r}; known are {', '.join(map(str, _READERS))}",
            "Serve it with the version of CosmoFormer that exported it, or a later one",
        )
    try:
        metadata = _READERS[number](members)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelRefused(
            f"the artifact's {METADATA} is missing or malformed: {error}", "Export it with training.export"
        ) from None
    check_names(metadata.names)
    if metadata.fractions:
        metadata.fractions.check()
    return metadata


def _format_1(members: Mapping[str, Any]) -> Metadata:
    others = {name: member for name, member in members.items() if name not in ("kind", "classes")}
    names, kind = tuple(map(str, members["classes"])), members.get("kind", _KINDS[0])
    if kind not in _KINDS:
        raise ModelRefused(
            f"the artifact's kind is {kind!r}; expected one of {', '.join(_KINDS)}",
            "Serve it with the version of CosmoFormer that exported it, or a later one",
        )
    if kind == "values":
        return Metadata(**others, classes=(), values=tuple(map(Value, names)))
    return Metadata(**others, classes=names)


def _format_2(members: Mapping[str, Any]) -> Metadata:
    fractions = members.get("fractions")
    groups: dict[str, Any] = {
        "classes": tuple(map(str, members["classes"])),
        "fractions": fractions and Fractions(fractions["tree"], tuple(map(str, fractions["labels"]))),
        "values": tuple(Value(**value) for value in members.get("values", ())),
        "bands": tuple(map(str, members.get("bands", ()))),
    }
    return Metadata(**{**members, **groups})


_READERS = {1: _format_1, 2: _format_2}


def _metadata(text: str | bytes) -> Metadata:
    try:
        members = json.loads(text)
    except ValueError as error:
        members, why = None, str(error)
    else:
        why = "it is no JSON object"
    if not isinstance(members, dict):
        raise ModelRefused(
            f"the artifact's {METADATA} is missing or malformed: {why}", "Export it with training.export"
        )
    return metadata_of(members)
