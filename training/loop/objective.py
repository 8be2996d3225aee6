"""What a run makes small: the loss of labels and votes, that of its teachers' answers, and that of a teacher's feature maps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.augmentation.augment import normalise
from training.data.feeder import Batch
from training.loop.guidance import Guidance, Guide
from training.loop.job import Job
from training.loop.recipe import RecipeError
from training.models import Model

_EXAMPLES = 2  # images that show how large maps are


class Objective:
    """A job's loss.

    Args:
        job: with the lesson of its teachers, if it has any.
        class_weights: float (classes,), of each class's galaxies in the loss; None for all alike.
    """

    def __init__(self, job: Job, class_weights: Tensor | None) -> None:
        self._recipe, self._task, self._lesson = job.recipe, job.task, job.lesson
        self._class_weights = class_weights
        self._place = job.place
        self.guide: Guide | None = None

    def network(self, model: nn.Module, kind: Model) -> nn.Module:
        """What of a model is asked in every step; from now on it is guided, if the recipe says so.

        Raises:
            RecipeError: it cannot be guided.
        """
        if not self._recipe.guide_weight:
            return model
        if self._lesson is None or self._lesson.show is None:
            raise RecipeError(
                "guide_weight needs a teacher that shows its feature maps in every step: give the checkpoint.pt of a network of "
                "timm's (--teacher), and set teacher_views to 0"
            )
        if kind.with_maps is None:
            raise RecipeError(f"{kind.name} has no feature maps that could be guided: set guide_weight to 0")
        network = kind.with_maps(model).eval()  # the examples are nothing that a batch norm should learn from
        side, device = self._recipe.image_size, self._place.device
        examples = torch.zeros(_EXAMPLES, 3, side, side, device=device)
        with torch.no_grad():
            own, theirs = network(normalise(examples))[1], self._lesson.show(examples)[1]
        self.guide = Guide(Guidance(own, theirs), self._place, self._recipe.weight_decay)
        return network

    def __call__(self, network: nn.Module, seen: Tensor, batch: Batch) -> Tensor:
        """The loss of a batch, a scalar.

        Args:
            network: of :meth:`network`, whatever it was wrapped in.
            seen: float (N, 3, S, S) in 0..1, the batch's images as the model sees them.
            batch: with labels, votes and answers.
        """
        if self.guide is None or self._lesson is None or self._lesson.show is None:
            outputs = network(normalise(seen))
            tell = self._lesson.tell if self._lesson else None
            return self._of_outputs(outputs.float(), batch, tell(seen) if tell else batch.told)
        outputs, maps = network(normalise(seen))
        told, theirs = self._lesson.show(seen)
        guided: Tensor = self._recipe.guide_weight * self.guide.loss(maps, theirs)
        return self._of_outputs(outputs.float(), batch, told) + guided

    def _of_outputs(self, outputs: Tensor, batch: Batch, told: Tensor) -> Tensor:
        recipe = self._recipe
        own = self._task.loss(
            outputs,
            batch.labels,
            batch.targets,
            label_smoothing=recipe.label_smoothing,
            class_weights=self._class_weights,
            target_weight=recipe.target_weight,
        )
        if self._lesson is None:
            return own
        options = {"temperature": recipe.teacher_temperature, "target_weight": recipe.target_weight}
        return torch.lerp(own, self._task.taught_loss(outputs, told, **options), recipe.teacher_weight)
