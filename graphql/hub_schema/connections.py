"""Relay connections over keyset pages."""

import strawberry

from hub.paging import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE
from hub_schema.directives import EgressClass, leaf

FIRST_DESCRIPTION = f"How many, 1 to {MAX_PAGE_SIZE}."
AFTER_DESCRIPTION = "endCursor of the previous page; leave out for the first page."
FIRST = strawberry.argument(description=FIRST_DESCRIPTION)
AFTER = strawberry.argument(description=AFTER_DESCRIPTION)
__all__ = ["AFTER", "DEFAULT_PAGE_SIZE", "FIRST", "PageInfo"]


@strawberry.type(description="Where a page ends, and whether more follow.")
class PageInfo:
    """Relay's PageInfo, forward only: the lists grow at the head."""

    has_next_page: bool = leaf(EgressClass.COUNT, "Whether more rows follow this page.")
    end_cursor: str | None = leaf(
        EgressClass.IDENTIFIER,
        "Pass it as `after` to get the next page; null when this page is the last.",
    )
