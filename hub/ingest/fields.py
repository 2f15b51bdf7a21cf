"""How texts of hosts are bounded, alike in every part of a report."""

from pydantic import Field

# One line of text: PostgreSQL cannot store U+0000, and no name of a host, mount or package has
# control characters in it.
_ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"


def line(max_length: int, description: str, *, min_length: int = 0) -> object:
    """Describe one line of text without control characters."""
    return Field(
        min_length=min_length, max_length=max_length, pattern=_ONE_LINE, description=description
    )
