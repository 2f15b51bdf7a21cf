"""The partitions of the metric history: made ahead, found by their moment, dropped when old.

The hub's role owns nothing, so functions of the schema's owner make and drop them.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import DateTime, Text, bindparam, column, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from hub.prepared import PreparedRead, Transaction

# A report may be a week old, and a hub that was off for a month still has where to put things.
DAYS_BACK, DAYS_AHEAD = 8, 30


class Partition(NamedTuple):
    """One partition: its table, and the samples that belong there."""

    since: datetime
    until: datetime
    name: str


_LISTED = func.monsys_metric_partitions().table_valued(
    column("name", Text()),
    column("since", DateTime(timezone=True)),
    column("until", DateTime(timezone=True)),
    name="listed",
)
_PARTITIONS = PreparedRead(
    select(_LISTED.c.since, _LISTED.c.until, _LISTED.c.name).order_by(_LISTED.c.since)
)
_MAKE = PreparedRead(
    select(
        func.monsys_make_metric_partitions(
            bindparam("first_day", required=True), bindparam("last_day", required=True)
        )
    )
)


class Partitions:
    """Where samples go, as this process last read it; what is missing is made."""

    def __init__(self) -> None:
        self._known: Sequence[Partition] = ()

    def forget(self) -> None:
        """Read them again before the next use: one of them is gone."""
        self._known = ()

    async def of(self, transaction: Transaction, at: datetime) -> str:
        """Return the table for a sample of this moment; one that is missing is made."""
        return _find(self._known, at) or await self._made(transaction, at)

    async def _made(self, transaction: Transaction, at: datetime) -> str:
        self._known = await _listed(transaction)
        found = _find(self._known, at)
        if found is None:
            day = at.astimezone(UTC).date()
            await _MAKE.run(transaction, first_day=day, last_day=day)
            # Not remembered: should this transaction fail, what it made was never there.
            found = _find(await _listed(transaction), at)
        if found is None:
            raise RuntimeError("the partition was made and is not there")
        return found


async def _listed(transaction: Transaction) -> Sequence[Partition]:
    return [Partition(*row) for row in await _PARTITIONS.rows(transaction)]


def _find(partitions: Sequence[Partition], at: datetime) -> str | None:
    place = bisect_right(partitions, at, key=lambda partition: partition.since) - 1
    if place < 0 or at >= partitions[place].until:
        return None
    return partitions[place].name


async def ensure_metric_partitions(
    session: AsyncSession, *, first_day: date, last_day: date
) -> int:
    """Make the days' partitions that are missing between two days; return how many it made."""
    made = await session.scalar(select(func.monsys_make_metric_partitions(first_day, last_day)))
    return int(made or 0)


async def make_partitions_ahead(session: AsyncSession, *, today: date) -> int:
    """Make what the coming weeks need, and what late reports do; return how many it made."""
    return await ensure_metric_partitions(
        session,
        first_day=today - timedelta(days=DAYS_BACK),
        last_day=today + timedelta(days=DAYS_AHEAD),
    )


async def drop_metric_partitions(session: AsyncSession, *, before: date) -> int:
    """Let go of the samples of the days before this one; return how many partitions that were."""
    dropped = await session.scalar(select(func.monsys_drop_metric_partitions(before)))
    return int(dropped or 0)
