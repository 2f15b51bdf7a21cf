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
from sqlalchemy.exc import OperationalError

from hub.clock import hour_of
from hub.fleet.landing_statements import (
    LATE_HOURS,
    LATEST_ALONE,
    LATEST_FIGURES,
    REPORTS_ALONE,
    REPORTS_WITH_SAMPLES,
    SAMPLE_COLUMNS,
    SAMPLE_FIGURES,
    SAMPLES_ALONE,
    SEEN_ALONE,
)
from hub.fleet.partitions import Partitions
from hub.fleet.reports import Figures, Sample, details_of, sample_of
from hub.lean import LOST, LeanTransaction

# Fewer rows than these are not worth a COPY's round trips: they go along in the statement.
COPY_FROM_ROWS = 20


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
    statement = REPORTS_ALONE if is_copied else REPORTS_WITH_SAMPLES
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
        columns = _columns(("agent_id", "at", *SAMPLE_FIGURES), samples)
        await SAMPLES_ALONE.run(transaction, tenant_id=tenant_id, **columns)
    if measured.latest:
        await LATEST_ALONE.run(
            transaction, tenant_id=tenant_id, **_latest_columns(measured.latest, now)
        )
    if measured.seen:
        seen = sorted(set(measured.seen))
        await SEEN_ALONE.run(transaction, tenant_id=tenant_id, now=now, agent_ids=seen)
    await _mark_late(transaction, tenant_id, samples, now)


async def _copy(
    transaction: LeanTransaction, tenant_id: UUID, samples: Sequence[Sample], partitions: Partitions
) -> None:
    if not samples:
        return
    for name, some in (await _by_partition(transaction, samples, partitions)).items():
        try:
            await transaction.connection.copy_records_to_table(
                name, records=[(tenant_id, *sample) for sample in some], columns=SAMPLE_COLUMNS
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
        await LATE_HOURS.run(transaction, tenant_id=tenant_id, **columns)


def _report_columns(reports: Sequence[PlainReport], now: datetime) -> dict[str, list[Any]]:
    names = ("key_digest", "sequence", "identity_digest", "at", *LATEST_FIGURES)
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
    return _columns(("agent_id", "at", *LATEST_FIGURES), rows)


_NO_FIGURES = (None,) * (1 + len(LATEST_FIGURES))


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
