"""A database that is away, full or shutting down: a refusal that agents know how to wait out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from hub.errors import Unavailable

_log = structlog.get_logger(__name__)

# Classes of SQLSTATE: connection, serialization and deadlock, resources, operator, the disk.
_PASSING = ("08", "40", "53", "57", "58")
_DISK_FULL = "53100"
_HOST_IS_GONE = "23503"  # foreign key: whose figures they are was deleted since it was looked up


@asynccontextmanager
async def or_unavailable() -> AsyncIterator[None]:
    """Turn what passes by itself into a refusal that says so; nothing was stored then."""
    try:
        yield
    except (OSError, PoolTimeoutError, DBAPIError) as error:
        if not is_passing(error):
            raise
        _log.warning("ingest_unavailable", error=type(error).__name__, state=sqlstate_of(error))
        raise unavailable(error) from error


def is_passing(error: BaseException) -> bool:
    """Tell whether the same may succeed in a while."""
    if isinstance(error, DBAPIError):
        state = sqlstate_of(error)
        if state:
            return state[:2] in _PASSING or state == _HOST_IS_GONE
        return error.connection_invalidated or isinstance(error, InterfaceError | OperationalError)
    return isinstance(error, OSError | PoolTimeoutError)


def sqlstate_of(error: BaseException) -> str:
    """Return PostgreSQL's own code of the error; empty when it is not PostgreSQL's."""
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")


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
