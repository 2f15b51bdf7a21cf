"""A report that tells more than figures is taken alone, in a transaction of its own.

All of it is stored, or none; what is refused says why. Plain reports whose sequence was not new, or
whose key is not trusted, come here too, to learn it.
"""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from hub.clock import utc_now
from hub.database import Database
from hub.detections.intake import take_events
from hub.fleet.commands import record_report, touch_agents
from hub.fleet.facts import take_facts
from hub.ingest.gate import Sealed
from hub.ingest.intake import Intake
from hub.ingest.report import Accepted, Refused, Report
from hub.ingest.translation import (
    agent_report,
    host_facts,
    installed_packages,
    security_events,
)
from hub.ingest.trusted_keys import TrustedKey, accept_seal
from hub.vulnerabilities.exposure import note_exposure
from hub.vulnerabilities.inventory import follow_running_kernel, take_inventory


async def take_report(
    intake: Intake, sealed: Sealed, report: Report, *, identity: str | None
) -> Accepted:
    """Store one report; return what became of it."""
    key, now = sealed.key, utc_now()
    async with intake.database.transaction(tenant_id=key.tenant_id) as session:
        await accept_seal(session, sealed.seal, identity=identity)
        await intake.landing.partitions.of(session, min(report.at, now))
        await record_report(
            session,
            tenant_id=key.tenant_id,
            agent_id=key.agent_id,
            report=agent_report(report),
            received_at=now,
        )
        count = await _take_inventory(session, key, report, now)
        await _take_state(session, key, report, now)
        refused = await _take_events(session, key, report, now)
    return Accepted(packages=count, refused_events=refused or None)


async def take_heartbeat(database: Database, sealed: Sealed) -> None:
    """Note that a host is alive, or refuse it and say why."""
    key = sealed.key
    async with database.transaction(tenant_id=key.tenant_id) as session:
        await accept_seal(session, sealed.seal)
        await touch_agents(session, tenant_id=key.tenant_id, agent_ids=[key.agent_id], at=utc_now())


async def _take_inventory(
    session: AsyncSession, key: TrustedKey, report: Report, now: datetime
) -> int:
    packages = installed_packages(report)
    if packages is None:
        await follow_running_kernel(session, tenant_id=key.tenant_id, agent_id=key.agent_id, at=now)
        return 0
    await take_inventory(
        session, tenant_id=key.tenant_id, agent_id=key.agent_id, packages=packages, at=now
    )
    return len(packages)


async def _take_state(
    session: AsyncSession, key: TrustedKey, report: Report, now: datetime
) -> None:
    """Store how the host is now: where it listens, and what it told of itself beside."""
    if report.listening is not None:
        await note_exposure(
            session,
            tenant_id=key.tenant_id,
            agent_id=key.agent_id,
            listening=report.listening,
        )
    await take_facts(
        session,
        tenant_id=key.tenant_id,
        agent_id=key.agent_id,
        facts=host_facts(report),
        at=min(report.at, now),
    )


async def _take_events(
    session: AsyncSession, key: TrustedKey, report: Report, now: datetime
) -> list[Refused]:
    """Store what happened, and what follows from it; return what cannot be taken."""
    if not report.events:
        return []
    taken = await take_events(
        session,
        tenant_id=key.tenant_id,
        agent_id=key.agent_id,
        events=security_events(report),
        now=now,
    )
    return [Refused(id=event.id, reason=event.reason) for event in taken.refused]
