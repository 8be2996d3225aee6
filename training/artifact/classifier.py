"""The exported classifier: everything between an upload's pixels and its probabilities, around a traced model."""

# No postponed annotations here: TorchScript reads the types of this class.
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.augmentation.augment import MEAN, STD
from training.augmentation.image_operations import affine_matrices
from training.augmentation.views import angles


class Classifier(nn.Module):
    """Pixels to probabilities: crop, resize, scale, normalise, model, temperature, softmax.

    Args:
        core: traced model; its outputs are logits of the classes, then of each question's answers, then of the scores, and behind
            them the features.
        input_size: side of the images that it takes, pixels.
        crop: central fraction of an original's side.
        temperature: what the logits of the classes are divided by.
        classes: how many there are.
        answers: how many each question has, of those whose vote fractions are given; what is learned beyond them is not told.
        scores: how many numbers from 0 to 1 there are that stand for themselves; their logits are the last.
        features: length of the feature vector that the model gives behind its outputs; 0 for none.
        views: turned and mirrored views of an image that the mean is taken over; 1 is the image as it is.
    """

    mean: Tensor
    std: Tensor
    turns: Tensor
    answers: list[int]  # TorchScript cannot tell what an empty list is of

    def __init__(
        self,
        core: nn.Module,
        input_size: int,
        crop: float,
        temperature: float,
        classes: int,
        answers: Sequence[int] = (),
        *,
        scores: int = 0,
        features: int = 0,
        views: int = 1,
    ) -> None:
        super().__init__()
        self.core = core
        self.input_size, self.crop, self.temperature, self.classes = input_size, crop, temperature, classes
        self.answers, self.scores, self.features = list(answers), scores, features
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))
        sides = angles(views) if views > 1 else [(0.0, False)]
        self.mirrored = [is_mirrored for _, is_mirrored in sides]
        self.quarters = [int(degrees // 90) for degrees, _ in sides]
        self.is_between = [degrees % 90 != 0 for degrees, _ in sides]
        self.register_buffer("turns", torch.stack([_turn(degrees % 90) for degrees, _ in sides]))

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
        return self.seen(images)[0]

    @torch.jit.export
    def described(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What ``forward`` gives, and feature vectors (N, F), in one pass."""
        return self.seen(self.centre(images))

    def seen(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Both, for images that already are the centre."""
        pixels = self.resized(images)
        told, features = self.view(pixels)
        for view in range(1, len(self.quarters)):
            of_view = self.view(self.turned(pixels, view))
            told, features = told + of_view[0], features + of_view[1]
        return told / len(self.quarters), features / len(self.quarters)

    def view(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Both, for images at the model's side, as they are."""
        given = self.core((pixels.to(self.mean.dtype) / 255.0 - self.mean) / self.std)
        end = given.shape[1] - self.features
        return self.told(given[:, :end]), given[:, end:]

    def told(self, logits: Tensor) -> Tensor:
        """Probabilities and conditional fractions, side by side, of a model's outputs."""
        parts = [torch.softmax(logits[:, : self.classes] / self.temperature, dim=1)]
        start = self.classes
        for answers in self.answers:
            parts.append(torch.softmax(logits[:, start : start + answers], dim=1))
            start += answers
        if self.scores > 0:
            parts.append(torch.sigmoid(logits[:, logits.shape[1] - self.scores :]))
        return torch.cat(parts, dim=1)

    def turned(self, pixels: Tensor, view: int) -> Tensor:
        """One of the views of images, in steps of whole numbers, as :mod:`training.evaluation.views` has them."""
        if self.mirrored[view]:
            pixels = pixels.flip([3])
        pixels = torch.rot90(pixels, self.quarters[view], [2, 3])
        if not self.is_between[view]:
            return pixels
        floats = pixels.to(self.mean.dtype)
        grid = F.affine_grid(self.turns[view].expand(len(pixels), 2, 3), list(floats.shape), align_corners=False)
        seen = F.grid_sample(floats, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
        return seen.round().clamp(0.0, 255.0)

    def resized(self, images: Tensor) -> Tensor:
        """The images (N, 3, S, S) at the model's side, in steps of whole numbers, as those that it was trained on."""
        if images.shape[-1] == self.input_size:
            return images
        size = [self.input_size, self.input_size]
        if images.is_cpu:  # whole numbers cost a fifth of what floats cost
            return F.interpolate(images, size=size, mode="bicubic", antialias=True, align_corners=False)
        floats = F.interpolate(images.float(), size=size, mode="bicubic", antialias=True, align_corners=False)
        return floats.round().clamp(0.0, 255.0)


class IndependentVotes(Classifier):
    """The same around a model whose outputs are answers alone, each cumulative and for itself, through a sigmoid."""

    def told(self, logits: Tensor) -> Tensor:
        """Conditional fractions: what the answers to a question share, where they sum to 1."""
        parts: list[Tensor] = []
        start = 0
        for answers in self.answers:
            # Where no answer gets any fraction, all are alike.
            fractions = torch.sigmoid(logits[:, start : start + answers]).clamp(min=1e-6)
            parts.append(fractions / fractions.sum(dim=1, keepdim=True))
            start += answers
        return torch.cat(parts, dim=1)


def _turn(degrees: float) -> Tensor:
    """The map, float (2, 3), that turns an image counter-clockwise about its centre."""
    one, zero = torch.ones(1, 2), torch.zeros(1, 2)
    angle = torch.tensor([math.radians(degrees)])
    return affine_matrices(angle, flip=one, zoom=one[:, 0], crop_size=one, crop_centre=zero, shift=zero)[0]
