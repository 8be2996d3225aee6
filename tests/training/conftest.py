"""One thread for torch: with more than the machine has to spare, small batches take ten times as long."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

import training.models
from tests.training.toy import add_toy_model

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def toy_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The toy model stands where models are looked for, as one more file."""
    folder = add_toy_model(tmp_path_factory.mktemp("models"))
    yield
    training.models.__path__.remove(folder)
