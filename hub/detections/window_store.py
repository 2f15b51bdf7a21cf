"""Windows in the database: those that sightings may fall into, and how they stand afterwards."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Text, and_, delete, or_, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine
from sqlmodel import col

from hub.detections.intake_models import DetectionWindow
from hub.detections.models import RuleKind
from hub.detections.windows import Key, Window
from hub.fleet.array_rows import array_rows

_WINDOWS = DetectionWindow.__table__  # type: ignore[attr-defined]
_REACH: dict[str, TypeEngine[Any]] = {
    "rule_kind": Text(),
    "subject": Text(),
    "since": DateTime(timezone=True),
    "until": DateTime(timezone=True),
}
_CHANGING = (
    "started_at",
    "ended_at",
    "sighting_count",
    "worst_rank",
    "users",
    "addresses",
    "processes",
    "is_closed",
    "detection_id",
)


async def windows_within(
    session: AsyncSession,
    *,
    agent_id: UUID,
    reaches: Iterable[tuple[Key, datetime, datetime]],
) -> dict[Key, list[Window]]:
    """Return, for each key, the windows that touch the time from and to which is asked."""
    asked = array_rows(
        "asked",
        _REACH,
        [(key.rule_kind.value, key.subject, since, until) for key, since, until in reaches],
    )
    rows = await session.execute(
        select(*(column for column in _WINDOWS.c if column.name not in {"tenant_id", "agent_id"}))
        .join(
            asked,
            and_(
                _WINDOWS.c.rule_kind == asked.c.rule_kind,
                _WINDOWS.c.subject == asked.c.subject,
                _WINDOWS.c.ended_at >= asked.c.since,
                _WINDOWS.c.started_at <= asked.c.until,
            ),
        )
        .where(_WINDOWS.c.agent_id == agent_id)
    )
    by_key: dict[Key, list[Window]] = defaultdict(list)
    for row in rows:
        window = _window(row)
        by_key[window.key].append(window)
    return by_key


def _window(row: Any) -> Window:
    return Window(
        key=Key(RuleKind(row.rule_kind), row.subject),
        started_at=row.started_at,
        ended_at=row.ended_at,
        id=row.id,
        count=row.sighting_count,
        rank=row.worst_rank,
        users=tuple(row.users),
        addresses=tuple(row.addresses),
        processes=tuple(row.processes),
        is_closed=row.is_closed,
        detection_id=row.detection_id,
        is_stored=True,
    )


async def save_windows(
    session: AsyncSession, *, tenant_id: UUID, agent_id: UUID, windows: Sequence[Window]
) -> None:
    """Store windows as they now are, those that are new and those that changed."""
    insert = postgresql.insert(_WINDOWS)
    await session.execute(
        insert.on_conflict_do_update(
            index_elements=["tenant_id", "id"],
            set_={name: insert.excluded[name] for name in _CHANGING},
        ),
        [_row(tenant_id, agent_id, window) for window in windows],
    )


def _row(tenant_id: UUID, agent_id: UUID, window: Window) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "id": window.id,
        "agent_id": agent_id,
        "rule_kind": window.key.rule_kind,
        "subject": window.key.subject,
        "started_at": window.started_at,
        "ended_at": window.ended_at,
        "sighting_count": window.count,
        "worst_rank": window.rank,
        "users": list(window.users),
        "addresses": list(window.addresses),
        "processes": list(window.processes),
        "is_closed": window.is_closed,
        "detection_id": window.detection_id,
    }


async def delete_windows(session: AsyncSession, ids: Collection[UUID]) -> None:
    """Delete windows that became part of others."""
    await session.execute(
        delete(DetectionWindow).where(col(DetectionWindow.id).in_(ids)),
        execution_options={"synchronize_session": False},
    )


async def forget_windows(session: AsyncSession, *, before: datetime, idle_before: datetime) -> None:
    """Delete windows that are over, and sooner those that were never enough for a detection."""
    never_enough = and_(
        col(DetectionWindow.detection_id).is_(None), col(DetectionWindow.ended_at) < idle_before
    )
    await session.execute(
        delete(DetectionWindow).where(or_(col(DetectionWindow.ended_at) < before, never_enough)),
        execution_options={"synchronize_session": False},
    )
