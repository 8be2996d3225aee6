"""The thesis's model as an MLflow ``pyfunc``, for ``mlflow models serve``.

python -m benchmarks.peers.mlflow_model --model thesis.pt --out folder
"""

from __future__ import annotations

import argparse
import base64
import io
from typing import Any

import torch
from PIL import Image

from mlflow import pyfunc


class GalaxyModel(pyfunc.PythonModel):  # type: ignore[misc, name-defined]  # MLflow ships without types
    """Base64 JPEG files to class names."""

    def load_context(self, context: Any) -> None:
        """Load the model, in each worker."""
        from benchmarks.peers.thesis import Predictor

        torch.set_num_threads(1)
        self._predictor = Predictor(context.artifacts["model"])

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> list[str]:
        """Classes of the column ``image``."""
        files = (io.BytesIO(base64.b64decode(text)) for text in model_input["image"])
        return [self._predictor.predict(Image.open(file).convert("RGB")) for file in files]


def main() -> None:
    """Write the model's folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    pyfunc.save_model(
        options.out, python_model=GalaxyModel(), artifacts={"model": options.model}, pip_requirements=["torch"]
    )


if __name__ == "__main__":
    main()
