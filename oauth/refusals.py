"""Refusals that end before anything else is stored: written down, and bounded in number.

Whoever is refused decides how often that happens, so what is kept of it has a limit: a few steps a
minute for each caller, so many for all strangers, and as many for all who are known, so that no
flood of strangers hides what is done to a tenant. The rest goes to the log, and the next step that
is kept says how many were not (`unwritten_before`): a flood shows as a number, not as rows.
"""

from dataclasses import replace

import structlog
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.database import Database, enter
from hub.principal import PrincipalKind
from oauth.trace import Step, store_step

_log = structlog.get_logger(__name__)
_PER_CALLER = RateLimitItemPerMinute(10)
_FOR_ALL = RateLimitItemPerMinute(600)  # who are known, and as many again for strangers


class RefusalLog:
    """Writes refusals in transactions of their own; one for the process's life."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._unwritten = 0

    async def write(
        self,
        step: Step,
        *,
        caller: str,
        actor: str = "",
        event_type: EventType = EventType.OAUTH_REQUEST_REFUSED,
        kind: PrincipalKind = PrincipalKind.CONNECTOR,
    ) -> None:
        """Keep the step of this caller (an address, a grant); in a tenant's audit trail as well."""
        _log.info("oauth_refused", client_id=step.client_id, **step.details)
        if not await self._may_write(caller, "strangers" if step.tenant_id is None else "known"):
            self._unwritten += 1
            return
        step, self._unwritten = _counting(step, self._unwritten), 0
        async with self._database.transaction() as session:
            await store_step(session, step=step)
            if step.tenant_id is None:
                return
            await enter(session, tenant_id=step.tenant_id, user_id=step.user_id)
            event = AuditEvent(
                event_type=event_type,
                actor=actor or step.client_id,
                actor_kind=kind.value,
                outcome="refused",
                user_id=step.user_id,
                details={"client_id": step.client_id, **step.details},
                request_id=step.request_id,
            )
            await append_events(session, tenant_id=step.tenant_id, events=[event])

    async def _may_write(self, caller: str, kind: str) -> bool:
        return await self._limiter.hit(_PER_CALLER, caller) and await self._limiter.hit(
            _FOR_ALL, kind
        )


def _counting(step: Step, unwritten: int) -> Step:
    if not unwritten:
        return step
    return replace(step, details={**step.details, "unwritten_before": unwritten})
