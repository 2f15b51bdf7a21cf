"""Which failures of the database pass by themselves, so that the same may succeed in a while."""

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

# What reaching the database may end with; asyncpg raises a plain OSError when it cannot connect.
DATABASE_FAILURES = (OSError, PoolTimeoutError, DBAPIError)
RETRY_AFTER_SECONDS = "5"  # as a header says it

# Classes of SQLSTATE (PostgreSQL's documentation, appendix A): connection, serialization and
# deadlock, resources (connections, memory, disk), operator, system.
_PASSING = ("08", "40", "53", "57", "58")


def is_passing(error: BaseException) -> bool:
    """Tell whether the same may succeed in a while; else something is wrong with what was asked."""
    if isinstance(error, DBAPIError):
        if state := sqlstate_of(error):
            return state[:2] in _PASSING
        return error.connection_invalidated or isinstance(error, InterfaceError | OperationalError)
    return isinstance(error, DATABASE_FAILURES)


def sqlstate_of(error: BaseException) -> str:
    """Return PostgreSQL's own code of the error; empty when it is not PostgreSQL's."""
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")
