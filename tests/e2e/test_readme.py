"""What the README tells a newcomer to type works, to the letter."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.running_system import RunningSystem

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = sorted(path for path in ROOT.glob("**/*.md") if ".venv" not in path.parts)


def blocks(language: str) -> list[str]:
    """The fenced code blocks of the README in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_every_command_and_example_runs(system: RunningSystem, tmp_path: Path) -> None:
    """In the order of the page, each command succeeds and each Python example prints what it found."""
    (tmp_path / "cosmoformer").symlink_to(ROOT / "cosmoformer")
    ran = 0
    for language, block in re.findall(r"^```(sh|python)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL):
        if language == "python":
            done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            assert "demo/" in done.stdout or "has-spiral-arms" in done.stdout
            ran += 1
            continue
        for line in (line for line in block.splitlines() if line.startswith("cosmoformer ")):
            argv = [sys.executable, "-m", *shlex.split(line)]
            done = subprocess.run(argv, cwd=tmp_path, env=system.environment, capture_output=True, text=True)
            assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
            ran += 1
    assert ran >= 10


def test_the_make_targets_exist() -> None:
    """Each make target that the README names is one."""
    targets = set(re.findall(r"^make (\w+)", "\n".join(blocks("sh")), re.MULTILINE))
    assert targets == {"run", "test"}
    subprocess.run(["make", "--dry-run", *targets], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link and picture of every document exists."""
    for target in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (document.parent / target).exists(), target
