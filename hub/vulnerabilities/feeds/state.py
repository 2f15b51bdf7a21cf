"""What is remembered of feeds: how fresh they are, and what still has to be matched."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Text, any_, delete, func, literal, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.database import Database
from hub.fleet.array_rows import array_rows
from hub.vulnerabilities.matching_models import FeedState, StaleGroup
from hub.vulnerabilities.rematching import EVERYBODY, rematch_everywhere

MAX_GROUPS_AT_ONCE = 5_000


async def feed_states(session: AsyncSession) -> list[FeedState]:
    """Return all feeds, by name."""
    return list(await session.scalars(select(FeedState).order_by(col(FeedState.name))))


async def etag_of(session: AsyncSession, *, name: str) -> str:
    """Return the entity tag with which a feed was stored last."""
    etag = await session.scalar(select(col(FeedState.etag)).where(col(FeedState.name) == name))
    return etag or ""


async def note_success(
    session: AsyncSession, *, name: str, checked_at: datetime, **facts: Any
) -> None:
    """Remember that a feed was brought up to date; facts left out stay as they were."""
    statement = postgresql.insert(FeedState.__table__)  # type: ignore[attr-defined]
    told = {"checked_at": checked_at, **facts}
    updated: dict[str, Any] = dict(told)
    if "as_of" in told:  # an archive of old records makes the feed no older
        updated["as_of"] = func.greatest(col(FeedState.as_of), told["as_of"])
    await session.execute(
        statement.values(name=name, **told).on_conflict_do_update(
            index_elements=["name"], set_=updated
        )
    )


async def mark_stale(session: AsyncSession, *, moved: Mapping[str, str]) -> None:
    """Remember which groups changed, in the transaction that changed them.

    Whoever is killed before the hosts were matched leaves the rest to the next run.
    """
    if not moved:
        return
    told = array_rows("told", {"former_id": Text(), "group_id": Text()}, sorted(moved.items()))
    statement = postgresql.insert(StaleGroup).from_select(
        ["former_id", "group_id"], select(*told.c), include_defaults=False
    )
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["former_id"], set_={"group_id": statement.excluded.group_id}
        )
    )


async def match_stale_groups(database: Database, *, at: datetime) -> int:
    """Match what changed in every tenant; return how many findings changed."""
    changed = 0
    while moved := await _stale(database):
        changed += await rematch_everywhere(database, moved=moved, at=at)
        async with database.transaction(presented=EVERYBODY) as session:
            done = literal(sorted(moved), ARRAY(Text))
            await session.execute(delete(StaleGroup).where(col(StaleGroup.former_id) == any_(done)))
    return changed


async def _stale(database: Database) -> dict[str, str]:
    async with database.transaction(presented=EVERYBODY) as session:
        rows = await session.execute(
            select(col(StaleGroup.former_id), col(StaleGroup.group_id))
            .order_by(col(StaleGroup.former_id))
            .limit(MAX_GROUPS_AT_ONCE)
        )
        return {row.former_id: row.group_id for row in rows}
