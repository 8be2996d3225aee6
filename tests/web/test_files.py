"""The page's files by themselves: all that is referred to is there, and nothing lies there unused."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
JS = WEB / "js"
HTML = (WEB / "index.html").read_text(encoding="utf-8")


def test_modules_preloaded() -> None:
    """Every module that the page begins with is preloaded, so that none waits for the one that imports it; no other is."""
    preloaded = set(re.findall(r'rel="modulepreload" href="js/([\w-]+\.js)"', HTML))
    assert preloaded == imported_by("main.js")


def test_modules_used() -> None:
    """Every module is imported by another one, or started as a worker."""
    named = {name for path in JS.glob("*.js") for name in re.findall(r'"(?:\./)?([\w-]+\.js)"', path.read_text())}
    assert named | {"main.js"} == {path.name for path in JS.glob("*.js")}


def imported_by(name: str) -> set[str]:
    """The modules that come with one, directly or by others."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        text = (JS / waiting.pop()).read_text(encoding="utf-8")
        new = set(re.findall(r'from "\./([\w-]+\.js)"', text)) - found
        found |= new
        waiting += new
    return found


def test_style_sheets_linked() -> None:
    """Every style sheet is linked, and every one that is linked is there."""
    assert set(re.findall(r'rel="stylesheet" href="([\w.-]+)"', HTML)) == {path.name for path in WEB.glob("*.css")}


def test_parts_in_page() -> None:
    """Every element that a module asks for by its id is in the page."""
    asked = {name for path in JS.glob("*.js") for name in re.findall(r'(?<![.\w])part\("([\w-]+)"\)', path.read_text())}
    assert asked <= set(re.findall(r'\bid="([\w-]+)"', HTML))


def test_nothing_inline() -> None:
    """The page has no script or style in its markup, which its security policy forbids."""
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", HTML)


@pytest.mark.parametrize("name", ["round_smooth", "in_between_smooth", "cigar_smooth", "edge_on", "spiral"])
def test_drawings(name: str) -> None:
    """The legend's drawings are what the project's renderer makes of its sample galaxies."""
    spec = spec_from_file_location("draw_shapes", ROOT / "tools" / "draw_shapes.py")
    assert spec is not None and spec.loader is not None
    tool = module_from_spec(spec)
    spec.loader.exec_module(tool)
    made = np.asarray(tool.draw(*tool.DRAWINGS[name]), dtype=float)
    with Image.open(WEB / "shapes" / f"{name}.webp") as image:
        kept = np.asarray(image.convert("RGB"), dtype=float)
    assert np.corrcoef(made.ravel(), kept.ravel())[0, 1] > 0.97  # but for what the compression of noise makes of it
