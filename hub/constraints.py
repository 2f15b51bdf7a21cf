"""What the database's own constraints refuse, said in our words."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from hub.errors import HubError


@asynccontextmanager
async def unless_taken(
    session: AsyncSession, constraint: str, refusal: Callable[[], HubError]
) -> AsyncIterator[None]:
    """Run statements that may violate this constraint or unique index; raise the refusal if so.

    Who looks first and writes then can be overtaken in between: the database tells. A savepoint
    lets the transaction go on.
    """
    try:
        async with session.begin_nested():
            yield
    except IntegrityError as error:
        cause = getattr(error.orig, "__cause__", None)
        if getattr(cause, "constraint_name", None) == constraint:
            raise refusal() from error
        raise
