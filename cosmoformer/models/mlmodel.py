"""The file ``MLmodel``: what an artifact takes and gives, for MLflow's pages and ``mlflow.models.get_model_info``.

MLflow looks for it in the folder that a version's source names. It is YAML there; JSON is YAML.
Format: MLflow documentation, "MLflow Models", sections "Storage format" and "Tensor-based signatures".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from cosmoformer.models.artifact import Metadata

NAME = "MLmodel"
_ANY = -1  # a dimension of any length
_FLAVOR = "cosmoformer"  # MLflow's own flavors would promise that MLflow can load the file; `cosmoformer.models.artifact` does


def mlmodel(metadata: Metadata, *, file: str, size: int, run_id: str, folder: str) -> bytes:
    """The content of ``MLmodel``.

    Inputs are uint8 (N, 3, H, W), outputs float32 (N, outputs of all groups). Their names and all else that travels in the
    artifact are the model's metadata.

    Args:
        metadata: of the artifact.
        file: the artifact's name in the same folder.
        size: its bytes.
        run_id: MLflow run that the folder belongs to.
        folder: its path below the run's artifacts.
    """
    described = {
        "artifact_path": folder,
        "flavors": {_FLAVOR: {"data": file, "format": metadata.format}},
        "metadata": asdict(metadata),
        "model_size_bytes": size,
        "run_id": run_id,
        "signature": {
            "inputs": _schema("uint8", [_ANY, 3, _ANY, _ANY]),
            "outputs": _schema("float32", [_ANY, len(metadata.names)]),
        },
        "utc_time_created": datetime.now(UTC).replace(tzinfo=None).isoformat(sep=" "),
    }
    return json.dumps(described, indent=1, ensure_ascii=False).encode()


def _schema(dtype: str, shape: Sequence[int]) -> str:
    """One unnamed tensor, as JSON within the YAML."""
    tensor: dict[str, Any] = {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": shape}}
    return json.dumps([tensor])
