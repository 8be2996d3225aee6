"""MobileViT's blocks (Mehta & Rastegari 2021) rewritten for inference: the same function with maps that lie channels last.

So a map becomes patches, and patches a map, by one copy each, where timm's blocks take four.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from timm.models.mobilevit import MobileVitBlock
from torch import Tensor, nn

from training.artifact.folded import FoldedConv, laid_out, linear, linear_onto, replace


def rewrite_blocks(network: nn.Module) -> nn.Module:
    """Put an :class:`InferenceBlock` into the place of each of timm's, in place."""
    for name, module in list(network.named_modules()):
        if isinstance(module, MobileVitBlock):
            replace(network, name, InferenceBlock(module))
    return network.eval()


class InferenceBlock(nn.Module):
    """The function of one of timm's blocks, whose modules it takes over under their names.

    Args:
        block: in evaluation mode, its convolutions folded.
    """

    def __init__(self, block: MobileVitBlock) -> None:
        super().__init__()
        own: Any = block
        self.conv_kxk, self.conv_1x1 = own.conv_kxk, FoldedConv(own.conv_1x1)
        self.transformer, self.norm = own.transformer, own.norm
        self.conv_proj, self.conv_fusion = own.conv_proj, own.conv_fusion
        self.patch_size: tuple[int, int] = own.patch_size
        for layer in own.transformer:
            for part in (layer.attn.qkv, layer.attn.proj, layer.mlp.fc1, layer.mlp.fc2):
                part.weight = nn.Parameter(laid_out(part.weight.detach()))

    def forward(self, x: Tensor) -> Tensor:
        """The block's maps (N, C, H, W)."""
        # Sides are settled in the traced graph; the size of the batch is not.
        within = self.conv_1x1(self.conv_kxk(x))
        height, width, channels = int(within.shape[2]), int(within.shape[3]), int(within.shape[1])
        rows, columns = (-(-side // patch) for side, patch in zip((height, width), self.patch_size, strict=True))
        whole = (rows * self.patch_size[0], columns * self.patch_size[1])
        within = _resized(within, whole).permute(0, 2, 3, 1)
        shape = (-1, rows, self.patch_size[0], columns, self.patch_size[1], channels)
        tokens = within.reshape(shape).permute(0, 2, 4, 1, 3, 5).reshape(-1, rows * columns, channels)
        for layer in self.transformer:
            tokens = _feed_forward(layer, _attend(layer, tokens))
        tokens = self.norm(tokens).view(-1, *self.patch_size, rows, columns, channels)
        within = tokens.permute(0, 3, 1, 4, 2, 5).reshape(-1, *whole, channels).permute(0, 3, 1, 2)
        within = self.conv_proj(_resized(within, (height, width)))
        if self.conv_fusion is None:
            return within  # type: ignore[no-any-return]
        fused: Tensor = self.conv_fusion(torch.cat((x, within), dim=1))
        return fused


def _resized(maps: Tensor, sides: tuple[int, int]) -> Tensor:
    if tuple(map(int, maps.shape[2:])) == sides:
        return maps
    return F.interpolate(maps, size=sides, mode="bilinear", align_corners=False)


def _attend(layer: Any, x: Tensor) -> Tensor:
    attention, tokens, channels = layer.attn, int(x.shape[1]), int(x.shape[2])
    heads = attention.num_heads
    qkv = linear(layer.norm1(x), attention.qkv.weight, attention.qkv.bias)
    query, key, value = qkv.view(-1, tokens, 3, heads, channels // heads).permute(2, 0, 3, 1, 4).unbind(0)
    mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(-1, tokens, channels)
    return linear_onto(mixed, attention.proj.weight, attention.proj.bias, x)


def _feed_forward(layer: Any, x: Tensor) -> Tensor:
    hidden = linear(layer.norm2(x), layer.mlp.fc1.weight, layer.mlp.fc1.bias, "swish")
    return linear_onto(hidden, layer.mlp.fc2.weight, layer.mlp.fc2.bias, x)
