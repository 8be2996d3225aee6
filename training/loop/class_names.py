"""Class names as a checkpoint holds them, in the order of the model's outputs: a JSON list.

Releases before wrote them side by side with commas, which a name may hold too; that form is read as well.
"""

from __future__ import annotations

import json
from collections.abc import Sequence


def written(classes: Sequence[str]) -> str:
    """The text for a checkpoint."""
    return json.dumps(list(classes), ensure_ascii=False)


def read(text: str) -> tuple[str, ...]:
    """The names in a checkpoint's text; none for a task without classes."""
    try:
        names = json.loads(text)
    except ValueError:
        names = None
    if isinstance(names, list):
        return tuple(names)
    return tuple(text.split(",")) if text else ()


def are_told(text: str, classes: Sequence[str]) -> bool:
    """Whether a checkpoint's text tells these classes, in this order."""
    return text in (written(classes), ",".join(classes))
