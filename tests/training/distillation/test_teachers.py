"""Which checkpoints can teach: those of a classification, whatever its classes are called."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.training.loop.small_runs import ordered_run
from training.distillation.teachers import open_teacher
from training.loop import checkpoint

CPU = torch.device("cpu")
CLASSES = ("spiral", "S0, lenticular")
LABELS = {"two_armed_spiral": CLASSES[0], "round_smooth": CLASSES[1]}

pytestmark = pytest.mark.usefixtures("toy_model")


def _with_classes(path: Path, text: str) -> Path:
    """The checkpoint with another text of its classes."""
    state = checkpoint.read(path, CPU)
    checkpoint.save(path, state | {"data": state["data"] | {"classes": text}})
    return path


def test_a_class_name_with_a_comma_is_one_class(tmp_path: Path) -> None:
    """The checkpoint's classes are the run's; where an older one tells them apart by commas, it is refused in words."""
    path, _ = ordered_run(tmp_path, CLASSES, LABELS)
    teacher = open_teacher(path, CPU)
    assert teacher.task.classes == CLASSES
    assert teacher.tell(torch.zeros(2, 3, 16, 16)).shape == (2, 2)
    _with_classes(path, ",".join(CLASSES))
    with pytest.raises(ValueError, match=r"no weights for the classes \('spiral', 'S0', ' lenticular'\)"):
        open_teacher(path, CPU)


@pytest.mark.parametrize("text", ["[]", ""])
def test_a_checkpoint_without_classes_cannot_teach(tmp_path: Path, text: str) -> None:
    """It is told so, as an artifact without classes is, in either form of a checkpoint's classes."""
    path, _ = ordered_run(tmp_path, CLASSES, LABELS)
    with pytest.raises(ValueError, match="gives values of own, no classes: it cannot teach"):
        open_teacher(_with_classes(path, text), CPU)
