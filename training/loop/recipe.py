"""A recipe: every number that decides what a training run gives, as one small TOML file."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from cosmoformer.errors import SettingsError
from training.augmentation.augment import Augmentation, preset

FOLDER = Path(__file__).parents[1] / "recipes"
OPTIMISERS = ("adamw", "muon")
BALANCES = ("none", "weights", "sampling")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
SCHEDULES = ("cosine", "exponential")
PIXELS = ("normalised", "symmetric")
_VIEWS = ("views", "teacher_views")
_ABOVE_ZERO = (
    "epochs",
    "batch_size",
    "image_size",
    "learning_rate",
    "decay_rate",
    "decay_steps",
    "teacher_temperature",
    "trials",
    "views",
)
_FROM_ZERO = (
    "epoch_images",
    "minutes",
    "weight_decay",
    "clip_norm",
    "target_weight",
    "balance_power",
    "patience",
    "foreign_pictures",
    "teacher_views",
    "guide_weight",
    "seed",
)
_ALLOWED: dict[type, tuple[type, ...]] = {float: (int, float), tuple: (list, tuple)}
_SHARES = ("crop", "warmup", "label_smoothing", "drop_path", "dropout", "average_decay")


class RecipeError(SettingsError):
    """A recipe, or a change to it, cannot be used."""


@dataclass(frozen=True)
class Recipe:
    """A training recipe.

    Attributes:
        model: one of :func:`training.models.names`, or ``timm/<name>``.
        task: one of :data:`training.tasks.TASKS`.
        head: what makes predictions of the model's outputs, where the task has several; empty is the task's own.
        loss: what is made small, likewise.
        image_size: side of the square training images, pixels.
        crop: central fraction of an original image's side that the model looks at; 0 is all that the task's images show. Galaxy
            Zoo 2 scales an original by its galaxy: 0.02 Petrosian radii (90 % of the light) a pixel, 100 of 424 pixels across.
        grayscale: whether the model sees how bright its images are, and no colours.
        pixels: how a model is shown them: ``normalised`` to zero mean and unit variance over this project's galaxies, or
            ``symmetric``, from -1 to 1, as many pretrained networks expect them.
        sides: smaller sides to begin with, pairs of a side and the share of the epochs up to which it is used, such as
            ``[[64, 0.4], [96, 0.7]]``; then it is ``image_size`` (progressive resizing: Howard 2018; Tan & Le 2021).
        epochs: passes over the training split; with ``minutes``, so many at most.
        minutes: time for training. What fits is reckoned from the speed of the epochs so far, after each, and a cosine's
            learning rate falls to zero by then; 0 is no limit.
        epoch_images: images of a pass, for data that are large or time that is short; 0 is all.
        batch_size: images a step, over all devices together.
        optimiser: ``adamw`` (Loshchilov & Hutter 2019), or ``muon`` (Jordan 2024) for hidden matrices with AdamW for the rest.
        learning_rate: highest learning rate.
        warmup: share of all steps in which the learning rate rises linearly from zero.
        schedule: how it falls: ``cosine``, by half a cosine to zero at the last step, or ``exponential``, by ``decay_rate`` every
            ``decay_steps`` steps, however many there are.
        decay_rate: what an exponential schedule multiplies the learning rate by.
        decay_steps: in how many steps.
        weight_decay: decoupled, of weight matrices; biases and norms have none.
        clip_norm: largest norm of the gradient; 0 is no limit.
        label_smoothing: share of a label's weight that is spread over all classes (Szegedy et al. 2016).
        target_weight: weight of the votes' loss against the classes'; galaxies without a class are left out when it is 0.
        class_balance: how rare classes are made to count: ``none``, by ``weights`` in the loss, or by ``sampling`` them more
            often.
        balance_power: how far; 1 makes all classes count the same, 0 is as they come.
        drop_path: stochastic depth of the last block (Huang et al. 2016).
        dropout: of attention weights and hidden features.
        average_decay: of the moving average of the weights (EMA), which is what is exported.
        precision: ``fp32``, ``bf16`` or ``fp16`` (with a gradient scaler); ``auto`` is bf16 on a GPU that has it, fp16 on
            one that has not, and fp32 on a CPU.
        patience: epochs without a better validation score before the run stops early; 0 is never.
        freeze: whether only the last layer learns; what the weights that the run begins with make of an image stays.
        trials: initial weights that are drawn and trained for an epoch each; the run goes on from those with the best
            validation score.
        views: turned and mirrored views of an image that the artifact gives the mean of: 1, or an even number.
        teacher: models to learn from, paths of artifacts or checkpoints (distillation: Hinton et al. 2015). What they say is
            averaged, and taken for every training galaxy, with a label or without.
        teacher_weight: share of the loss that is the difference from the teachers; the rest is that of labels and votes.
        teacher_temperature: what logits are divided by, the teachers' and the model's, before they are compared.
        teacher_views: turned and mirrored views of a galaxy that a teacher's answer is the mean of: 1, or an even number. With 0
            teachers are asked in every step, of the augmented images that the student sees.
        guide_weight: weight of the difference from the feature maps of the first teacher that shows any, beside all else in the
            loss (locality guidance: Li et al. 2022, :mod:`training.loop.guidance`); 0 is none. It needs ``teacher_views = 0``
            and a teacher's checkpoint.
        foreign_pictures: rendered pictures that are no galaxy, which the score ``in_domain`` is learned from at the end
            (:mod:`training.heads.domain`); 0 leaves the score out.
        augmentation: name of a preset of :mod:`training.augmentation.augment`, or a table of its fields.
        seed: of initial weights, order and augmentation.
    """

    model: str = "crossformer"
    task: str = "clean5"
    head: str = ""
    loss: str = ""
    image_size: int = 224
    crop: float = 0.0
    grayscale: bool = False
    pixels: str = "normalised"
    sides: tuple[tuple[int, float], ...] = ()
    epochs: int = 30
    minutes: float = 0.0
    epoch_images: int = 0
    batch_size: int = 64
    optimiser: str = "adamw"
    learning_rate: float = 1e-3
    warmup: float = 0.05
    schedule: str = "cosine"
    decay_rate: float = 0.01
    decay_steps: int = 10_000
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    label_smoothing: float = 0.05
    target_weight: float = 0.0
    class_balance: str = "none"
    balance_power: float = 0.5
    drop_path: float = 0.05
    dropout: float = 0.0
    average_decay: float = 0.998
    precision: str = "auto"
    patience: int = 0
    freeze: bool = False
    trials: int = 1
    views: int = 1
    teacher: tuple[str, ...] = ()
    teacher_weight: float = 0.5
    teacher_temperature: float = 2.0
    teacher_views: int = 4
    guide_weight: float = 0.0
    foreign_pictures: int = 0
    augmentation: str | Mapping[str, Any] = field(default="best")
    seed: int = 0

    def __post_init__(self) -> None:
        _check_choice("optimiser", self.optimiser, OPTIMISERS)
        _check_choice("class_balance", self.class_balance, BALANCES)
        _check_choice("precision", self.precision, PRECISIONS)
        _check_choice("schedule", self.schedule, SCHEDULES)
        _check_choice("pixels", self.pixels, PIXELS)
        if self.grayscale and self.pixels != "normalised":
            raise RecipeError(f"grayscale images are normalised ones: leave out pixels, got {self.pixels!r}")
        for name in _ABOVE_ZERO:
            _check_range(name, getattr(self, name) > 0, "above 0", getattr(self, name))
        for name in _FROM_ZERO:
            _check_range(name, getattr(self, name) >= 0, "0 or above", getattr(self, name))
        for name in _SHARES:
            _check_range(name, 0 <= getattr(self, name) < 1, "from 0 to below 1", getattr(self, name))
        _check_range("teacher_weight", 0 <= self.teacher_weight <= 1, "from 0 to 1", self.teacher_weight)
        for name in _VIEWS:
            _check_range(name, (views := getattr(self, name)) == 1 or views % 2 == 0, "1 or an even number", views)
        if not all(isinstance(path, str) for path in self.teacher):
            raise RecipeError(f"teacher must be an array of paths, got {self.teacher!r}")
        _check_sides(self.sides)
        self.augment()  # an unknown preset or field is refused now, not after the images are decoded

    def augment(self) -> Augmentation:
        """The augmentation that the recipe asks for."""
        try:
            if isinstance(self.augmentation, str):
                return preset(self.augmentation)
            return Augmentation.from_table(self.augmentation)
        except SettingsError as error:
            raise RecipeError(f"augmentation: {error}") from None

    def params(self) -> dict[str, str]:
        """All fields as text, for a tracking server."""
        return {name: str(value) for name, value in asdict(self).items()}


def names() -> list[str]:
    """Names of the recipes that come with the project."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(recipe: str, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        recipe: name of one that comes with the project, or path of a TOML file.
        changes: ``field=value`` texts that replace what the file says; values are written as in TOML, strings may go without
            quotes.

    Raises:
        RecipeError: there is no such recipe, or a field or its value is none.
    """
    path = Path(recipe) if recipe.endswith(".toml") else FOLDER / f"{recipe}.toml"
    if not path.is_file():
        raise RecipeError(f"no recipe {recipe!r}: expected one of {', '.join(names())}, or the path of a .toml file")
    try:
        table = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not TOML: {error}") from None
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals:
            raise RecipeError(f"expected field=value, got {change!r}")
        table[name.strip()] = _value(text.strip())
    return _from_table(table)


def from_params(params: Mapping[str, str]) -> Recipe:
    """The recipe that :meth:`Recipe.params` was taken from."""
    return _from_table({name: _literal(text) for name, text in params.items()})


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _from_table(table: Mapping[str, Any]) -> Recipe:
    known = {item.name: type(item.default) for item in fields(Recipe)}
    for name, value in table.items():
        if name not in known:
            raise RecipeError(f"a recipe has no field {name!r}; it has {', '.join(known)}")
        allowed = _ALLOWED.get(known[name], known[name])
        if name != "augmentation" and not isinstance(value, allowed):
            raise RecipeError(f"{name} must be of type {known[name].__name__}, got {value!r}")
    return Recipe(**{name: _frozen(value) for name, value in table.items()})


def _frozen(value: Any) -> Any:
    """An array of TOML's as a tuple, also within another."""
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _check_sides(sides: Sequence[Any]) -> None:
    shares = [0.0]
    for pair in sides:
        is_pair = isinstance(pair, tuple) and len(pair) == 2 and type(pair[0]) is int and type(pair[1]) in (int, float)
        if not is_pair or not shares[-1] < pair[1] < 1:
            raise RecipeError(
                f"sides must be pairs of a side and the share of the epochs up to which it is used, rising from 0 to below 1, "
                f"got {pair!r}"
            )
        shares.append(pair[1])


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _check_range(name: str, is_within: bool, expected: str, value: float) -> None:
    if not is_within:
        raise RecipeError(f"{name} must be {expected}, got {value}")


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise RecipeError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
