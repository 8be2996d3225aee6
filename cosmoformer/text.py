"""Untrusted text, made safe to print."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    """Text without control and format characters, which could move a terminal's cursor or reverse its writing."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(character) in ("Cc", "Cf", "Cs") else character
        for character in text
    )
