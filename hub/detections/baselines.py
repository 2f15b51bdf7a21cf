"""What a host is known to do, for rules about what is new; and who takes a host's events now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Text, Uuid, and_, delete, func, literal, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine
from sqlmodel import col

from hub.detections.intake_models import DetectionBaseline, DetectionIntake
from hub.detections.models import RuleKind
from hub.detections.windows import Key
from hub.fleet.array_rows import array_rows

_BASELINES = DetectionBaseline.__table__  # type: ignore[attr-defined]
_INTAKES = DetectionIntake.__table__  # type: ignore[attr-defined]
_TYPES: dict[str, TypeEngine[Any]] = {
    "rule_kind": Text(),
    "subject": Text(),
    "first_seen_at": DateTime(timezone=True),
    "last_seen_at": DateTime(timezone=True),
}


@dataclass(frozen=True, slots=True)
class Span:
    """When something was seen first and last."""

    first: datetime
    last: datetime


async def take_turn(
    session: AsyncSession, *, tenant_id: UUID, agent_ids: Iterable[UUID], now: datetime
) -> dict[UUID, datetime]:
    """Lock hosts until the transaction ends; return since when the events of each are taken.

    In the order of their ids, so that two takers of several hosts cannot wait for each other.
    """
    insert = postgresql.insert(_INTAKES).values(
        [
            {
                "tenant_id": tenant_id,
                "agent_id": agent_id,
                "started_at": now,
                "last_taken_at": now,
            }
            for agent_id in sorted(set(agent_ids))
        ]
    )
    rows = await session.execute(
        insert.on_conflict_do_update(
            index_elements=["tenant_id", "agent_id"],
            set_={"last_taken_at": func.greatest(_INTAKES.c.last_taken_at, now)},
        ).returning(_INTAKES.c.agent_id, _INTAKES.c.started_at)
    )
    return {row.agent_id: row.started_at for row in rows}


async def known_subjects(session: AsyncSession, *, agent_id: UUID, keys: Iterable[Key]) -> set[Key]:
    """Return which of these the host is known for."""
    asked = array_rows(
        "asked",
        {"rule_kind": Text(), "subject": Text()},
        [(key.rule_kind.value, key.subject) for key in keys],
    )
    rows = await session.execute(
        select(_BASELINES.c.rule_kind, _BASELINES.c.subject)
        .join(
            asked,
            and_(
                _BASELINES.c.rule_kind == asked.c.rule_kind,
                _BASELINES.c.subject == asked.c.subject,
            ),
        )
        .where(_BASELINES.c.agent_id == agent_id)
    )
    return {Key(RuleKind(rule_kind), subject) for rule_kind, subject in rows}


async def note_subjects(
    session: AsyncSession, *, tenant_id: UUID, agent_id: UUID, spans: Mapping[Key, Span]
) -> None:
    """Note what a host did, so that it is known for it."""
    rows = array_rows(
        "spans",
        _TYPES,
        [(key.rule_kind.value, key.subject, span.first, span.last) for key, span in spans.items()],
    )
    source = select(
        literal(tenant_id, Uuid()), literal(agent_id, Uuid()), *(rows.c[name] for name in _TYPES)
    )
    insert = postgresql.insert(_BASELINES).from_select(["tenant_id", "agent_id", *_TYPES], source)
    await session.execute(
        insert.on_conflict_do_update(
            index_elements=["tenant_id", "agent_id", "rule_kind", "subject"],
            set_={
                "first_seen_at": func.least(
                    _BASELINES.c.first_seen_at, insert.excluded.first_seen_at
                ),
                "last_seen_at": func.greatest(
                    _BASELINES.c.last_seen_at, insert.excluded.last_seen_at
                ),
            },
        )
    )


async def forget_subjects(session: AsyncSession, *, before: datetime) -> None:
    """Delete what hosts have not done since then: done again, it is new."""
    await session.execute(
        delete(DetectionBaseline).where(col(DetectionBaseline.last_seen_at) < before),
        execution_options={"synchronize_session": False},
    )
