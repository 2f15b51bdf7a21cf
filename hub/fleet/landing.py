"""How measurements land: many reports in few statements, their samples by COPY.

A plain report tells figures and nothing else that is new. Whether its key is still trusted, whether
its sequence was not there before and whether the host is what it was is asked and settled by one
statement for all of them; what that statement leaves out is not landed.

COPY goes into the partitions (migration 0009 tells why), and it knows no ON CONFLICT. So who lands
something catches `UniqueViolation` and lands it again with `is_copied=False`: rare, because the
sequence has sorted out what was sent twice, and a moment measured twice is a host that lost our
answer.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import (
    CTE,
    BigInteger,
    DateTime,
    Float,
    FromClause,
    String,
    Table,
    Text,
    Uuid,
    bindparam,
    cast,
    column,
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.exc import OperationalError
from sqlalchemy.types import TypeEngine

from hub.clock import hour_of
from hub.fleet.metric_models import LateMetricHour
from hub.fleet.models import Agent, AgentKey, AgentLatest, MetricSample
from hub.fleet.partitions import Partitions
from hub.fleet.reports import Figures, Sample, details_of, sample_of
from hub.lean import LOST, LeanTransaction
from hub.prepared import PreparedWrite

_AGENTS: Table = Agent.__table__  # type: ignore[attr-defined]
_KEYS: Table = AgentKey.__table__  # type: ignore[attr-defined]
_LATEST: Table = AgentLatest.__table__  # type: ignore[attr-defined]
_SAMPLES: Table = MetricSample.__table__  # type: ignore[attr-defined]
_LATE_HOURS: Table = LateMetricHour.__table__  # type: ignore[attr-defined]

# Fewer rows than these are not worth a COPY's round trips: they go along in the statement.
COPY_FROM_ROWS = 20

_INSTANT = DateTime(timezone=True)
_SAMPLE_FIGURES: dict[str, TypeEngine[Any]] = dict.fromkeys(Sample._fields[2:], Float())
_LATEST_FIGURES: dict[str, TypeEngine[Any]] = {
    **_SAMPLE_FIGURES,
    "load5": Float(),
    "load15": Float(),
    "details": Text(),
}
_SAMPLE_COLUMNS = ("tenant_id", "agent_id", "at", *_SAMPLE_FIGURES)


class PlainReport(NamedTuple):
    """What an agent measured, under the number and key of its report."""

    key_digest: str
    sequence: int
    figures: Figures | None  # None: a heartbeat
    identity_digest: str | None = None  # of what the host told of itself; None: it told nothing


@dataclass(frozen=True, slots=True)
class Measured:
    """What somebody else measured on hosts of a tenant, such as a collector."""

    samples: Sequence[Sample]
    latest: Mapping[UUID, Figures] = field(default_factory=dict)  # newest figures by agent
    seen: Collection[UUID] = ()  # agents that count as alive because of it


def _told(name: str, types: Mapping[str, TypeEngine[Any]]) -> FromClause:
    """Return rows whose columns travel as one array each; the parameters are the columns' names."""
    arrays = (bindparam(f"{key}s", type_=ARRAY(kind), required=True) for key, kind in types.items())
    columns = (column(key, kind) for key, kind in types.items())
    return func.unnest(*arrays).table_valued(*columns, name=name).render_derived()


_TENANT = bindparam("tenant_id", type_=Uuid(), required=True)
_NOW = bindparam("now", type_=_INSTANT, required=True)
_REPORTS = _told(
    "told",
    {
        "key_digest": String(),
        "sequence": BigInteger(),
        "identity_digest": String(),
        "at": _INSTANT,
        **_LATEST_FIGURES,
    },
)
_ROWS = _told("told", {"agent_id": Uuid(), "at": _INSTANT, **_SAMPLE_FIGURES})
_NEWEST = _told("told", {"agent_id": Uuid(), "at": _INSTANT, **_LATEST_FIGURES})


def _accepted() -> CTE:
    """Move on each key that is trusted, whose sequence is new and whose host is as it was."""
    return (
        update(_KEYS)
        .where(
            _KEYS.c.digest == _REPORTS.c.key_digest,
            _KEYS.c.revoked_at.is_(None),
            _KEYS.c.last_sequence < _REPORTS.c.sequence,
            _REPORTS.c.identity_digest.is_(None)
            | (_KEYS.c.identity_digest == _REPORTS.c.identity_digest),
        )
        .values(last_sequence=_REPORTS.c.sequence)
        .returning(_KEYS.c.digest, _KEYS.c.agent_id)
        .cte("accepted")
    )


