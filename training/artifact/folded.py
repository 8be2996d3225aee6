"""A convolutional network rewritten for inference: norms and activations are in the convolutions before them.

Images lie channels last, which oneDNN convolves without copying them, and a convolution of single pixels is a matrix. MobileViT-S
so takes two thirds of the time on one thread; ``python -m benchmarks.backbones`` compares it with another runtime.

Parameters keep their names and shapes. A weight that was multiplied goes with its factor, and :func:`unfolded` gives back what
was trained, so that training can start again from an exported model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# As oneDNN calls them; any other activation is computed behind the convolution.
_FUSED: dict[type[nn.Module], str] = {nn.Identity: "none", nn.SiLU: "swish", nn.ReLU: "relu", nn.Hardswish: "hardswish"}
_SCALE, _BIAS = "folded_scale", "folded_bias"
_SMALLEST = 1e-6  # factor that a weight can be divided by again
_SIDE = 64  # pixels of the image that shows which norm follows which convolution


def fold(network: nn.Module) -> nn.Module:
    """Fold, in place, each batch norm into the convolution that it alone follows, and the activation behind it.

    Args:
        network: in evaluation mode, for images (N, 3, S, S) of any side.
    """
    names = {module: name for name, module in network.named_modules()}
    for conv, norm in _followed(network).items():
        activation = getattr(norm, "act", nn.Identity())
        if not _can_fold(conv, norm):
            continue
        fused = _FUSED.get(type(activation))
        replace(network, names[conv], FoldedConv(conv, norm, fused or "none"))
        replace(network, names[norm], Settled(norm, nn.Identity() if fused else activation))
    return network.eval()


def unfolded(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights as they were trained, of a network that may have been folded; by name."""
    kept = {name: value for name, value in weights.items() if not name.endswith((_SCALE, _BIAS))}
    for name, scale in weights.items():
        if name.endswith(_SCALE):
            weight = f"{name.removesuffix(_SCALE)}weight"
            kept[weight] = kept[weight] / scale.view(-1, 1, 1, 1)
    return kept


def replace(network: nn.Module, name: str, module: nn.Module) -> None:
    """Put a module into the place of the one with this name."""
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, module)


class FoldedConv(nn.Module):
    """A convolution, what a batch norm behind it does, and an activation.

    Args:
        conv: with zeros around its images.
        norm: in evaluation mode; None where there is none.
        activation: oneDNN's name of it.
    """

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d | None = None, activation: str = "none") -> None:
        super().__init__()
        self.activation = activation
        self.stride, self.padding = list(conv.stride), list(map(int, conv.padding))
        self.dilation, self.groups = list(conv.dilation), conv.groups
        self.is_matrix = (conv.kernel_size, conv.stride, conv.groups) == ((1, 1), (1, 1), 1) and not any(self.padding)
        with torch.no_grad():
            weight, bias = conv.weight, conv.weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias
            if norm is not None:
                scale = _scale(norm)
                assert norm.running_mean is not None
                weight, bias = weight * scale.view(-1, 1, 1, 1), (bias - norm.running_mean) * scale + norm.bias
                self.register_buffer(_SCALE, scale)
            self.register_buffer(_BIAS, bias.clone())
            self.weight = nn.Parameter(self._laid_out(weight))
        if conv.bias is not None:
            self.bias = conv.bias  # what it was trained to, for who starts from it

    def forward(self, x: Tensor) -> Tensor:
        """The activated maps (N, out, H', W'), channels last, of maps (N, in, H, W)."""
        bias = self.get_buffer(_BIAS)
        if self.is_matrix:
            return linear(x.permute(0, 2, 3, 1), self.weight.flatten(1), bias, self.activation).permute(0, 3, 1, 2)
        x = x.contiguous(memory_format=torch.channels_last)
        settings = self.stride, self.padding, self.dilation, self.groups
        return _chosen(_fused_conv, _plain_conv)(x, self.weight, bias, *settings, self.activation)

    def _laid_out(self, weight: Tensor) -> Tensor:
        if self.is_matrix:
            return laid_out(weight.flatten(1))[:, :, None, None]
        return weight.contiguous(memory_format=torch.channels_last)


class Settled(nn.Module):
    """What is left of a batch norm that has been folded: its numbers, and an activation.

    Args:
        norm: whose parameters and statistics are kept.
        activation: what else it did.
    """

    def __init__(self, norm: nn.BatchNorm2d, activation: nn.Module) -> None:
        super().__init__()
        for name, parameter in norm.named_parameters(recurse=False):
            self.register_parameter(name, parameter)
        for name, buffer in norm.named_buffers(recurse=False):
            self.register_buffer(name, buffer)
        self.act = activation

    def forward(self, x: Tensor) -> Tensor:
        """The activated maps."""
        activated: Tensor = self.act(x)
        return activated


