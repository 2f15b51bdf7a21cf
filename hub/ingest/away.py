"""A database that is away, full or shutting down: a refusal that agents know how to wait out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from hub.errors import Unavailable
from hub.outage import DATABASE_FAILURES, is_passing, sqlstate_of

_log = structlog.get_logger(__name__)

_DISK_FULL = "53100"
_HOST_IS_GONE = "23503"  # foreign key: whose figures they are was deleted since it was looked up


@asynccontextmanager
async def or_unavailable() -> AsyncIterator[None]:
    """Turn what passes by itself into a refusal that says so; nothing was stored then."""
    try:
        yield
    except DATABASE_FAILURES as error:
        if not is_worth_sending_again(error):
            raise
        _log.warning("ingest_unavailable", error=type(error).__name__, state=sqlstate_of(error))
        raise unavailable(error) from error


def is_worth_sending_again(error: BaseException) -> bool:
    """Tell whether the same report may land in a while."""
    return is_passing(error) or sqlstate_of(error) == _HOST_IS_GONE


def unavailable(error: BaseException) -> Unavailable:
    """Return the refusal in words for people who keep agents."""
    if sqlstate_of(error) == _DISK_FULL:
        return Unavailable("The hub's disk is full; nothing was stored. Keep it and send it again.")
    if sqlstate_of(error) == _HOST_IS_GONE:
        return Unavailable(
            "A host was deleted while this arrived; nothing was stored. Send it again."
        )
    return Unavailable(
        "The hub's database does not answer; nothing was stored. Keep it and send it again."
    )