def _seen(agents: FromClause) -> CTE:
    """Note that these agents are alive."""
    return (
        update(_AGENTS)
        .where(_AGENTS.c.tenant_id == _TENANT, _AGENTS.c.id == agents.c.agent_id)
        .values(last_seen_at=func.greatest(_AGENTS.c.last_seen_at, _NOW))
        .cte("seen")
    )


def _upsert_latest(agent_id: Any, told: FromClause, source: FromClause) -> CTE:
    """Store what is the newest of each agent, unless what is there is newer."""
    figures = [
        cast(told.c[name], JSONB) if name == "details" else told.c[name] for name in _LATEST_FIGURES
    ]
    rows = (
        select(_TENANT, agent_id, told.c.at, *figures)
        .select_from(source)
        .where(told.c.at.is_not(None))
    )
    statement = postgresql.insert(_LATEST).from_select(
        ["tenant_id", "agent_id", "at", *_LATEST_FIGURES], rows, include_defaults=False
    )
    return statement.on_conflict_do_update(
        index_elements=["tenant_id", "agent_id"],
        set_={name: statement.excluded[name] for name in ("at", *_LATEST_FIGURES)},
        where=_LATEST.c.at <= statement.excluded["at"],
    ).cte("latest")


def _insert_samples(agent_id: Any, told: FromClause, source: FromClause) -> Any:
    rows = (
        select(_TENANT, agent_id, told.c.at, *(told.c[name] for name in _SAMPLE_FIGURES))
        .select_from(source)
        .where(told.c.at.is_not(None))
    )
    statement = postgresql.insert(_SAMPLES).from_select(
        [*_SAMPLE_COLUMNS], rows, include_defaults=False
    )
    return statement.on_conflict_do_nothing()


def _land_reports(*, with_samples: bool) -> PreparedWrite:
    accepted = _accepted()
    source = _REPORTS.join(accepted, accepted.c.digest == _REPORTS.c.key_digest)
    parts = [_seen(accepted), _upsert_latest(accepted.c.agent_id, _REPORTS, source)]
    if with_samples:
        parts.append(_insert_samples(accepted.c.agent_id, _REPORTS, source).cte("samples"))
    return PreparedWrite(select(accepted.c.digest, accepted.c.agent_id).add_cte(*parts))


def _mark_late_hours() -> PreparedWrite:
    told = _told("told", {"agent_id": Uuid(), "at": _INSTANT})
    rows = select(_TENANT, told.c.agent_id, told.c.at)
    statement = postgresql.insert(_LATE_HOURS).from_select(
        ["tenant_id", "agent_id", "at"], rows, include_defaults=False
    )
    return PreparedWrite(statement)


_REPORTS_ALONE = _land_reports(with_samples=False)
_REPORTS_WITH_SAMPLES = _land_reports(with_samples=True)
_SAMPLES_ALONE = PreparedWrite(_insert_samples(_ROWS.c.agent_id, _ROWS, _ROWS))
_LATEST_ALONE = PreparedWrite(
    select(func.count()).add_cte(_upsert_latest(_NEWEST.c.agent_id, _NEWEST, _NEWEST))
)
_SEEN_ALONE = PreparedWrite(
    select(func.count()).add_cte(_seen(_told("told", {"agent_id": Uuid()})))
)
_LATE = _mark_late_hours()


async def land_reports(
    transaction: LeanTransaction,
    *,
    tenant_id: UUID,
    reports: Sequence[PlainReport],
    partitions: Partitions,
    now: datetime,
    is_copied: bool = True,
) -> set[str]:
    """Land these reports, at most one a key; return the keys whose report landed."""
    is_copied = is_copied and len(reports) >= COPY_FROM_ROWS
    statement = _REPORTS_ALONE if is_copied else _REPORTS_WITH_SAMPLES
    ordered = sorted(reports)  # by key: two processes that share keys wait, and do not deadlock
    for moment in {min(report.figures.at, now) for report in ordered if report.figures}:
        await partitions.of(transaction, moment)
    accepted = await statement.run(
        transaction, tenant_id=tenant_id, now=now, **_report_columns(ordered, now)
    )
    agents: dict[str, UUID] = dict(accepted)
    samples = [
        sample_of(agents[report.key_digest], report.figures, not_after=now)
        for report in ordered
        if report.figures is not None and report.key_digest in agents
    ]
    if is_copied:
        await _copy(transaction, tenant_id, samples, partitions)
    await _mark_late(transaction, tenant_id, samples, now)
    return set(agents)


