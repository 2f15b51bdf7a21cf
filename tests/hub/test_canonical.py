"""Canonical JSON: the quick way writes what the reference implementation writes."""

from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from hub.audit.events import EventType
from hub.canonical import canonical_json

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
LEAVES = st.none() | st.booleans() | TEXT | st.integers(-(2**53) + 1, 2**53 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    LEAVES | FLOATS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20
)


@given(VALUES)
@example({"b": '\x00\x1f\x7f"\\/\b\f\n\r\t\u2028', "a": [1, {"B": None, "aa": True}], "": -0.0})
@example({"\ue000": 1, "\U0001f600": 2})
@example(EventType.MCP_TOOL_INVOKED)
def test_it_is_what_the_reference_writes(value: Any) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("value", [2**53, [-(2**53)], float("nan"), "\ud800", {"\ud800": 1}])
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises((rfc8785.CanonicalizationError, UnicodeEncodeError)):
        canonical_json(value)
