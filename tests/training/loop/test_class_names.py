"""Class names in a checkpoint: each as it is, whichever release wrote them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.loop.small_runs import TASK, job
from training.loop import checkpoint, class_names
from training.loop.progress import Stop
from training.loop.trainer import Trainer


@pytest.mark.parametrize(
    "classes", [(), ("spiral",), ("S0, lenticular", "spiral"), ('say "bar"', "[spiral]", "großartig")]
)
def test_names_are_read_as_they_were_written(classes: tuple[str, ...]) -> None:
    """Whatever characters they have, and where there are none."""
    assert class_names.read(class_names.written(classes)) == classes
    assert class_names.are_told(class_names.written(classes), classes)


def test_what_releases_before_wrote_is_read() -> None:
    """Names side by side with commas; a name that has one is known again by who knows the names."""
    assert class_names.read("spiral,merger") == ("spiral", "merger")
    assert class_names.read("") == ()
    assert class_names.are_told("S0, lenticular,spiral", ("S0, lenticular", "spiral"))
    assert not class_names.are_told("spiral,merger", ("merger", "spiral"))


@pytest.mark.usefixtures("toy_model")
def test_a_run_of_a_release_before_goes_on(tmp_path: Path) -> None:
    """Its classes stand in the older form; those in another order are another run's."""
    Trainer(job(tmp_path)).fit(Stop())
    path = tmp_path / checkpoint.NAME
    state = checkpoint.read(path, torch.device("cpu"))
    checkpoint.save(path, state | {"data": state["data"] | {"classes": ",".join(TASK.classes)}})
    assert Trainer(job(tmp_path)).is_over
    again = job(tmp_path)
    with pytest.raises(ValueError, match="differs in the data"):
        Trainer(replace(again, train=replace(again.train, classes=TASK.classes[::-1])))
