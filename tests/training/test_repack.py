"""Artifacts of earlier releases, written again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cosmoformer.models import artifact
from training import repack
from training.artifact.flat import FlatModule
from training.export import module_of, write
from training.loop import checkpoint
from training.models.crossformer import MODEL
from training.tasks import TASKS

CLEAN5 = TASKS["clean5"]
SIDE = 112


def _before(views: int = 1) -> bytes:
    """An artifact as earlier releases wrote it, without feature vectors."""
    torch.manual_seed(0)
    inference = MODEL.for_inference(MODEL.build(CLEAN5.outputs, SIDE).eval())
    core = torch.jit.trace(FlatModule(inference), torch.zeros(2, 3, SIDE, SIDE), check_trace=False)
    facts = artifact.Metadata("clean5", CLEAN5.classes, SIDE, CLEAN5.crop, 1.5, "test", "test")
    return write(module_of(core, CLEAN5.seen_from(views), facts), facts)


@pytest.mark.parametrize("views", [1, 2])
def test_a_repacked_artifact_gives_features_and_all_else_as_before(tmp_path: Path, views: int) -> None:
    """Its predictions and weights are the same to the last bit, its views as many; features of like images are alike."""
    old, new = tmp_path / "old.pt", tmp_path / "new.pt"
    old.write_bytes(_before(views))
    assert repack.main(["--artifact", str(old), "--out", str(new)]) == 0
    before, after = (artifact.load(path.read_bytes()) for path in (old, new))
    images = torch.randint(0, 256, (3, 3, 200, 200), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))
    told, features = after.describe(images)
    assert torch.equal(told, before.predict(images))
    assert features is not None and features.shape == (3, after.metadata.features) == (3, 256)
    assert features.std(dim=0).min() > 0
    weights = [checkpoint.weights_of(path) for path in (old, new)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def test_what_gives_features_already_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second time there is nothing to do, and nothing is written."""
    path = tmp_path / "new.pt"
    path.write_bytes(repack.repacked(_before()))
    assert repack.main(["--artifact", str(path), "--out", str(tmp_path / "again.pt")]) == 1
    assert "gives feature vectors of length 256 already" in capsys.readouterr().err
    assert not (tmp_path / "again.pt").exists()
