"""What the last layer of a network is given, for images of a cache and for pictures of any origin."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cosmoformer.cpus import cpu_limit
from training.artifact.classifier import Classifier
from training.augmentation.augment import normalise
from training.data.cache import ImageCache
from training.evaluation.inference import in_batches
from training.evaluation.views import Change, unchanged

Draw = Callable[[int], NDArray[np.uint8]]


def of_images(
    trunk: nn.Module, cache: ImageCache, rows: NDArray[np.int64], change: Change = unchanged, *, what: str
) -> Tensor:
    """Features, float32 (n, F), of images of a cache.

    Args:
        trunk: of :class:`training.heads.last_layer.Opened`.
        cache: where the images are.
        rows: int64 (n,), which of them.
        change: what is done to the images before.
        what: said by the progress bar.
    """

    def features(batch: NDArray[np.int64]) -> NDArray[np.float32]:
        return _features(trunk, change(cache.images(batch), batch))

    return torch.from_numpy(in_batches(features, rows, cpu_limit(), what))


def of_pictures(trunk: nn.Module, draw: Draw, count: int, *, size: int, crop: float, what: str) -> Tensor:
    """Features, float32 (count, F), of pictures as somebody would upload them.

    Args:
        trunk: as above.
        draw: gives the picture of a number from 0, uint8 (S, S, 3); asked in several threads.
        count: how many pictures there are.
        size: side of the images that the network takes, pixels.
        crop: central fraction of a picture's side that it looks at.
        what: said by the progress bar.
    """
    front = Classifier(nn.Identity(), size, crop, 1.0, 1)

    def features(batch: NDArray[np.int64]) -> NDArray[np.float32]:
        pictures = [torch.from_numpy(draw(int(number))).permute(2, 0, 1)[None] for number in batch]
        return _features(trunk, torch.cat([front.resized(front.centre(picture)) for picture in pictures]))

    return torch.from_numpy(in_batches(features, np.arange(count), cpu_limit(), what))


def _features(trunk: nn.Module, images: Tensor) -> NDArray[np.float32]:
    found: NDArray[np.float32] = trunk(normalise(images.float() / 255)).numpy()
    return found
