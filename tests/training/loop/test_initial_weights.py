"""What a run starts from: files of every kind, packages, and what cannot be fetched."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import training.models
from training.loop import checkpoint
from training.loop.initial_weights import find_start, start_from, weights_in

LITE = "timm/tf_efficientnet_lite0"


pytestmark = pytest.mark.usefixtures("toy_model")


def state() -> dict[str, Tensor]:
    torch.manual_seed(7)
    return dict(training.models.find("toy").build(5, 16).state_dict())


def _checkpoint(path: Path) -> None:
    checkpoint.save(path, {"recipe": {}, "progress": {}, "best": state()})


WRITERS: dict[str, Callable[[Path], None]] = {
    "w.safetensors": lambda path: save_file(state(), path),
    "plain.pth": lambda path: torch.save(state(), path),
    "wrapped.pth": lambda path: torch.save({"epoch": 3, "state_dict": state()}, path),
    "averaged.pt": lambda path: torch.save({"state_dict": {}, "model_ema": state()}, path),
    "parallel.pth": lambda path: torch.save({f"module.{name}": value for name, value in state().items()}, path),
    "checkpoint.pt": _checkpoint,
}


@pytest.mark.parametrize("name", WRITERS)
def test_files_of_every_kind_are_read(name: str, tmp_path: Path) -> None:
    """Safetensors, what torch saved under any usual name, and a run's checkpoint give the same weights, told without a path."""
    WRITERS[name](tmp_path / name)
    start = find_start([str(tmp_path / name)], "toy")
    assert start.weights.keys() == state().keys()
    assert all(torch.equal(start.weights[key], value) for key, value in state().items())
    assert name in start.told
    assert "SHA-256" in start.told
    assert str(tmp_path) not in start.told


@pytest.mark.parametrize("name", ["broken.safetensors", "broken.pth"])
def test_a_file_without_weights_is_named(name: str, tmp_path: Path) -> None:
    """Bytes that are no weights are refused by the file's name."""
    (tmp_path / name).write_bytes(b"PK\x03\x04 no weights")
    with pytest.raises(ValueError, match=name):
        weights_in(tmp_path / name)


def _install(folder: Path, name: str, *files: str) -> None:
    """A package as pip leaves it: its files, and a list of them."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))


def test_a_package_that_holds_weights_is_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of weights in an installed package is found by the package's name, and no code of it runs."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    _install(tmp_path, "some-weights", "some_weights/__init__.py", "some_weights/models/net.pth")
    (tmp_path / "some_weights" / "models").mkdir(parents=True)
    (tmp_path / "some_weights" / "__init__.py").write_text("raise RuntimeError('imported')")
    torch.save(state(), tmp_path / "some_weights" / "models" / "net.pth")
    start = find_start(["some-weights"], "toy")
    assert start.weights.keys() == state().keys()
    assert start.told.startswith("some-weights 1.0, net.pth (SHA-256 ")
    _install(tmp_path, "no-weights", "no_weights.py")
    with pytest.raises(ValueError, match="the package no-weights holds no file of weights"):
        find_start(["no-weights"], "toy")


def test_what_is_neither_file_nor_package_is_refused() -> None:
    """A slip in a path does not end in fresh weights."""
    with pytest.raises(FileNotFoundError, match=r"'runs/nowhere\.pt' is neither a file, nor an installed package"):
        find_start(["runs/nowhere.pt"], "toy")


def test_what_cannot_be_fetched_gives_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network the next source is taken, or fresh weights, and the record says so."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    fresh = find_start(["pretrained"], LITE)
    assert not fresh.weights
    assert fresh.told == f"fresh: the pretrained ones of {LITE} could not be fetched"
    save_file(state(), tmp_path / "w.safetensors")
    assert find_start(["pretrained", str(tmp_path / "w.safetensors")], LITE).weights
    assert find_start([], LITE).told == "fresh"


def test_another_implementations_names_are_followed_in_order() -> None:
    """Weights whose names all differ are taken in their order where the shapes agree, but for the last layer's."""
    torch.manual_seed(1)
    theirs = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 1000))
    other = {f"_net_{name}": value for name, value in theirs.state_dict().items()}
    ours = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 5))
    assert start_from(ours, other) == ["2.bias", "2.weight"]
    assert torch.equal(ours[0].weight, theirs[0].weight)
    assert torch.equal(ours[1].running_var, theirs[1].running_var)
    with pytest.raises(ValueError, match="another model's"):
        start_from(nn.Sequential(nn.Conv2d(3, 4, 5), nn.BatchNorm2d(4), nn.Linear(4, 5)), other)
