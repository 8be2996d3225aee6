"""torch without its compilers' registrations predicts the same, and gets them when it is asked for them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
_PREDICT = """
import json, sys
from pathlib import Path
if sys.argv[1] == "slim":
    from functions.classify.torch_import import import_torch
    import_torch()
import gc, torch
from cosmoformer.models import artifact
model = artifact.load(Path("cosmoformer/bundled/model.pt").read_bytes())
images = torch.arange(3 * 90 * 90, dtype=torch.int64).remainder(256).to(torch.uint8).view(1, 3, 90, 90)
registered = "torch._meta_registrations" in sys.modules
import torch._meta_registrations
shape = torch.empty(4, 5, device="meta").sum(0).shape
print(json.dumps([registered, gc.isenabled(), list(shape), model.predict(images).tolist()]))
"""


@pytest.fixture(scope="module")
def answers() -> dict[str, list[object]]:
    """What a process with all of torch and one with less say."""
    argv = [sys.executable, "-c", _PREDICT]
    return {
        kind: json.loads(subprocess.run([*argv, kind], cwd=ROOT, check=True, capture_output=True, text=True).stdout)
        for kind in ("slim", "whole")
    }


def test_predictions_are_the_same(answers: dict[str, list[object]]) -> None:
    """To the last digit; and the collector of garbage, off during the import, is on again."""
    assert answers["slim"][1:] == answers["whole"][1:]
    assert answers["slim"][1] is True


def test_what_compilers_need_is_not_imported_unasked(answers: dict[str, list[object]]) -> None:
    """Only the whole import has it from the start."""
    assert [answers[kind][0] for kind in ("slim", "whole")] == [False, True]
