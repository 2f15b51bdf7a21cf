"""JSON of any shape, and good payloads with something in them exchanged: where parsers break."""

import copy
from typing import Any

from hypothesis import strategies as st

# Words and numbers that stand at the borders of what parsers and databases take; copied, because
# payloads are altered in place.
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        None, True, False, 0, -1, 1e308, -1e308, 2**53, 2**63 - 1, -(2**63), 2**64 - 1, "", " ",
        "\u0000", "\u2028", "\u202e", "a" * 5_000, "0001-01-01T00:00:00Z", "-1", "Infinity",
        "9999-12-31T23:59:59-14:00", "2026-11-03T08:00:00+99:99", "[::1", "a:99999", "//", "pkg:",
        "pkg:npm/@@@", "%00", "\u00e9", "<NA>", [], {}, [[]], {"": None},
    ]
).map(copy.deepcopy)  # fmt: skip
ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | ODD,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner,
                                                                max_size=4),
    max_leaves=12,
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, good: Any) -> Any:
    """Return the payload with a few of its values exchanged, removed or doubled."""
    payload = copy.deepcopy(good)
    for _ in range(draw(st.integers(0, 4))):
        places = list(_places(payload))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        action = draw(st.integers(0, 5))
        if action == 0:
            del holder[key]
        elif action == 1 and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        else:
            holder[key] = draw(ODD | ANY)
    return payload


def _places(value: Any, depth: int = 0) -> Any:
    """Yield every container with each of its keys."""
    if depth > 12:
        return
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in list(items):
        yield value, key
        yield from _places(inner, depth + 1)
