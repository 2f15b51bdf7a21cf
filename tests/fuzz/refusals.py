"""What every parser promises: a payload is read, or refused in words that name a field."""

from collections.abc import Callable
from typing import Any

import orjson
from hypothesis import strategies as st

from hub.errors import HubError, InvalidInput
from hub.ingest.foreign.outcome import Outcome
from hub.text import is_storable
from tests.fuzz.json_payloads import ANY, mutated


def bodies(good: Any) -> st.SearchStrategy[bytes]:
    """Return bodies: the good payload altered, any JSON, any bytes, lines and torn ends."""
    whole = (mutated(good) | ANY).map(_dumped)
    torn = st.tuples(whole, st.integers(0, 400)).map(lambda told: told[0][: told[1]])
    lines = st.lists(whole, min_size=2, max_size=4).map(b"\n".join)
    return whole | torn | lines | st.binary(max_size=200)


def outcome_of(parse: Callable[[bytes], Any], body: bytes) -> Any:
    """Return what was read, or None for a refusal; anything else that is raised is a bug."""
    try:
        read = parse(body)
    except InvalidInput as refusal:
        check_refusal(refusal)
        return None
    check_outcome(read.outcome)
    return read


def check_refusal(refusal: HubError) -> None:
    """Check that a refusal names the field and says something."""
    assert refusal.field, refusal.message
    assert refusal.message.endswith("."), refusal.message


def check_outcome(outcome: Outcome) -> None:
    """Check that refusals say which item, which field, and why."""
    for one in outcome.refusals:
        assert one.index >= 0
        assert one.field
        assert one.reason


def check_text(*texts: str | None) -> None:
    """Check that PostgreSQL would take these."""
    assert all(is_storable(text) for text in texts if text is not None)


def _dumped(payload: Any) -> bytes:
    try:
        return orjson.dumps(payload, option=orjson.OPT_NON_STR_KEYS)
    except (orjson.JSONEncodeError, TypeError):
        return b"{}"
