"""The counters of exporters between their exports: locked while an export is compared with them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from sqlalchemy import (
    DateTime,
    String,
    Text,
    Uuid,
    any_,
    cast,
    delete,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine
from sqlmodel import col

from hub.fleet.array_rows import array_rows
from hub.ingest.foreign.models import MetricCounter
from hub.ingest.foreign.otlp.counters import Counters

# An SDK is another exporter after each restart; what it was before counts no more.
FORGET_AFTER = timedelta(days=1)
# So many of one host are kept, the newest: a sender that is a new exporter each time must not
# fill the disk within a day.
MAX_STREAMS = 100
_STREAM_TYPES: dict[str, TypeEngine[Any]] = {"agent_id": Uuid(), "stream": String()}


class Stream(NamedTuple):
    """What one exporter tells of one host."""

    agent_id: UUID
    name: str  # the digest of who exports


async def lock_counters(
    session: AsyncSession, *, tenant_id: UUID, streams: Collection[Stream], now: datetime
) -> dict[Stream, Counters]:
    """Return the counters of these streams; until the end nobody else compares with them.

    A new stream gets its row first: of two first exports at once, both would find nothing to wait
    for, and the older one could replace the newer.
    """
    wanted = sorted(streams)
    counters = await _locked(session, wanted)
    missing = [stream for stream in wanted if stream not in counters]
    if missing:
        await _add(session, tenant_id=tenant_id, streams=missing, now=now)
        counters |= await _locked(session, missing)
    return counters


async def keep_counters(
    session: AsyncSession, *, counters: Mapping[Stream, Counters], now: datetime
) -> None:
    """Store where the counters of these streams stand; their rows are there and locked."""
    if not counters:
        return
    told = array_rows(
        "told",
        {**_STREAM_TYPES, "series": Text()},
        [(*stream, orjson.dumps(counters[stream].stored()).decode()) for stream in counters],
    )
    await session.execute(
        update(MetricCounter)
        .where(
            col(MetricCounter.agent_id) == told.c.agent_id,
            col(MetricCounter.stream) == told.c.stream,
        )
        .values(at=now, series=cast(told.c.series, JSONB)),
        execution_options={"synchronize_session": False},
    )


async def forget_counters(
    session: AsyncSession, *, agent_ids: Collection[UUID], now: datetime
) -> None:
    """Let go of streams of these hosts that ended, and of what is more than a host may have."""
    if not agent_ids:
        return
    agent, stream = col(MetricCounter.agent_id), col(MetricCounter.stream)
    order = (col(MetricCounter.at).desc(), stream)
    place = func.row_number().over(partition_by=agent, order_by=order)
    ranked = (
        select(agent.label("agent_id"), stream.label("stream"), place.label("place"))
        .where(agent == any_(literal(sorted(agent_ids), ARRAY(Uuid))))
        .subquery()
    )
    unwanted = (
        select(agent, stream)
        .join(ranked, (ranked.c.agent_id == agent) & (ranked.c.stream == stream))
        .where(
            or_(col(MetricCounter.at) < now - FORGET_AFTER, ranked.c.place > MAX_STREAMS),
        )
        # What another export compares with is in use; waiting for it could be waiting in a ring.
        .with_for_update(of=MetricCounter, skip_locked=True)
    )
    await session.execute(
        delete(MetricCounter).where(tuple_(agent, stream).in_(unwanted)),
        execution_options={"synchronize_session": False},
    )


async def _locked(session: AsyncSession, streams: Sequence[Stream]) -> dict[Stream, Counters]:
    if not streams:
        return {}
    told = array_rows("told", _STREAM_TYPES, streams)
    columns = (col(MetricCounter.agent_id), col(MetricCounter.stream))
    rows = await session.execute(
        select(*columns, col(MetricCounter.series))
        .join(told, (columns[0] == told.c.agent_id) & (columns[1] == told.c.stream))
        .order_by(*columns)  # two exports about the same hosts lock them in one order
        .with_for_update(of=MetricCounter)
    )
    return {Stream(agent_id, name): Counters.of(series) for agent_id, name, series in rows}


async def _add(
    session: AsyncSession, *, tenant_id: UUID, streams: Sequence[Stream], now: datetime
) -> None:
    told = array_rows("told", _STREAM_TYPES, streams)
    rows = select(
        literal(tenant_id, Uuid),
        *told.c,
        literal(now, DateTime(timezone=True)),
        cast(literal("{}"), JSONB),
    )
    await session.execute(
        postgresql.insert(MetricCounter)
        .from_select(
            ["tenant_id", "agent_id", "stream", "at", "series"], rows, include_defaults=False
        )
        .on_conflict_do_nothing()
    )
