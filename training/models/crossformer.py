"""CrossFormer (Wang et al. 2021, arXiv:2108.00154) in the size of the CosmoFormer thesis, and an equivalent faster graph.

The weights are always those of :class:`vit_pytorch.crossformer.CrossFormer`. :class:`CrossFormerGraph` computes the same
function from the same parameters, but keeps channels last (so that layer norms and 1x1 convolutions become
``layer_norm`` and ``linear``). It is what training runs; :mod:`training.artifact.crossformer_inference` is what is exported.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from vit_pytorch.crossformer import Attention, CrossFormer, FeedForward, LayerNorm

from training.artifact.crossformer_inference import (
    InferenceGraph,
    attentions,
    convolve_spread,
    is_narrow,
    pairs,
    position_bias,
    split_windows,
    spread,
)
from training.models import Model


@dataclass(frozen=True)
class CrossFormerSize:
    """Architecture of one CrossFormer; the defaults are the thesis's (5.5 million parameters at 8 classes)."""

    dim: tuple[int, int, int, int] = (32, 64, 128, 256)
    depth: tuple[int, int, int, int] = (2, 2, 4, 2)
    global_window_size: tuple[int, int, int, int] = (8, 4, 2, 1)
    local_window_size: tuple[int, int, int, int] = (7, 7, 7, 7)


#: Windows that fit the feature maps of each image side, in pixels. Position biases are a small network over relative
#: offsets, so one set of weights serves every side: training starts small and ends at 224.
WINDOWS: dict[int, dict[str, tuple[int, int, int, int]]] = {
    64: {"global_window_size": (4, 2, 1, 1), "local_window_size": (8, 8, 4, 2)},
    112: {"global_window_size": (4, 2, 1, 1), "local_window_size": (7, 7, 7, 3)},
    160: {"global_window_size": (8, 4, 2, 1), "local_window_size": (5, 5, 5, 5)},
    224: {"global_window_size": (8, 4, 2, 1), "local_window_size": (7, 7, 7, 7)},
}


def build(
    num_classes: int, image_size: int = 224, size: CrossFormerSize | None = None, dropout: float = 0.0
) -> CrossFormer:
    """A CrossFormer for square RGB images of ``image_size`` pixels.

    Args:
        num_classes: how many outputs it has.
        image_size: one of :data:`WINDOWS`.
        size: dimensions and depths.
        dropout: chance that an attention weight or a hidden feature is dropped while training.

    Raises:
        ValueError: no windows are known for ``image_size``.
    """
    if image_size not in WINDOWS:
        raise ValueError(f"image_size must be one of {sorted(WINDOWS)}, got {image_size}")
    size = size or CrossFormerSize()
    return CrossFormer(
        dim=size.dim,
        depth=size.depth,
        num_classes=num_classes,
        attn_dropout=dropout,
        ff_dropout=dropout,
        **WINDOWS[image_size],
    )


class CrossFormerGraph(nn.Module):
    """The function of a :class:`CrossFormer`, computed channels-last from the same parameters.

    Args:
        model: the CrossFormer whose parameters are shared (not copied).
        drop_path: stochastic depth (Huang et al. 2016): the chance that a residual branch of the last block is skipped
            for a sample while training; earlier blocks are skipped proportionally less often.
    """

    def __init__(self, model: CrossFormer, drop_path: float = 0.0) -> None:
        super().__init__()
        self.model = model
        self.drop_path = drop_path

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, num_classes) of normalised images (N, 3, S, S)."""
        return self.with_maps(images)[0]

    def with_maps(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The same, and the feature maps (N, C, H, W) that each stage gives, with those that are pooled of the last."""
        maps = []
        branches, branch = 2 * len(attentions(self.model)), 0
        x = images.contiguous(memory_format=torch.channels_last)
        for embed, transformer in self.model.layers:
            x = torch.cat([_convolve(conv, x) for conv in embed.convs], dim=1).permute(0, 2, 3, 1).contiguous()
            for attention, feed_forward in pairs(transformer):
                x = x + self._skip(_attend(attention, x), branch, branches)
                x = x + self._skip(_feed_forward(feed_forward, x), branch + 1, branches)
                branch += 2
            x = x.permute(0, 3, 1, 2)
            maps.append(x)
        features = x.mean(dim=(2, 3))
        return self.model.to_logits[1](features), [*maps, features[:, :, None, None]]

    def _skip(self, residual: Tensor, branch: int, branches: int) -> Tensor:
        if not self.training or self.drop_path == 0.0:
            return residual
        keep = 1.0 - self.drop_path * branch / (branches - 1)
        mask = torch.rand(residual.shape[0], 1, 1, 1, device=residual.device) < keep
        return residual * mask / keep


