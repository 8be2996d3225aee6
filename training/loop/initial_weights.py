"""What a run starts from: a checkpoint, an exported artifact, a file of weights, a package that holds one, or timm's own."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor, nn

from cosmoformer.errors import first_line
from cosmoformer.models.artifact import digest
from training import models
from training.loop import checkpoint

_log = logging.getLogger(__name__)

PRETRAINED = "pretrained"
FRESH = "fresh"  # how what a run tells of fresh weights begins
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")  # of files of weights, the preferred first
_WRAPPERS = ("state_dict_ema", "model_ema", "state_dict", "model")  # under which training scripts keep a model's state
_COUNTER = "num_batches_tracked"  # of a batch norm: no weight


@dataclass(frozen=True)
class Start:
    """Weights to start from.

    Attributes:
        weights: by name; empty is fresh ones.
        told: where they are from, for the run's record: a name and a digest, no path.
    """

    weights: Mapping[str, Tensor] = field(default_factory=dict)
    told: str = FRESH


def find_start(sources: Sequence[str], model: str) -> Start:
    """The first of some sources that can be had.

    Args:
        sources: each :data:`PRETRAINED` (what timm's own loader fetches for the model), the path of a file, or the name of an
            installed package that holds one.
        model: as recipes call it.

    Returns:
        What was found, or fresh weights where nothing is named or only what cannot be fetched.

    Raises:
        FileNotFoundError: a source is neither a file nor an installed package.
        ValueError: a file or package holds no weights, or the model has no pretrained ones.
    """
    told = FRESH
    for source in sources:
        if source != PRETRAINED:
            return _from_file(source)
        try:
            weights = models.pretrained(model)
        except OSError as error:
            _log.warning("pretrained weights of %s cannot be fetched: %s", model, first_line(error))
            told = f"{FRESH}: the pretrained ones of {model} could not be fetched"
            continue
        return Start(weights, f"pretrained, {model} by timm's loader")
    return Start(told=told)


def _from_file(source: str) -> Start:
    path, name = Path(source), str(Path(Path(source).parent.name, Path(source).name))
    if not path.is_file():
        path = _in_package(source)
        name = f"{source} {metadata.version(source)}, {path.name}"
    return Start(weights_in(path), f"{name} (SHA-256 {digest(path.read_bytes())[:16]}…)")


def _in_package(name: str) -> Path:
    """The file of weights in an installed package."""
    try:
        files = metadata.files(name) or []
    except (metadata.PackageNotFoundError, ValueError):  # the latter for what cannot be a name
        raise FileNotFoundError(
            f"no weights to start from: {name!r} is neither a file, nor an installed package, nor {PRETRAINED!r}"
        ) from None
    found = sorted((file for file in files if file.suffix in SUFFIXES), key=lambda file: SUFFIXES.index(file.suffix))
    if not found:
        raise ValueError(f"the package {name} holds no file of weights ({', '.join(SUFFIXES)})")
    return Path(str(found[0].locate()))


def weights_in(path: Path) -> dict[str, Tensor]:
    """The weights in a file, by name: an artifact, a checkpoint (its best), safetensors, or a state that torch saved.

    Raises:
        ValueError: it is none of these.
    """
    if path.suffix == ".safetensors":
        return _safetensors(path)
    try:
        return checkpoint.weights_of(path)
    except ValueError:
        if (state := _plain_state(path)) is None:
            raise
        return state


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except SafetensorError as error:
        raise ValueError(f"{path} is no file of safetensors: {first_line(error)}") from None


def _plain_state(path: Path) -> dict[str, Tensor] | None:
    """The state of a model that torch saved, alone or under a usual name; None where there is none."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # pickle's own errors; the caller says what was expected
        return None
    if isinstance(state, dict):
        state = next((state[name] for name in _WRAPPERS if isinstance(state.get(name), Mapping)), state)
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        return None
    return {str(name).removeprefix("module."): value for name, value in state.items()}


def start_from(model: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    """Copy weights into a model wherever name and shape agree; sides of one element may be left out.

    Where no name agrees, but the shapes do in their order, all but the last layer's, the weights are another implementation's
    of the same network, and are taken in that order.

    Where a model's last layer has more outputs, or others, what it has in common with the weights is not guessed: it stays as
    it was initialised.

    Returns:
        Names of those that were left as they were.

    Raises:
        ValueError: nothing agrees.
    """
    own = model.state_dict()  # shares the model's memory
    if not set(own) & set(weights):
        weights = _renamed(own, weights)
    fitting = {
        name: weights[name].reshape(value.shape)
        for name, value in own.items()
        if name in weights and weights[name].squeeze().shape == value.squeeze().shape
    }
    if not fitting:
        raise ValueError(f"none of the {len(weights)} weights fits the model: they are another model's")
    with torch.no_grad():
        for name, value in fitting.items():
            own[name].copy_(value)
    return sorted(name for name in set(own) - set(fitting) if not name.endswith(_COUNTER))


def _renamed(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    mine = [name for name in own if not name.endswith(_COUNTER)]
    theirs = [name for name in weights if not name.endswith(_COUNTER)]
    body = mine[: -checkpoint.LAST_LAYER]
    if len(mine) != len(theirs) or any(own[a].shape != weights[b].shape for a, b in zip(body, theirs, strict=False)):
        return weights
    return {a: weights[b] for a, b in zip(mine, theirs, strict=True)}
