"""What the jobs do, each for one tenant and one slot of time, and each finished exactly once.

The queue delivers a job at least once: a process may die in the middle of it. So the mark that it
is finished (`job_runs`) is committed with what it wrote, in one transaction; a second delivery
finds the mark, or, where the first one is still at work, waits for it.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import delete
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.cleaning import forget_notifications
from hub.clock import utc_now
from hub.database import Database
from hub.detections.pruning import forget_old_events
from hub.fleet.rollups import forget_old_hours
from hub.jobs.alerting import RULES_JOB, WEBHOOKS_JOB, watch_rules
from hub.jobs.metrics import roll_up_metrics
from hub.jobs.models import JobRun
from hub.sla.alarms import sound_alarms
from hub.sla.models import SlaHour, SlaObservation
from hub.sla.observe import observe_targets
from hub.sla.probing import ask, due_probes, record_answers
from hub.sla.queries import sla_standings
from hub.trust.collect import COLLECTIONS, SIGNALS_A_TURN, collect_signals
from hub.trust.commands import forget_old_words, keep_snapshot, thin_snapshots
from hub.trust.models import TrustSignal
from hub.trust.rebuild import rebuild_score

type Work = Callable[[AsyncSession, UUID, datetime], Awaitable[None]]
type Job = Callable[[Database, UUID, datetime], Awaitable[bool]]

_log = structlog.get_logger(__name__)
_MARKS = JobRun.__table__  # type: ignore[attr-defined]
_MAX_TURNS = 500
KEEP_MARKS = timedelta(days=8)
KEEP_ALL_SNAPSHOTS = timedelta(days=31)
KEEP_HISTORY = timedelta(days=400)
KEEP_OBSERVATIONS = timedelta(days=100)  # longer than the longest window


async def finish_once(
    database: Database, name: str, tenant_id: UUID, slot: datetime, work: Work
) -> bool:
    """Do the work and mark it as finished, both or neither; False when it was finished before."""
    async with database.transaction(tenant_id=tenant_id) as session:
        is_mine = await session.scalar(
            postgresql.insert(_MARKS)
            .values(tenant_id=tenant_id, name=name, slot=slot, finished_at=utc_now())
            .on_conflict_do_nothing()
            .returning(_MARKS.c.name)
        )
        if is_mine is None:
            return False
        await work(session, tenant_id, utc_now())
    return True


def _job(name: str, work: Work) -> Job:
    async def run(database: Database, tenant_id: UUID, slot: datetime) -> bool:
        return await finish_once(database, name, tenant_id, slot, work)

    return run


async def observe_levels(session: AsyncSession, tenant_id: UUID, now: datetime) -> None:
    """Observe what the hub watches itself, and sound or end the alarms of all targets."""
    await observe_targets(session, tenant_id=tenant_id, now=now)
    standings = await sla_standings(session, now=now)
    await sound_alarms(session, tenant_id=tenant_id, standings=standings, now=now)


async def probe_addresses(database: Database, tenant_id: UUID, slot: datetime) -> bool:
    """Ask the web addresses whose turn it is. The asking holds no transaction open."""
    async with database.transaction(tenant_id=tenant_id) as session:
        probes = await due_probes(session, now=utc_now())
    asked_at = utc_now()
    answers = await ask(probes)

    async def record(session: AsyncSession, tenant_id: UUID, _now: datetime) -> None:
        await record_answers(
            session, tenant_id=tenant_id, probes=probes, answers=answers, now=asked_at
        )

    return await finish_once(database, "probe", tenant_id, slot, record)


async def keep_score(session: AsyncSession, tenant_id: UUID, now: datetime) -> None:
    """Bring in what the hub knows itself, forget what is old, and keep a snapshot."""
    for collection in COLLECTIONS:
        for _ in range(_MAX_TURNS):
            count = await collect_signals(session, collection, tenant_id=tenant_id, now=now)
            if count < SIGNALS_A_TURN:
                break
    for _ in range(_MAX_TURNS):
        if not await forget_old_words(session, tenant_id=tenant_id, now=now):
            break
    await keep_snapshot(session, tenant_id=tenant_id, now=now)


async def recompute_score(session: AsyncSession, tenant_id: UUID, now: datetime) -> None:
    """Compute everything from the signals again; say so when it was not the same."""
    rebuilt = await rebuild_score(session, tenant_id=tenant_id, now=now)
    if rebuilt.has_drifted:
        _log.warning("trust_score_had_drifted", tenant_id=str(tenant_id), words=rebuilt.words)


async def let_go(session: AsyncSession, _tenant_id: UUID, now: datetime) -> None:
    """Delete what nobody can ask for any more."""
    await forget_old_events(session, now=now)
    await thin_snapshots(session, keep_all_since=now - KEEP_ALL_SNAPSHOTS, until=now - KEEP_HISTORY)
    for statement in (
        delete(SlaObservation).where(col(SlaObservation.at) < now - KEEP_OBSERVATIONS),
        delete(SlaHour).where(col(SlaHour.at) < now - KEEP_HISTORY),
        delete(TrustSignal).where(col(TrustSignal.observed_at) < now - KEEP_HISTORY),
        delete(JobRun).where(col(JobRun.slot) < now - KEEP_MARKS),
    ):
        await session.execute(statement, execution_options={"synchronize_session": False})
    await forget_old_hours(session, now=now)
    await forget_notifications(session, now=now)


JOBS: dict[str, Job] = {
    "observe": _job("observe", observe_levels),
    "probe": probe_addresses,
    "score": _job("score", keep_score),
    "recompute": _job("recompute", recompute_score),
    "roll_up": roll_up_metrics,
    "let_go": _job("let_go", let_go),
    RULES_JOB: _job(RULES_JOB, watch_rules),
}
SCHEDULES = {
    "observe": "* * * * *",
    "probe": "* * * * *",
    "score": "*/5 * * * *",
    "recompute": "20 2 * * *",
    "roll_up": "5,20,35,50 * * * *",
    "let_go": "40 2 * * *",
    # The sixth field is the seconds: a host is offline after 90, and people want to know.
    RULES_JOB: "* * * * * */20",
    WEBHOOKS_JOB: "* * * * * */10",
}


def slot_of(name: str, now: datetime) -> datetime:
    """Return the slot of time that a job of this schedule is for."""
    has_seconds = len(SCHEDULES[name].split()) == 6  # noqa: PLR2004
    return now.replace(second=now.second // 10 * 10 if has_seconds else 0, microsecond=0)
