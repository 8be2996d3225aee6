"""Sides of pictures, in pixels."""

from __future__ import annotations

WORKING_SIDE = 1024  # the model looks at 224, so a larger picture only costs memory
SMALLEST_SIDE = 8
