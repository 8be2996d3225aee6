"""One set of weights in every form that is compared: our artifact, the thesis's traced model, and ONNX.

The weights are random but fixed: their values change no timing, and an artifact may fold them so that they cannot be had back.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from cosmoformer.models import artifact
from training import export, models
from training.models import Model
from training.tasks import Task, find

CACHE = Path(__file__).parents[1] / ".cache" / "benchmarks"
INPUT_SIDE = 224  # pixels
_TASK = find("clean5")


@dataclass(frozen=True)
class Models:
    """Files of the same weights.

    Attributes:
        artifact: what ``training.export`` writes: uint8 images of any side to probabilities.
        thesis: vit-pytorch's model as ``torch.jit.trace`` takes it: float (1, 3, 224, 224) to logits.
        onnx: the graph inside the artifact: float (1, 3, 224, 224) to logits.
    """

    artifact: Path
    thesis: Path
    onnx: Path


def prepare(folder: Path = CACHE) -> Models:
    """Write the files unless they are there already, made by the same code."""
    folder = folder / _version()
    made = Models(folder / "model.pt", folder / "thesis.pt", folder / "model.onnx")
    if not made.onnx.exists():  # the last one
        folder.mkdir(parents=True, exist_ok=True)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # more, beside other work, would take ten times as long
        try:
            _write(made)
        finally:
            torch.set_num_threads(threads)
    return made


def _version() -> str:
    """Digest of everything that the files depend on."""
    root = Path(export.__file__).parent
    folders = (root / "models", root / "artifact")
    sources = (root / "export.py", *(path for folder in folders for path in sorted(folder.glob("*.py"))))
    text = b"".join(path.read_bytes() for path in (*sources, Path(artifact.__file__), Path(__file__)))
    return hashlib.sha256(text + torch.__version__.encode()).hexdigest()[:16]


def _write(made: Models) -> None:
    kind = models.find("crossformer")
    torch.manual_seed(0)
    weights = kind.build(_TASK.outputs, INPUT_SIDE).state_dict()
    content, _, inference = packed(kind, _TASK, INPUT_SIDE, weights)
    made.artifact.write_bytes(content)
    example = torch.randn(1, 3, INPUT_SIDE, INPUT_SIDE, generator=torch.Generator().manual_seed(0))
    own = thesis_model(weights)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracers warn of every Python branch, exporters of every deprecation
        _check_equal(own(example), inference(example))
        torch.jit.save(torch.jit.trace(own, example, check_trace=False), str(made.thesis))
    exported(inference, example, made.onnx)


def packed(kind: Model, task: Task, side: int, weights: Mapping[str, Tensor]) -> tuple[bytes, nn.Module, nn.Module]:
    """An artifact of weights, and the two forms of the model that it was made of: as it is trained, and for inference.

    Args:
        kind: of model.
        task: what its outputs mean.
        side: of the images that it takes, pixels.
        weights: by parameter name.
    """
    facts = artifact.Metadata(
        task=task.name,
        classes=task.predicted,
        input_size=side,
        crop=task.crop,
        temperature=1.0,
        run="benchmark",
        data_version="benchmark",
    )
    trained = kind.load(task.outputs, side, weights)
    inference = kind.for_inference(kind.load(task.outputs, side, weights))
    return export.pack(trained, inference, task, facts), trained, inference


def exported(model: nn.Module, example: Tensor, path: Path) -> Path:
    """Write a model as an ONNX file for images like the example; the file."""
    unfinished = path.with_suffix(".unfinished")
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (example,), str(unfinished), dynamo=True, verbose=False, external_data=False)
    return unfinished.rename(path)


def thesis_model(weights: dict[str, Tensor]) -> nn.Module:
    """vit-pytorch's own CrossFormer, as the thesis used it, with weights of ours."""
    from training.models.crossformer import build

    model: nn.Module = build(_TASK.outputs, INPUT_SIDE)
    model.load_state_dict({name.removeprefix("model."): value for name, value in weights.items()})
    return model.eval()


def _check_equal(theirs: Tensor, ours: Tensor) -> None:
    difference = float((theirs - ours).abs().max())
    if not difference <= export.EQUAL_WITHIN:
        raise ValueError(f"the two models differ by {difference:.2g} > {export.EQUAL_WITHIN}: they cannot be compared")
