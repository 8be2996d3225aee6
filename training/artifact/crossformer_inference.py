"""CrossFormer rewritten for inference: the same function with everything settled that training leaves open.

Position biases are evaluated, convolutions with few outputs compute neighbouring ones at once, attention over windows of one
token is one matrix, a GELU is computed where its input is, weights lie as the CPU's library wants them. Each choice was measured
against its alternatives on one thread of an AVX-512 machine; ``python -m benchmarks.latency`` compares the whole with other
runtimes.

The weights keep their names and values, and but for sides of one element their shapes, so that training can start again from an
exported model.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from vit_pytorch.crossformer import Attention, CrossEmbedLayer, CrossFormer, FeedForward, LayerNorm, Transformer

_REGISTER = 16  # 32-bit floats: a convolution with fewer outputs costs as much as one with so many
_SPREAD = 2  # rows and columns of outputs that such a convolution computes at once


class InferenceGraph(nn.Module):
    """The function of a trained CrossFormer, whose weights it takes over.

    Args:
        model: in evaluation mode.
    """

    def __init__(self, model: CrossFormer) -> None:
        super().__init__()
        self.model = model
        with torch.no_grad():
            for index, attention in enumerate(attentions(model)):
                # Buffers, not constants: the exported graph must follow .to(device).
                settled = _value_matrix(attention) if attention.window_size == 1 else position_bias(attention)
                self.register_buffer(f"settled_{index}", settled, persistent=False)
            for index, conv in enumerate(model.layers[0][0].convs):
                if is_narrow(conv):
                    weight, bias = spread(conv)
                    self.register_buffer(f"spread_weight_{index}", weight, persistent=False)
                    self.register_buffer(f"spread_bias_{index}", bias, persistent=False)
            for module in model.modules():
                if isinstance(module, nn.Conv2d):
                    _lay_out(module)
                elif isinstance(module, LayerNorm):
                    module.g, module.b = nn.Parameter(module.g.flatten()), nn.Parameter(module.b.flatten())
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, num_classes) of normalised images (N, 3, S, S)."""
        x = images.contiguous(memory_format=torch.channels_last)
        settled = iter([self.get_buffer(f"settled_{index}") for index in range(len(attentions(self.model)))])
        for stage, (embed, transformer) in enumerate(self.model.layers):
            maps = self._first_maps(x, embed) if stage == 0 else [conv(x) for conv in embed.convs]
            x = torch.cat(maps, dim=1).permute(0, 2, 3, 1).contiguous()
            for attention, feed_forward in pairs(transformer):
                attend = _attend_alone if attention.window_size == 1 else _attend
                x = x + attend(attention, x, next(settled))
                x = x + _feed_forward(feed_forward, x)
            x = x.permute(0, 3, 1, 2)
        logits: Tensor = self.model.to_logits[1](x.mean(dim=(2, 3)))
        return logits

    def _first_maps(self, x: Tensor, embed: CrossEmbedLayer) -> list[Tensor]:
        return [
            convolve_spread(x, conv, self.get_buffer(f"spread_weight_{index}"), self.get_buffer(f"spread_bias_{index}"))
            if is_narrow(conv)
            else conv(x)
            for index, conv in enumerate(embed.convs)
        ]


def pairs(transformer: Transformer) -> list[tuple[Attention, FeedForward]]:
    """The blocks of a stage in order, each an attention and what follows it."""
    return [
        pair
        for short_attention, short_ff, long_attention, long_ff in transformer.layers
        for pair in ((short_attention, short_ff), (long_attention, long_ff))
    ]


def attentions(model: CrossFormer) -> list[Attention]:
    """All attentions in the order in which they are computed."""
    return [attention for _, transformer in model.layers for attention, _ in pairs(transformer)]


def position_bias(attention: Attention) -> Tensor:
    """Dynamic position bias (section 3.3 of the paper) of one attention, shape (T, T) for T tokens a window."""
    side = attention.window_size
    offsets = torch.arange(-side, side + 1, device=attention.to_out.weight.device)
    grid = torch.stack(torch.meshgrid(offsets, offsets, indexing="ij")).flatten(1).T
    bias: Tensor = attention.dpb(grid.float())[attention.rel_pos_indices]
    return bias


