"""What a tool saw and no rule of ours reads: an alert all the same, so that nothing is lost.

Such tools never say that something is over. So what one rule saw on one host about one subject is
one alert until it was quiet for a day; then it is resolved, and the next time it is a new one.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Uuid, and_, literal, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.commands import NewAlert, record_alerts, resolve_alerts
from hub.alerts.models import AlertCategory
from hub.fleet.array_rows import array_rows
from hub.ingest.foreign.models import ForeignAlert
from hub.ingest.foreign.period_rows import INSTANT, KEY, KEY_TYPES, PERIODS, TROUBLE_TYPES, is_in
from hub.severity import Severity

QUIET_AFTER = timedelta(days=1)
SOURCES = ("falco", "wazuh")
_CLOSED_A_TURN = 1_000
type _Key = tuple[str, str, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One thing that a tool saw on one host."""

    source: str
    rule: str
    subject: str
    agent_id: UUID
    at: datetime
    severity: Severity
    title: str
    description: str

    @property
    def external_id(self) -> str:
        """What is the same for everything that makes one alert."""
        parts = (self.rule, str(self.agent_id), self.subject)
        return hashlib.sha256("\x1f".join(parts).encode("utf-8", "replace")).hexdigest()


@dataclass(slots=True)
class _Row:
    """One alert's time, as it is stored or will be."""

    started_at: datetime
    ended_at: datetime | None
    is_told_again: bool = False

    def takes(self, at: datetime) -> bool:
        """Tell whether what was seen then is neither new nor late."""
        is_open = self.ended_at is None or self.ended_at >= at
        return is_open and self.started_at <= at + QUIET_AFTER


async def take_observations(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    observations: Sequence[Observation],
    now: datetime,
) -> int:
    """Open alerts, or find those that the observations belong to; return how many are new.

    As if they were taken one by one, the oldest first, in as many statements as for one.
    """
    in_order = sorted(observations, key=lambda one: (one.source, one.external_id, one.at))
    known = await _locked_rows(session, in_order)
    new: dict[_Key, Observation] = {}
    for one in in_order:
        rows = known[one.source, one.external_id]
        if taking := [row for row in rows if row.takes(one.at)]:
            for row in taking:
                row.is_told_again = True
        else:
            rows.append(_Row(one.at, _end(one, now)))
            new[one.source, one.external_id, one.at] = one
    await _note_told_again(session, known, new, now)
    if not new:
        return 0
    inserted = await _insert(session, tenant_id=tenant_id, new=new, now=now)
    # Another sender was quicker with the others.
    alerts = [_alert(new[key], ended_at=_end(new[key], now)) for key in new if key in inserted]
    await record_alerts(session, tenant_id=tenant_id, alerts=alerts)
    return len(alerts)


def _end(observation: Observation, now: datetime) -> datetime | None:
    """Return when it was over, if it was quiet for long enough since."""
    return observation.at if observation.at < now - QUIET_AFTER else None


async def close_quiet_observations(session: AsyncSession, *, tenant_id: UUID, now: datetime) -> int:
    """Resolve the alerts about which nothing was told for a day; return how many there were."""
    quiet = (
        select(
            col(ForeignAlert.source), col(ForeignAlert.external_id), col(ForeignAlert.started_at)
        )
        .where(
            col(ForeignAlert.source).in_(SOURCES),
            col(ForeignAlert.ended_at).is_(None),
            col(ForeignAlert.last_told_at) < now - QUIET_AFTER,
        )
        .order_by(col(ForeignAlert.last_told_at))
        .limit(_CLOSED_A_TURN)
        .with_for_update(skip_locked=True)
    )
    rows = (await session.execute(quiet)).all()
    if not rows:
        return 0
    quiet_ones = array_rows("quiet", KEY_TYPES, [tuple(row) for row in rows])
    await session.execute(
        update(ForeignAlert)
        .where(*is_in(quiet_ones))
        .values(ended_at=col(ForeignAlert.last_told_at)),
        execution_options={"synchronize_session": False},
    )
    fingerprints = sorted({f"{row.source}:{row.external_id}" for row in rows})
    await resolve_alerts(session, tenant_id=tenant_id, fingerprints=fingerprints, at=now)
    return len(rows)


async def _locked_rows(
    session: AsyncSession, observations: Sequence[Observation]
) -> dict[tuple[str, str], list[_Row]]:
    """Return what is known and could take these; locked in one order, whoever asks."""
    spans: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for one in observations:
        spans[one.source, one.external_id].append(one.at)
    types = {**TROUBLE_TYPES, "first_at": INSTANT, "last_at": INSTANT}
    asked = array_rows(
        "asked", types, [(*name, min(at), max(at) + QUIET_AFTER) for name, at in spans.items()]
    )
    is_asked = and_(
        col(ForeignAlert.source) == asked.c.source,
        col(ForeignAlert.external_id) == asked.c.external_id,
        col(ForeignAlert.started_at) <= asked.c.last_at,
        or_(col(ForeignAlert.ended_at).is_(None), col(ForeignAlert.ended_at) >= asked.c.first_at),
    )
    stored = await session.execute(
        select(PERIODS.c.ended_at, *KEY)
        .join(asked, is_asked)
        .order_by(*KEY)
        .with_for_update(of=ForeignAlert)
    )
    rows: dict[tuple[str, str], list[_Row]] = defaultdict(list)
    for ended_at, source, external_id, started_at in stored:
        rows[source, external_id].append(_Row(started_at, ended_at))
    return rows


async def _note_told_again(
    session: AsyncSession,
    known: Mapping[tuple[str, str], Sequence[_Row]],
    new: Collection[_Key],
    now: datetime,
) -> None:
    again = [
        key
        for name, rows in known.items()
        for row in rows
        if row.is_told_again and (key := (name[0], name[1], row.started_at)) not in new
    ]
    if not again:
        return
    told = array_rows("told", KEY_TYPES, again)
    await session.execute(
        update(ForeignAlert).where(*is_in(told)).values(last_told_at=now),
        execution_options={"synchronize_session": False},
    )


async def _insert(
    session: AsyncSession, *, tenant_id: UUID, new: Mapping[_Key, Observation], now: datetime
) -> set[_Key]:
    """Store the times of new alerts; return those that nobody else had stored meanwhile."""
    rows = array_rows(
        "new",
        {**KEY_TYPES, "ended_at": INSTANT},
        [(*key, _end(one, now)) for key, one in new.items()],
    )
    source = select(literal(tenant_id, Uuid()), *rows.c, literal(now, INSTANT))
    stored = await session.execute(
        postgresql.insert(ForeignAlert)
        .from_select(
            ["tenant_id", *KEY_TYPES, "ended_at", "last_told_at"], source, include_defaults=False
        )
        .on_conflict_do_nothing()
        .returning(*KEY)
    )
    return {(source, name, started_at) for source, name, started_at in stored}


def _alert(observation: Observation, *, ended_at: datetime | None) -> NewAlert:
    return NewAlert(
        fingerprint=f"{observation.source}:{observation.external_id}",
        category=AlertCategory.SECURITY,
        severity=observation.severity,
        title=observation.title,
        description=observation.description,
        agent_id=observation.agent_id,
        source=observation.source,
        opened_at=observation.at,
        resolved_at=ended_at,
    )
