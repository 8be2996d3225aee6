"""The classify function in a deployment of its own."""

from __future__ import annotations

import torch

from cosmoformer.models.bundled import BUNDLED
from tests.deployments import Deployment, altered, deployment, describing, model

__all__ = ["BUNDLED", "Deployment", "altered", "deployment", "describing", "model"]

torch.set_num_threads(1)
