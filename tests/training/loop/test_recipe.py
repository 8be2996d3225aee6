"""Recipes: what comes with the project, what may be changed, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.loop import recipe
from training.loop.recipe import RecipeError, from_params, load
from training.tasks import TASKS


@pytest.mark.parametrize("name", recipe.names())
def test_every_recipe_loads_and_survives_as_text(name: str) -> None:
    """A recipe that comes with the project is valid, and its parameters as text give it back."""
    loaded = load(name)
    assert from_params(loaded.params()) == loaded
    assert loaded.task in TASKS


def test_the_thesis_and_the_best_are_among_them() -> None:
    """Both presets exist, and differ where the project does better."""
    thesis, best = load("thesis"), load("best")
    assert (thesis.dropout, thesis.warmup, thesis.label_smoothing, thesis.augmentation) == (0.1, 0.1, 0.0, "thesis")
    assert best.target_weight > 0


def test_the_mobilevit_paper_is_among_them() -> None:
    """Its numbers are those of the text (Tan 2023, sections 2.2.1 and 2.2.3)."""
    paper = load("mobilevit")
    assert (paper.model, paper.task, paper.image_size, paper.pixels) == (
        "timm/mobilevit_s",
        "galaxy10",
        256,
        "symmetric",
    )
    assert (paper.schedule, paper.learning_rate, paper.decay_rate, paper.decay_steps) == (
        "exponential",
        0.002,
        0.01,
        10_000,
    )
    assert (paper.weight_decay, paper.patience, paper.epochs, paper.average_decay) == (0.01, 5, 20, 0.0)


def test_grey_images_have_one_range() -> None:
    """What a grey network sees is normalised brightness: both at once is refused."""
    with pytest.raises(RecipeError, match="grayscale images are normalised ones: leave out pixels"):
        load("challenge-notebook", ["pixels=symmetric"])


def test_fields_are_changed_as_in_toml_or_plainly() -> None:
    """Numbers are numbers, strings need no quotes, a table of augmentations is taken."""
    changed = load("best", ["epochs=3", "class_balance=weights", "augmentation={rotation = 90}"])
    assert (changed.epochs, changed.class_balance, changed.augment().rotation) == (3, "weights", 90)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("epoch=3", "no field 'epoch'; it has model, task"),
        ("epochs=many", "epochs must be of type int, got 'many'"),
        ("epochs=0", "epochs must be above 0"),
        ("patience=-1", "patience must be 0 or above, got -1"),
        ("drop_path=1", "drop_path must be from 0 to below 1, got 1"),
        ("label_smoothing=nan", "label_smoothing must be from 0 to below 1, got nan"),
        ("class_balance=fair", "one of none, weights, sampling, got 'fair'"),
        ("views=3", "views must be 1 or an even number, got 3"),
        ("teacher_views=5", "teacher_views must be 1 or an even number, got 5"),
        ("schedule=linear", "schedule must be one of cosine, exponential, got 'linear'"),
        ("decay_steps=0", "decay_steps must be above 0, got 0"),
        ("pixels=raw", "pixels must be one of normalised, symmetric, got 'raw'"),
        ("trials=0", "trials must be above 0, got 0"),
        ("freeze=1", "freeze must be of type bool, got 1"),
        ("augmentation=huge", "augmentation: .*best"),
        ("epochs", "expected field=value, got 'epochs'"),
    ],
)
def test_a_wrong_change_says_what_is_expected(change: str, message: str) -> None:
    """Unknown fields and values are refused with what is allowed."""
    with pytest.raises(RecipeError, match=message):
        load("best", [change])


def test_an_own_file_is_read_and_a_missing_one_named(tmp_path: Path) -> None:
    """A path ending in .toml is a recipe; an unknown name lists the known ones."""
    (tmp_path / "mine.toml").write_text("epochs = 2\n")
    assert load(str(tmp_path / "mine.toml")).epochs == 2
    (tmp_path / "broken.toml").write_text("epochs = \n")
    with pytest.raises(RecipeError, match="not TOML"):
        load(str(tmp_path / "broken.toml"))
    with pytest.raises(RecipeError, match="expected one of best"):
        load("secret")