def split_windows(attention: Attention, side: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How a map (N, side, side, C) becomes windows of neighbours, or of what lies far apart: a shape and an order of its axes."""
    window, parts = attention.window_size, side // attention.window_size
    if attention.attn_type == "short":
        return (-1, parts, window, parts, window, attention.to_out.out_channels), (0, 1, 3, 2, 4, 5)
    return (-1, window, parts, window, parts, attention.to_out.out_channels), (0, 2, 4, 1, 3, 5)


def _value_matrix(attention: Attention) -> Tensor:
    """Softmax over a single token is 1: what remains of attention is the product of two matrices."""
    value = attention.to_qkv.weight.flatten(1)[2 * attention.to_out.in_channels :]
    matrix: Tensor = attention.to_out.weight.flatten(1) @ value
    return matrix


def is_narrow(conv: nn.Conv2d) -> bool:
    """Whether a convolution has so few outputs that it pays to :func:`spread` it."""
    return conv.out_channels * _SPREAD**2 <= _REGISTER


def spread(conv: nn.Conv2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution that computes a square of neighbouring outputs as channels, ordered for a pixel shuffle.

    Its kernel is larger by the steps between them, and its positions are fewer: of a kernel of 32 pixels it costs a third.
    """
    step = conv.stride[0]
    outer = (_SPREAD - 1) * step  # what the kernel grows by
    places = [(row * step, column * step) for row in range(_SPREAD) for column in range(_SPREAD)]
    kernels = [F.pad(conv.weight, (left, outer - left, top, outer - top)) for top, left in places]
    weight = torch.stack(kernels, dim=1).flatten(0, 1).contiguous(memory_format=torch.channels_last)
    bias = weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias
    return weight, bias.repeat_interleave(_SPREAD**2)


def convolve_spread(x: Tensor, conv: nn.Conv2d, weight: Tensor, bias: Tensor) -> Tensor:
    """What ``conv`` gives for x, computed with its :func:`spread` weight and bias."""
    maps = F.conv2d(x, weight, bias, stride=_SPREAD * conv.stride[0], padding=conv.padding)
    return F.pixel_shuffle(maps, _SPREAD)


def _lay_out(conv: nn.Conv2d) -> None:
    """Give the weights the shape, and the order in memory, in which they are used without copying them first."""
    weight = conv.weight.detach()
    if conv.kernel_size != (1, 1):
        weight = weight.contiguous(memory_format=torch.channels_last)
    elif conv.in_channels != conv.out_channels:  # oneDNN's; square matrices are torch's own linear layer's
        weight = weight.flatten(1).t().contiguous().t()
    else:
        weight = weight.flatten(1)
    conv.weight = nn.Parameter(weight)


def _attend(attention: Attention, x: Tensor, bias: Tensor) -> Tensor:
    # The side is settled in the traced graph, where arithmetic with shapes takes time; the size of the batch is not.
    channels, side = attention.to_out.out_channels, int(x.shape[1])
    tokens = attention.window_size**2
    shape, order = split_windows(attention, side)
    windows = _norm(attention.norm, x).view(shape).permute(order).reshape(-1, tokens, channels)
    qkv = _linear(attention.to_qkv, windows)
    mixed = F.linear(_mixed(qkv, bias, attention.heads), attention.to_out.weight, attention.to_out.bias)
    inverse = [order.index(axis) for axis in range(6)]
    return mixed.view([shape[axis] for axis in order]).permute(inverse).reshape(-1, side, side, channels)


def _mixed(qkv: Tensor, bias: Tensor, heads: int) -> Tensor:
    tokens, channels = int(bias.shape[0]), int(qkv.shape[-1]) // 3
    size = channels // heads
    if heads == 1:  # as they lie; several heads are copied apart
        query, key, value = qkv.split(size, dim=-1)
    else:
        query, key, value = qkv.view(-1, tokens, 3, heads, size).permute(2, 0, 3, 1, 4).reshape(3, -1, tokens, size)
    scores = torch.baddbmm(bias, query, key.transpose(1, 2), alpha=size**-0.5)
    mixed = torch.bmm(scores.softmax(dim=-1), value)
    return mixed.view(-1, heads, tokens, size).transpose(1, 2).reshape(-1, tokens, channels)


def _attend_alone(attention: Attention, x: Tensor, matrix: Tensor) -> Tensor:
    return F.linear(_norm(attention.norm, x), matrix, attention.to_out.bias)


def _feed_forward(feed_forward: FeedForward, x: Tensor) -> Tensor:
    norm, expand, _, _, contract = feed_forward
    return _linear(contract, _linear(expand, _norm(norm, x), "gelu"))


def _norm(norm: LayerNorm, x: Tensor) -> Tensor:
    # Its factors are not folded into the matrix behind: torch's layer norm is slower without them.
    return F.layer_norm(x, (int(x.shape[-1]),), norm.g, norm.b, norm.eps)


def _linear(conv: nn.Conv2d, x: Tensor, follows: str = "none") -> Tensor:
    apply = _fused_linear if torch.jit.is_tracing() else _plain_linear  # type: ignore[attr-defined, no-untyped-call]
    linear: Tensor = apply(x, conv.weight, conv.bias, follows)
    return linear


def _plain_linear(x: Tensor, weight: Tensor, bias: Tensor | None, follows: str) -> Tensor:
    linear = F.linear(x, weight, bias)
    return F.gelu(linear) if follows == "gelu" else linear


@torch.jit.script_if_tracing  # type: ignore[untyped-decorator]
def _fused_linear(x: Tensor, weight: Tensor, bias: Tensor | None, follows: str) -> Tensor:
    """A linear layer and the GELU behind it, if there is one, in one pass of oneDNN, which torch has for CPUs only."""
    if x.is_cpu:
        fused: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, follows, [], "none")
        return fused
    return _plain_linear(x, weight, bias, follows)
