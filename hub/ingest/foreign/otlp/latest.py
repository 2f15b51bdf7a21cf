"""A host's newest figures, put together from what several exports told of one time."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Uuid, any_, cast, literal, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.fleet.array_rows import array_rows
from hub.fleet.models import AgentLatest
from hub.fleet.reports import Figures, FileSystem

# A collector may spread one collection over several requests, so a host's newest figures are put
# together from what came within this time.
_BELONGS_TOGETHER = timedelta(minutes=5)
_NOTHING_YET = datetime(1970, 1, 1, tzinfo=UTC)


async def newest_figures(
    session: AsyncSession, *, tenant_id: UUID, told: Mapping[UUID, Sequence[Figures]]
) -> dict[UUID, Figures]:
    """Return what is newest of each host, with these figures among it; the rows stay locked.

    Store it in the same transaction: a host of which nothing was known has an empty row until then,
    so that two first exports at once do not overlook each other.
    """
    known = await _locked(session, told)
    missing = sorted(told.keys() - known.keys())
    if missing:
        await _add(session, tenant_id=tenant_id, agent_ids=missing)
        known |= await _locked(session, missing)
    newest = {}
    for agent_id, figures in told.items():
        merged = known[agent_id]
        for one in sorted(figures, key=lambda one: one.at):
            merged = _together(merged, one)
        newest[agent_id] = merged
    return newest


async def _locked(session: AsyncSession, agent_ids: Collection[UUID]) -> dict[UUID, Figures]:
    statement = (
        select(AgentLatest)
        .where(col(AgentLatest.agent_id) == any_(literal(sorted(agent_ids), ARRAY(Uuid))))
        .order_by(col(AgentLatest.agent_id))
        .with_for_update()
    )
    rows = await session.scalars(statement, execution_options={"populate_existing": True})
    return {row.agent_id: _figures(row) for row in rows}


async def _add(session: AsyncSession, *, tenant_id: UUID, agent_ids: Sequence[UUID]) -> None:
    told = array_rows("told", {"agent_id": Uuid()}, [(agent_id,) for agent_id in agent_ids])
    rows = select(
        literal(tenant_id, Uuid),
        told.c.agent_id,
        literal(_NOTHING_YET, DateTime(timezone=True)),
        cast(literal("{}"), JSONB),
    )
    await session.execute(
        postgresql.insert(AgentLatest)
        .from_select(["tenant_id", "agent_id", "at", "details"], rows, include_defaults=False)
        .on_conflict_do_nothing()
    )


def _together(one: Figures, other: Figures) -> Figures:
    """Return the newer figures, with what only the older ones tell, if they are of one time."""
    newer, older = (other, one) if other.at >= one.at else (one, other)
    if newer.at - older.at > _BELONGS_TOGETHER:
        return newer
    gaps: dict[str, Any] = {
        field.name: getattr(older, field.name)
        for field in fields(Figures)
        if getattr(newer, field.name) in (None, ())
    }
    gaps |= {} if newer.disks else {"disks": older.disks}
    return replace(newer, **gaps)


def _figures(row: AgentLatest) -> Figures:
    numbers = {
        field.name: getattr(row, field.name)
        for field in fields(Figures)
        if field.name not in {"at", "disks"}
    }
    disks = row.details.get("disks", [])
    assert isinstance(disks, list)  # noqa: S101 - as the landing writes it
    return Figures(at=row.at, disks=[FileSystem(**disk) for disk in disks], **numbers)
