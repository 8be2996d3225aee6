"""What is JSON, and what only Python takes for it."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosmoformer.strict_json import MOST_LEVELS, loads

_documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(_documents)
def test_json_is_read_as_python_reads_it(document: object) -> None:
    """What a program writes as JSON comes back the same."""
    assert loads(json.dumps(document)) == document
    assert loads(json.dumps(document).encode()) == document


@pytest.mark.parametrize(
    "text",
    [
        *(
            "NaN",
            "[Infinity]",
            '{"a": -Infinity}',
            "1e999",
            "-1e999",
            "9" * 5000,
            "[" * 100_000,
            '{"a":' * 900 + "1" + "}" * 900,
        ),
        *("", "[", "01", "'a'", b"\xff", b'"\xed\xa0"', "[" * (MOST_LEVELS + 1) + "]" * (MOST_LEVELS + 1)),
    ],
    ids=lambda text: repr(text[:12]),
)
def test_what_is_none_or_cannot_be_written_again_is_refused(text: str | bytes) -> None:
    """Numbers that are none, infinite or endless, and depths that exhaust the stack, are errors of one kind."""
    with pytest.raises(ValueError, match=r".+"):
        loads(text)


def test_reasonable_depth_and_large_numbers_are_fine() -> None:
    """The limits are far from what anybody needs."""
    deep = loads("[" * MOST_LEVELS + "]" * MOST_LEVELS)
    assert json.dumps(deep).count("[") == MOST_LEVELS
    assert loads("1.7e308") < math.inf
    assert loads("9" * 4000) > 10**3999
