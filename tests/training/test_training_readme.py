"""What the training README tells people to type works, in its order, on a handful of rendered galaxies."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.mlflow_server import MlflowServer
from tests.training.galaxies import picture
from training.loop import recipe

ROOT = Path(__file__).parents[2]
README = (ROOT / "training" / "README.md").read_text(encoding="utf-8")
SMALL = ("epochs=1", "image_size=112", "batch_size=4", "foreign_pictures=20")
QUICK = [*(word for change in SMALL for word in ("--set", change)), "--device", "cpu", "--threads", "1"]


def test_the_commands_run(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    """From class folders to a promoted version and its figures; only epochs, pixels and rendered pictures are fewer."""
    for name in ("round_smooth", "two_armed_spiral"):
        folder = tmp_path / "my-galaxies" / name
        folder.mkdir(parents=True)
        for seed in range(16):
            (folder / f"{seed}.jpg").write_bytes(picture(name, seed, "jpg"))
    (tmp_path / "cosmoformer").symlink_to(ROOT / "cosmoformer")
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": mlflow_server.url,
        "MODEL_NAME": "training-readme",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    lines = [
        "cosmoformer register cosmoformer/bundled/model.pt --alias champion"
    ]  # as the first start of the system does
    lines += [line for block in blocks for line in block.splitlines()]
    output = ""
    for line in lines:
        words = shlex.split(line.removeprefix("python -m ").strip())
        argv = [sys.executable, "-m", *words, *(QUICK if words[:2] == ["cosmoformer", "train"] else ())]
        done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        output += done.stdout
    assert len(lines) == 6
    assert "champion: 1 → 2" in output
    assert "ResNet-26" in output


def test_every_recipe_is_named() -> None:
    """The table of recipes has each of them, and no other."""
    table = README.partition("| recipe | for |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z0-9-]+)`", table)) == set(recipe.names())
