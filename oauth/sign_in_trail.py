"""Failed sign-ins: written down before the answer leaves, in a tenant's audit trail right after it.

An audit trail belongs to a tenant, and only people who exist have one: appending to it before the
answer (a lock, which waits for whatever else the tenant does) would make their refusals slower than
a stranger's. So what is made durable first is the same one row for everybody, known or not, in the
steps of the authorization server. Afterwards it is carried over, exactly once: by the request that
was refused, or, had its process ended before that, by the next process that looks.

What somebody typed as an address is not kept: people type passwords there.
"""

from datetime import timedelta
from uuid import UUID

import structlog

from hub.clock import utc_now
from hub.database import Database, enter
from hub.tenancy.queries import Account, account_by_id, memberships_of
from hub.tenancy.sessions import record_failed_sign_in
from oauth.models import StepKind
from oauth.trace import Step, awaiting_step, settle_step, steps_awaiting_audit, store_step

_log = structlog.get_logger(__name__)
_EVERYBODY = "*"
_LEFT_BEHIND = timedelta(minutes=1)


async def write_down(
    database: Database, *, reason: str, account: Account | None, request_id: str | None
) -> UUID:
    """Make the refusal durable, by the same statement for everybody, and return its id."""
    _log.info("sign_in_failed", reason=reason, request_id=request_id)
    step = Step(
        kind=StepKind.REFUSED,
        user_id=account.user_id if account else None,
        request_id=request_id,
        details={"at": "sign-in", "reason": reason},
    )
    async with database.transaction() as session:
        return await store_step(session, step=step, awaits_audit=True)


async def carry_over(database: Database, step_id: UUID) -> None:
    """Append the refusal to the trail of the person's tenant, if it was anybody's."""
    async with database.transaction(presented=_EVERYBODY) as session:
        step = await awaiting_step(session, step_id=step_id)
        if step is None:
            return
        if step.user_id is None:
            await settle_step(session, step_id=step_id, tenant_id=None)
            return
        await enter(session, user_id=step.user_id, presented=_EVERYBODY)
        account = await account_by_id(session, user_id=step.user_id)
        tenants = await memberships_of(session, user_id=step.user_id)
        tenant_id = tenants[0].tenant_id if tenants else None
        await settle_step(session, step_id=step_id, tenant_id=tenant_id)
        if account is None or tenant_id is None:
            return
        await record_failed_sign_in(
            session,
            tenant_id=tenant_id,
            user_id=account.user_id,
            email=account.email,
            reason=str(step.details["reason"]),
            request_id=step.request_id,
            at=step.at,
        )


async def carry_over_left(database: Database) -> None:
    """Carry over what processes left behind that ended right after their answer."""
    async with database.transaction(presented=_EVERYBODY) as session:
        left = await steps_awaiting_audit(session, before=utc_now() - _LEFT_BEHIND)
    for step_id in left:
        await carry_over(database, step_id)
