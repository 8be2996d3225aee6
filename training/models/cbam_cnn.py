"""The baseline CNN of Ng (2024) with the Convolutional Block Attention Module (Woo et al. 2018, arXiv:1807.06521) in each block.

The module stands between ReLU and pooling, with a reduction of 4 and a spatial kernel of 7. As in the paper's published program,
what it attends to is added to what came in.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.models import Model, baseline_cnn, of_one_side

REDUCTION = 4
KERNEL = 7


class Cbam(nn.Module):
    """Attention to channels, then to places (Woo et al. 2018, equations 1 to 3), and a way past both.

    Args:
        channels: of the maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // REDUCTION
        self.of_channels = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))
        self.of_places = nn.Conv2d(2, 1, KERNEL, padding=KERNEL // 2)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, C, H, W) of which some are stressed, of the same shape."""
        mean, largest = maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))
        channels = torch.sigmoid(self.of_channels(mean) + self.of_channels(largest))
        seen = maps * channels[:, :, None, None]
        summary = torch.stack([seen.amax(dim=1), seen.mean(dim=1)], dim=1)
        places: Tensor = torch.sigmoid(self.of_places(summary))
        return maps + seen * places


def _build(outputs: int, image_size: int, *, drop_path: float = 0.0, dropout: float = 0.0) -> nn.Module:
    return baseline_cnn.build("cbam_cnn", outputs, image_size, drop_path=drop_path, dropout=dropout, attention=Cbam)


MODEL = Model("cbam_cnn", (), _build, lambda network: network, of_one_side("cbam_cnn"))
