"""How measurements land: many reports in few statements, their samples by COPY.

A plain report tells figures and nothing else that is new. Whether its key is still trusted, whether
its sequence was not there before and whether the host is what it was is asked and settled by one
statement for all of them; what that statement leaves out is not landed.

COPY goes into the partitions (migration 0009 tells why), and it knows no ON CONFLICT. So who lands
reports catches `UniqueViolation` and lands them again with `is_copied=False`: rare, because the
sequence has sorted out what was sent twice, and a moment measured twice is a host that lost our
answer. What others measured (`land_measured`) comes with more that its transaction stores, such as
the counters that its rates were computed from; so there a savepoint is enough.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import batched
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy.exc import OperationalError

from hub.clock import hour_of
from hub.fleet.landing_statements import (
    LATE_HOURS,
    LATEST_AND_SEEN,
    LATEST_FIGURES,
    REPORTS_ALONE,
    REPORTS_WITH_SAMPLES,
    SAMPLE_COLUMNS,
    SAMPLE_FIGURES,
    SAMPLES_ALONE,
)
from hub.fleet.partitions import Partitions
from hub.fleet.reports import Figures, Sample, details_of, sample_of
from hub.lean import LOST, LeanTransaction

# Fewer rows than these are not worth a COPY's round trips: they go along in the statement.
COPY_FROM_ROWS = 20
_INSERTED_AT_ONCE = 20_000
# A moment that is there already, and a partition that retention let go of.
_ANOTHER_WAY = (asyncpg.UniqueViolationError, asyncpg.UndefinedTableError)


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
        samples.sort(key=lambda sample: (sample.agent_id.int, sample.at))
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
) -> None:
    """Land what others measured; a sample that is there already stays as it is.

    What else the transaction did stays part of it, whichever way the samples take.
    """
    # Of two for one moment the first counts. In order, so that two transactions which land the
    # same wait for each other, and not both at once.
    # Numbers compare in a tenth of the time that ids do.
    once = {(sample.agent_id.int, sample.at): sample for sample in reversed(measured.samples)}
    samples = [once[moment] for moment in sorted(once)]
    if len(samples) < COPY_FROM_ROWS or not await _copied(
        transaction, tenant_id, samples, partitions
    ):
        await _inserted(transaction, tenant_id, samples, partitions)
    if measured.latest:
        await LATEST_AND_SEEN.run(
            transaction, tenant_id=tenant_id, **_latest_columns(measured.latest, now)
        )
    await _mark_late(transaction, tenant_id, samples, now)


async def _copied(
    transaction: LeanTransaction, tenant_id: UUID, samples: Sequence[Sample], partitions: Partitions
) -> bool:
    """Copy the samples; copy none and say so when COPY cannot, and it takes another way."""
    await _execute(transaction, "SAVEPOINT copied")
    try:
        await _copy(transaction, tenant_id, samples, partitions)
    except OperationalError as error:
        if not isinstance(error.orig, _ANOTHER_WAY):
            raise
        await _execute(transaction, "ROLLBACK TO SAVEPOINT copied")
        if isinstance(error.orig, asyncpg.UndefinedTableError):
            partitions.forget()
        return False
    await _execute(transaction, "RELEASE SAVEPOINT copied")
    return True


async def _inserted(
    transaction: LeanTransaction, tenant_id: UUID, samples: Sequence[Sample], partitions: Partitions
) -> None:
    for some in batched(samples, _INSERTED_AT_ONCE):
        await _by_partition(transaction, some, partitions)
        columns = _columns(("agent_id", "at", *SAMPLE_FIGURES), some)
        await SAMPLES_ALONE.run(transaction, tenant_id=tenant_id, **columns)


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


async def _execute(transaction: LeanTransaction, statement: str) -> None:
    try:
        await transaction.connection.execute(statement)
    except LOST as error:
        raise OperationalError(statement, None, error) from error


async def _by_partition(
    transaction: LeanTransaction, samples: Sequence[Sample], partitions: Partitions
) -> Mapping[str, Sequence[Sample]]:
    """Return which samples go where; as a rule all of them belong to one day."""
    moments = [sample.at for sample in samples]
    first = await partitions.of(transaction, min(moments))
    if first == await partitions.of(transaction, max(moments)):
        return {first: samples}
    by_day: dict[date, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_day[sample.at.astimezone(UTC).date()].append(sample)
    parted: dict[str, list[Sample]] = defaultdict(list)
    for day in sorted(by_day):
        parted[await partitions.of(transaction, by_day[day][0].at)] += by_day[day]
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
    ordered = sorted(latest, key=lambda agent_id: agent_id.int)
    rows = ((agent_id, *_latest_row(latest[agent_id], now)) for agent_id in ordered)
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
