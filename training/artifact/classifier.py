"""The exported classifier: everything between an upload's pixels and its probabilities, around a traced model."""

# No postponed annotations here: TorchScript reads the types of this class.
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.augmentation.augment import MEAN, STD


class Classifier(nn.Module):
    """Pixels to probabilities: crop, resize, scale, normalise, model, temperature, softmax.

    Args:
        core: traced model; its outputs are logits of the classes, then of each question's answers, then of the scores.
        input_size: side of the images that it takes, pixels.
        crop: central fraction of an original's side.
        temperature: what the logits of the classes are divided by.
        classes: how many there are.
        answers: how many each question has, of those whose vote fractions are given; what is learned beyond them is not told.
        scores: how many numbers from 0 to 1 there are that stand for themselves; their logits are the last.
    """

    mean: Tensor
    std: Tensor
    answers: list[int]  # TorchScript cannot tell what an empty list is of

    def __init__(
        self,
        core: nn.Module,
        input_size: int,
        crop: float,
        temperature: float,
        classes: int,
        answers: Sequence[int] = (),
        scores: int = 0,
    ) -> None:
        super().__init__()
        self.core = core
        self.input_size, self.crop, self.temperature, self.classes = input_size, crop, temperature, classes
        self.answers, self.scores = list(answers), scores
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Probabilities (N, classes) of original uint8 images (N, 3, S, S), of which the centre is looked at.

        Conditional vote fractions stand behind them, question by question, and the scores.
        """
        return self.cropped(self.centre(images))

    def centre(self, images: Tensor) -> Tensor:
        """The part of original images (N, 3, S, S) that is looked at."""
        side = images.shape[-1]
        keep = max(1, int(round(side * self.crop)))  # noqa: RUF046 (TorchScript rounds to a float)
        start = (side - keep) // 2
        return images[:, :, start : start + keep, start : start + keep]

    @torch.jit.export
    def cropped(self, images: Tensor) -> Tensor:
        """The same for uint8 images that already are the centre."""
        pixels = self.resized(images).to(self.mean.dtype) / 255.0
        logits = self.core((pixels - self.mean) / self.std)
        parts = [torch.softmax(logits[:, : self.classes] / self.temperature, dim=1)]
        start = self.classes
        for answers in self.answers:
            parts.append(torch.softmax(logits[:, start : start + answers], dim=1))
            start += answers
        if self.scores > 0:
            parts.append(torch.sigmoid(logits[:, logits.shape[1] - self.scores :]))
        return torch.cat(parts, dim=1)

    def resized(self, images: Tensor) -> Tensor:
        """The images (N, 3, S, S) at the model's side, in steps of whole numbers, as those that it was trained on."""
        if images.shape[-1] == self.input_size:
            return images
        size = [self.input_size, self.input_size]
        if images.is_cpu:  # whole numbers cost a fifth of what floats cost
            return F.interpolate(images, size=size, mode="bicubic", antialias=True, align_corners=False)
        floats = F.interpolate(images.float(), size=size, mode="bicubic", antialias=True, align_corners=False)
        return floats.round().clamp(0.0, 255.0)
