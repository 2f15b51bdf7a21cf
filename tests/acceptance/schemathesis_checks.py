"""A check for schemathesis, which takes every error in a GraphQL answer for a fault of the server.

Here an error with a code is an answer: a page size of -5 or an id of nothing is refused in words.
Faults are the code INTERNAL, an error without a code, and any status that says so.
"""

from typing import Any

import schemathesis

ANSWERS = {"BAD_REQUEST", "CONFLICT", "FORBIDDEN", "INVALID_INPUT", "LIMIT_EXCEEDED", "NOT_FOUND"}
STATUSES = {200, 400, 401}


@schemathesis.check
def refuses_in_words(
    _ctx: schemathesis.CheckContext, response: schemathesis.Response, _case: schemathesis.Case[Any]
) -> None:
    """Tell faults from refusals."""
    assert response.status_code in STATUSES, f"undocumented status {response.status_code}"
    expected = {"UNAUTHENTICATED"} if response.status_code == 401 else ANSWERS
    for error in response.json().get("errors", []):
        assert error.get("extensions", {}).get("code") in expected, error
