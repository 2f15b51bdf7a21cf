"""Which agent is reporting: the credential it shows, and how often it may."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from limits import RateLimitItemPerMinute
from limits.aio.strategies import FixedWindowRateLimiter
from limits.storage import storage_from_string
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.database import Database, enter
from hub.errors import Forbidden, Throttled, Unauthenticated, Unavailable
from hub.fleet.commands import agent_key_digest
from hub.fleet.models import AgentCredential

# A report every 15 seconds, and room for an agent that catches up or restarts.
REPORTS_PER_MINUTE = 60
_LIMIT = RateLimitItemPerMinute(REPORTS_PER_MINUTE)
_MAX_KEY_CHARACTERS = 200
_log = structlog.get_logger(__name__)

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="AgentCredential",
    description="The agent's own key, `mak_…`, as `monsys agent token` printed it.",
)


@dataclass(frozen=True, slots=True)
class ReportingAgent:
    """A known agent, and the transaction of its tenant in which its report is stored."""

    tenant_id: UUID
    agent_id: UUID
    session: AsyncSession


class ReportLimiter:
    """Counts reports per credential; in memory, or in the storage that replicas share."""

    def __init__(self, storage_url: str) -> None:
        self._strategy = FixedWindowRateLimiter(storage_from_string(f"async+{storage_url}"))

    async def count(self, digest: str) -> None:
        """Count one report; raise Throttled when there were too many in this minute."""
        if await self._strategy.hit(_LIMIT, "ingest", digest):
            return
        raise Throttled(
            f"An agent may report {REPORTS_PER_MINUTE} times a minute; the interval is 15 seconds.",
            retry_after_seconds=_LIMIT.get_expiry(),
        )


async def reporting_agent(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> AsyncIterator[ReportingAgent]:
    """Yield the agent that shows this credential, inside a transaction of its tenant."""
    key = credentials.credentials if credentials else ""
    if not key or len(key) > _MAX_KEY_CHARACTERS:
        raise Unauthenticated(
            "Send the agent's credential as `Authorization: Bearer mak_…`;"
            " `monsys agent token` makes one."
        )
    digest = agent_key_digest(key)
    await _limiter_of(request).count(digest)
    database: Database = request.app.state.database
    async with _or_unavailable(), database.transaction(presented=digest) as session:
        tenant_id, agent_id = await _known(session, digest=digest)
        await enter(session, tenant_id=tenant_id)
        yield ReportingAgent(tenant_id=tenant_id, agent_id=agent_id, session=session)


def _limiter_of(request: Request) -> ReportLimiter:
    """Return the application's limiter, made at the first report."""
    state = request.app.state
    if not hasattr(state, "report_limiter"):
        state.report_limiter = ReportLimiter(state.settings.rate_limit_storage_url)
    limiter: ReportLimiter = state.report_limiter
    return limiter


@asynccontextmanager
async def _or_unavailable() -> AsyncIterator[None]:
    """Turn a database that is away into a refusal that agents know how to wait out."""
    try:
        yield
    except (OSError, PoolTimeoutError, DBAPIError) as error:
        if isinstance(error, DBAPIError) and not (
            error.connection_invalidated or isinstance(error, InterfaceError | OperationalError)
        ):
            raise
        _log.warning("ingest_unavailable", error=type(error).__name__)
        raise Unavailable("The database does not answer; nothing was stored.") from error


async def _known(session: AsyncSession, *, digest: str) -> tuple[UUID, UUID]:
    statement = select(
        col(AgentCredential.tenant_id),
        col(AgentCredential.agent_id),
        col(AgentCredential.revoked_at),
    ).where(col(AgentCredential.digest) == digest)
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise Unauthenticated(
            "No agent has this credential; make a new one with `monsys agent token`."
        )
    if row.revoked_at is not None:
        raise Forbidden("This credential was revoked; make a new one with `monsys agent token`.")
    return row.tenant_id, row.agent_id


# Function scope: the commit happens before the answer leaves, so an agent never holds an
# "accepted" for a report that was not stored. FastAPI's default scope commits afterwards.
type Agent = Annotated[ReportingAgent, Depends(reporting_agent, scope="function")]
