"""What no answer may ever hold: anything that tells how the hub is built inside."""

import re

_INTERNAL = re.compile(
    r"Traceback|File \"|\.py\b|site-packages|/(?:usr|home|root|tmp|var|work)/"
    r"|asyncpg|sqlalchemy|psycopg|pgserver|postgres"
    r"|\b(?:SELECT|INSERT|UPDATE|DELETE)\b.+\b(?:FROM|INTO|SET|WHERE)\b"
    r"|syntax error|relation \"|constraint|Errno|ConnectionRefused|\b[a-z]+Error\(",
    re.IGNORECASE | re.DOTALL,
)


def assert_nothing_internal(text: str) -> None:
    """Fail when the text looks like SQL, a path, a library or a stack trace."""
    found = _INTERNAL.search(text)
    assert found is None, f"an answer holds {found[0]!r}: {text[:600]}" if found else None