class _WithMaps(nn.Module):
    """A graph that gives its maps, too."""

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        assert isinstance(graph, CrossFormerGraph)
        self.graph = graph

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        return self.graph.with_maps(images)


def _convolve(conv: nn.Conv2d, x: Tensor) -> Tensor:
    maps: Tensor = convolve_spread(x, conv, *spread(conv)) if is_narrow(conv) else conv(x)
    return maps


def _norm(norm: LayerNorm, x: Tensor) -> Tensor:
    return F.layer_norm(x, (x.shape[-1],), norm.g.flatten(), norm.b.flatten(), norm.eps)


def _linear(conv: nn.Conv2d, x: Tensor) -> Tensor:
    return F.linear(x, conv.weight.flatten(1), conv.bias)


def _attend(attention: Attention, x: Tensor) -> Tensor:
    """Short- or long-distance attention over windows of x (N, H, W, C)."""
    batch, height, width, channels = x.shape
    side, heads = attention.window_size, attention.heads
    x = _norm(attention.norm, x)
    if side == 1:  # softmax over a single token is 1: what remains is the value projection
        value = F.linear(x, attention.to_qkv.weight.flatten(1)[2 * channels :])
        return _linear(attention.to_out, value)
    shape, order = split_windows(attention, height)
    windows = x.view(shape).permute(order)
    tokens = windows.reshape(-1, side * side, channels)
    query, key, value = (
        _linear(attention.to_qkv, tokens).view(-1, side * side, 3, heads, channels // heads).permute(2, 0, 3, 1, 4)
    )
    dropout = attention.dropout.p if attention.training else 0.0
    bias = position_bias(attention).to(query.dtype)
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout)
    tokens = _linear(attention.to_out, mixed.transpose(1, 2).reshape(-1, side * side, channels))
    inverse = [order.index(axis) for axis in range(6)]
    return tokens.view(windows.shape).permute(inverse).reshape(batch, height, width, channels)


def _feed_forward(feed_forward: FeedForward, x: Tensor) -> Tensor:
    norm, expand, _, dropout, contract = feed_forward
    return _linear(contract, dropout(F.gelu(_linear(expand, _norm(norm, x)))))


def _build_graph(outputs: int, image_size: int, *, drop_path: float = 0.0, dropout: float = 0.0) -> nn.Module:
    return CrossFormerGraph(build(outputs, image_size, dropout=dropout), drop_path)


def _for_inference(graph: nn.Module) -> nn.Module:
    if not isinstance(graph, CrossFormerGraph):
        raise TypeError(f"expected a CrossFormerGraph, got {type(graph).__name__}")
    return InferenceGraph(graph.model)


def _look_at(graph: nn.Module, image_size: int) -> None:
    """Give all attentions the windows of another side; what is learned does not depend on them."""
    if not isinstance(graph, CrossFormerGraph):
        raise TypeError(f"expected a CrossFormerGraph, got {type(graph).__name__}")
    sides = WINDOWS[image_size]
    by_stage = zip(graph.model.layers, sides["local_window_size"], sides["global_window_size"], strict=True)
    for (_, transformer), near, far in by_stage:
        for attention, _ in pairs(transformer):
            side = near if attention.attn_type == "short" else far
            fresh = Attention(attention.to_qkv.in_channels, attention.attn_type, side)  # for its table of offsets
            attention.window_size = side
            attention.rel_pos_indices = fresh.rel_pos_indices.to(attention.rel_pos_indices.device)


def _in_parts(graph: nn.Module) -> nn.Module:
    assert isinstance(graph, CrossFormerGraph)
    network: nn.Module = graph.model
    return network


MODEL = Model(
    "crossformer", tuple(WINDOWS), _build_graph, _for_inference, _look_at, with_maps=_WithMaps, in_parts=_in_parts
)
