"""The feature vector of a traced model: what its last layer is given, as outputs behind its own.

Vectors of like images lie near each other, which is what ``cosmoformer similar`` searches by.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

_LINEAR = "aten::linear"


def give_features(core: nn.Module) -> int:
    """Have a traced model give features (N, F) behind its outputs, in place; what it computes stays the very same graph.

    Args:
        core: a :class:`~training.artifact.flat.FlatModule`, traced or loaded and never run: the first run compiles it as it is.

    Returns:
        The vector's length F; 0 where the model's last step is no linear layer, and nothing was changed.
    """
    graph: Any = core.graph
    (output,) = graph.outputs()
    last = output.node()
    if last.kind() != _LINEAR:
        return 0
    features, weight = list(last.inputs())[:2]
    if weight.node().kind() != "prim::GetAttr":
        return 0
    columns = graph.insertConstant(1)
    beside = graph.appendNode(graph.create("prim::ListConstruct", [output, features], 1)).output()
    beside.setType(torch._C.ListType.ofTensors())
    joined = graph.appendNode(graph.create("aten::cat", [beside, columns], 1))
    graph.eraseOutput(0)
    graph.registerOutput(joined.output())
    return int(getattr(core, weight.node().s("name")).shape[1])