def laid_out(weight: Tensor) -> Tensor:
    """A matrix (out, in) in the order in memory in which oneDNN uses it without copying it first."""
    return weight.t().contiguous().t()


def linear(x: Tensor, weight: Tensor, bias: Tensor, activation: str = "none") -> Tensor:
    """A linear layer and an activation in one pass; the weight as :func:`laid_out` gives it."""
    return _chosen(_fused_linear, _plain_linear)(x, weight, bias, activation)


def linear_onto(x: Tensor, weight: Tensor, bias: Tensor, other: Tensor) -> Tensor:
    """A linear layer's outputs plus ``other``, of the same shape, in one pass."""
    return _chosen(_fused_linear_onto, _plain_linear_onto)(x, weight, bias, other)


def _followed(network: nn.Module) -> dict[nn.Conv2d, nn.BatchNorm2d]:
    """Convolutions with the batch norm that is given what they give, found by looking on."""
    gave: dict[int, nn.Conv2d] = {}
    outputs: list[Tensor] = []  # kept, so that no two have one id
    found: dict[nn.Conv2d, nn.BatchNorm2d] = {}

    def note(conv: nn.Module, _: Any, output: Tensor) -> None:
        outputs.append(output)
        gave[id(output)] = conv  # type: ignore[assignment]

    def match(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if conv := gave.get(id(inputs[0])):
            found[conv] = norm  # type: ignore[assignment]

    convs = [module for module in network.modules() if type(module) is nn.Conv2d]
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return {}
    hooks = [conv.register_forward_hook(note) for conv in convs]
    hooks += [norm.register_forward_pre_hook(match) for norm in norms]
    try:
        with torch.no_grad():
            network(torch.zeros(1, 3, _SIDE, _SIDE))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _can_fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> bool:
    is_plain = conv.padding_mode == "zeros" and not isinstance(conv.padding, str)
    drops_nothing = type(getattr(norm, "drop", nn.Identity())) is nn.Identity
    has_numbers = norm.affine and norm.track_running_stats
    return is_plain and drops_nothing and has_numbers and bool(_scale(norm).abs().min() > _SMALLEST)


def _scale(norm: nn.BatchNorm2d) -> Tensor:
    assert norm.running_var is not None
    return norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)


def _chosen(fused: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Tensor]:
    return fused if torch.jit.is_tracing() else plain  # type: ignore[attr-defined, no-untyped-call]


def _activated(x: Tensor, activation: str) -> Tensor:
    if activation == "swish":
        return F.silu(x)
    if activation == "relu":
        return F.relu(x)
    if activation == "hardswish":
        return F.hardswish(x)
    return x


def _plain_conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
    activation: str,
) -> Tensor:
    return _activated(F.conv2d(x, weight, bias, stride, padding, dilation, groups), activation)


def _plain_linear(x: Tensor, weight: Tensor, bias: Tensor, activation: str) -> Tensor:
    return _activated(F.linear(x, weight, bias), activation)


def _plain_linear_onto(x: Tensor, weight: Tensor, bias: Tensor, other: Tensor) -> Tensor:
    return other + F.linear(x, weight, bias)


@torch.jit.script_if_tracing  # type: ignore[untyped-decorator]
def _fused_conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    groups: int,
    activation: str,
) -> Tensor:
    if x.is_cpu:
        fused: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, weight, bias, padding, stride, dilation, groups, activation, [], ""
        )
        return fused
    return _plain_conv(x, weight, bias, stride, padding, dilation, groups, activation)


@torch.jit.script_if_tracing  # type: ignore[untyped-decorator]
def _fused_linear(x: Tensor, weight: Tensor, bias: Tensor, activation: str) -> Tensor:
    if x.is_cpu:
        fused: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], "")
        return fused
    return _plain_linear(x, weight, bias, activation)


@torch.jit.script_if_tracing  # type: ignore[untyped-decorator]
def _fused_linear_onto(x: Tensor, weight: Tensor, bias: Tensor, other: Tensor) -> Tensor:
    if x.is_cpu:
        fused: Tensor = torch.ops.mkldnn._linear_pointwise(x, other, weight, bias, "add")
        return fused
    return _plain_linear_onto(x, weight, bias, other)
