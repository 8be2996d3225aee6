"""The page's colours, read from its style sheet, against WCAG 2.2."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

STYLE = Path(__file__).parents[2] / "web" / "style.css"
TEXT = ("text", "muted", "accent", "warn", "bad", "round", "oval", "cigar", "edge-on", "spiral")
BEHIND_TEXT = ("sky", "surface", "raised")


def palettes() -> dict[str, dict[str, str]]:
    """Colour variables of the dark and of the light scheme; the light one replaces what it names."""
    dark, light = (dict(re.findall(r"--([\w-]+): (#\w+);", block)) for block in _root_blocks())
    return {"dark": dark, "light": dark | light}


def _root_blocks() -> list[str]:
    return re.findall(r":root \{(.*?)\}", STYLE.read_text(encoding="utf-8"), re.DOTALL)


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours (WCAG 2.2, section 5)."""
    darker, lighter = sorted((luminance(first), luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    shares = (int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4))
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_text_contrast(scheme: str) -> None:
    """Every colour of text reaches 4.5 to 1 on every colour that text stands on, in both schemes."""
    colours = palettes()[scheme]
    pairs = [(text, behind) for text in TEXT for behind in BEHIND_TEXT] + [("on-accent", "accent")]
    weak = {pair: ratio for pair in pairs if (ratio := contrast(colours[pair[0]], colours[pair[1]])) < 4.5}
    assert not weak


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_outline_contrast(scheme: str) -> None:
    """Outlines of buttons, the progress bar and the focus ring reach 3 to 1, in both schemes."""
    colours = palettes()[scheme]
    pairs = [("edge", "surface"), ("edge", "sky"), ("edge", "track"), ("accent", "sky"), ("accent", "track")]
    weak = {pair: ratio for pair in pairs if (ratio := contrast(colours[pair[0]], colours[pair[1]])) < 3}
    assert not weak
