"""The artifact: one TorchScript file with everything between pixels and predictions. This module loads it.

The file takes a batch of square uint8 RGB images of any side and gives class probabilities, or the numbers of a task that is
no classification; crop, resize, scaling, normalisation, temperature and softmax are inside. Beside the code it carries
:data:`METADATA` and a self-check: images and the outputs that the exporting machine got for them. ``training.export`` writes it.

``torch.jit`` is deprecated in favour of ``torch.export``; nothing outside these two modules knows the format.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import time
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from cosmoformer.errors import ModelRefused, first_line

if TYPE_CHECKING:
    import torch

Kind = Literal["classification", "values"]

FORMAT = 1
METADATA = "cosmoformer.json"
SELF_CHECK = "self_check.json"
SELF_CHECK_TOLERANCE = 1e-3  # see :func:`tolerance`; instruction sets differ by about 1e-6


@dataclass(frozen=True)
class Metadata:
    """What travels with the weights.

    Attributes:
        task: which question the model answers.
        classes: names of the outputs, in their order.
        input_size: side in pixels that images are resized to, inside.
        crop: central fraction of an image's side that is looked at.
        temperature: what logits are divided by before the softmax (Guo et al. 2017).
        run: training run.
        data_version: digest of the training data.
        kind: what the outputs are: probabilities of classes, or any numbers (vote fractions, an angle in the task's unit).
    """

    task: str
    classes: tuple[str, ...]
    input_size: int
    crop: float
    temperature: float
    run: str
    data_version: str
    kind: Kind = "classification"


class Artifact:
    """A loaded artifact."""

    def __init__(
        self, module: torch.jit.ScriptModule, metadata: Metadata, self_check: dict[str, Any], sha256: str
    ) -> None:
        self.module, self.metadata, self.sha256 = module, metadata, sha256
        self._self_check = self_check
        self.self_check_seconds = 0.0

    def predict(self, images: torch.Tensor) -> torch.Tensor:
        """Probabilities or values, by the metadata's ``kind``: float32 (N, classes), of uint8 images (N, 3, S, S)."""
        import torch

        # The profiling executor would recompile at the first two calls, a second each.
        with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            outputs: torch.Tensor = self.module(images)
        return outputs

    def verify(self) -> None:
        """Run the self-check, and note in ``self_check_seconds`` how long it took; it also warms the model up.

        Raises:
            ModelRefused: the outputs differ from those of the exporting machine.
        """
        import torch

        started = time.perf_counter()
        shape = self._self_check["shape"]
        images = torch.frombuffer(bytearray.fromhex(self._self_check["pixels"]), dtype=torch.uint8).view(shape)
        expected = torch.tensor(self._self_check["probabilities"])
        got = self.predict(images)
        wanted = (len(images), len(self.metadata.classes))
        said = "probabilities" if self.metadata.kind == "classification" else "values"
        if not tuple(got.shape) == tuple(expected.shape) == wanted:
            raise ModelRefused(
                f"self-check: expected {said} of shape {wanted} ({', '.join(self.metadata.classes)}), "
                f"got {tuple(got.shape)}; recorded are {tuple(expected.shape)}"
            )
        difference = float((got - expected).abs().max())
        allowed = tolerance(SELF_CHECK_TOLERANCE, expected)
        if not difference <= allowed < math.inf:  # also refuses NaN
            raise ModelRefused(
                f"self-check: {said} differ by {difference:.3g} from those at export (allowed: {allowed:.3g})",
                "Export and register the model again",
            )
        self.self_check_seconds = time.perf_counter() - started


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


def _metadata(text: str | bytes) -> Metadata:
    try:
        members = json.loads(text)
        if members.pop("format") != FORMAT:
            raise ModelRefused(
                f"the artifact has another format than {FORMAT}", "Export it with this version of CosmoFormer"
            )
        metadata = Metadata(**members | {"classes": tuple(members["classes"])})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelRefused(
            f"the artifact's {METADATA} is missing or malformed: {error}", "Export it with training.export"
        ) from None
    if metadata.kind not in get_args(Kind):
        raise ModelRefused(
            f"the artifact's kind is {metadata.kind!r}; expected one of {', '.join(get_args(Kind))}",
            "Serve it with the version of CosmoFormer that exported it, or a later one",
        )
    return metadata