async def land_measured(
    transaction: LeanTransaction,
    *,
    tenant_id: UUID,
    measured: Measured,
    partitions: Partitions,
    now: datetime,
    is_copied: bool = True,
) -> None:
    """Land what others measured; a sample that is there already stays as it is."""
    samples = measured.samples
    if is_copied and len(samples) >= COPY_FROM_ROWS:
        await _copy(transaction, tenant_id, samples, partitions)
    elif samples:
        await _by_partition(transaction, samples, partitions)
        columns = _columns(("agent_id", "at", *_SAMPLE_FIGURES), samples)
        await _SAMPLES_ALONE.run(transaction, tenant_id=tenant_id, **columns)
    if measured.latest:
        await _LATEST_ALONE.run(
            transaction, tenant_id=tenant_id, **_latest_columns(measured.latest, now)
        )
    if measured.seen:
        seen = sorted(set(measured.seen))
        await _SEEN_ALONE.run(transaction, tenant_id=tenant_id, now=now, agent_ids=seen)
    await _mark_late(transaction, tenant_id, samples, now)


async def _copy(
    transaction: LeanTransaction, tenant_id: UUID, samples: Sequence[Sample], partitions: Partitions
) -> None:
    if not samples:
        return
    for name, some in (await _by_partition(transaction, samples, partitions)).items():
        try:
            await transaction.connection.copy_records_to_table(
                name, records=[(tenant_id, *sample) for sample in some], columns=_SAMPLE_COLUMNS
            )
        except LOST as error:
            raise OperationalError("COPY", None, error) from error


async def _by_partition(
    transaction: LeanTransaction, samples: Sequence[Sample], partitions: Partitions
) -> Mapping[str, Sequence[Sample]]:
    """Return which samples go where; as a rule all of them belong to one day."""
    moments = [sample.at for sample in samples]
    first = await partitions.of(transaction, min(moments))
    if first == await partitions.of(transaction, max(moments)):
        return {first: samples}
    parted: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        parted[await partitions.of(transaction, sample.at)].append(sample)
    return parted


async def _mark_late(
    transaction: LeanTransaction, tenant_id: UUID, samples: Sequence[Sample], now: datetime
) -> None:
    """Note the hours that are over and have one sample more: they are to be added up anew."""
    this_hour = hour_of(now)
    late = sorted(
        {(sample.agent_id, hour_of(sample.at)) for sample in samples if sample.at < this_hour}
    )
    if late:
        columns = _columns(("agent_id", "at"), late)
        await _LATE.run(transaction, tenant_id=tenant_id, **columns)


def _report_columns(reports: Sequence[PlainReport], now: datetime) -> dict[str, list[Any]]:
    names = ("key_digest", "sequence", "identity_digest", "at", *_LATEST_FIGURES)
    rows = (
        (
            report.key_digest,
            report.sequence,
            report.identity_digest,
            *_latest_row(report.figures, now),
        )
        for report in reports
    )
    return _columns(names, rows)


def _latest_columns(latest: Mapping[UUID, Figures], now: datetime) -> dict[str, list[Any]]:
    rows = ((agent_id, *_latest_row(latest[agent_id], now)) for agent_id in sorted(latest))
    return _columns(("agent_id", "at", *_LATEST_FIGURES), rows)


_NO_FIGURES = (None,) * (1 + len(_LATEST_FIGURES))


def _latest_row(figures: Figures | None, now: datetime) -> tuple[Any, ...]:
    if figures is None:
        return _NO_FIGURES
    return (
        min(figures.at, now),
        figures.cpu_percent,
        figures.memory_percent,
        figures.disk_percent,
        figures.load1,
        figures.rx_mbps,
        figures.tx_mbps,
        figures.load5,
        figures.load15,
        orjson.dumps(details_of(figures)).decode(),
    )


def _columns(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, list[Any]]:
    """Return one list a column, under the names of the parameters."""
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return {f"{name}s": list(values) for name, values in zip(names, columns, strict=True)}
