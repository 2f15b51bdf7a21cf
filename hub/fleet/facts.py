"""What hosts are beyond their figures and packages: kept as it was told last."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Text, Uuid, case, cast, literal, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.fleet.array_rows import array_rows
from hub.fleet.fact_models import FactKind, HostFact

type Items = Sequence[Mapping[str, object]]

_FACTS = HostFact.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one kind of one host."""

    items: list[dict[str, Any]]
    observed_at: datetime
    changed_at: datetime


async def take_facts(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    agent_id: UUID,
    facts: Mapping[FactKind, Items],
    at: datetime,
) -> None:
    """Keep these facts in place of those that the host told before; other kinds stay.

    What was measured before the facts that are known does not replace them: reports that waited on
    a host's disk arrive late.
    """
    if not facts:
        return
    # As text: a list in an array would be taken for one more dimension of the array.
    rows = [(kind.value, json.dumps(list(items))) for kind, items in sorted(facts.items())]
    told = array_rows("told", {"kind": Text(), "items": Text()}, rows)
    moment = literal(at, DateTime(timezone=True))
    insert = postgresql.insert(HostFact).from_select(
        ["tenant_id", "agent_id", "kind", "items", "observed_at", "changed_at"],
        select(
            literal(tenant_id, Uuid), literal(agent_id, Uuid), told.c.kind,
            cast(told.c["items"], JSONB), moment, moment,
        ),
        include_defaults=False,
    )  # fmt: skip
    new = insert.excluded
    upsert = insert.on_conflict_do_update(
        index_elements=[_FACTS.c.tenant_id, _FACTS.c.agent_id, _FACTS.c.kind],
        set_={
            "items": new["items"],
            "observed_at": new.observed_at,
            "changed_at": case(
                (_FACTS.c["items"] == new["items"], _FACTS.c.changed_at), else_=new.changed_at
            ),
        },
        where=_FACTS.c.observed_at <= new.observed_at,
    )
    await session.execute(upsert)


async def facts_by_agent(
    session: AsyncSession, agent_ids: Collection[UUID]
) -> dict[UUID, dict[FactKind, Facts]]:
    """Return what is known of each of these hosts, by kind."""
    rows = await session.execute(
        select(
            col(HostFact.agent_id),
            col(HostFact.kind),
            _FACTS.c["items"],
            col(HostFact.observed_at),
            col(HostFact.changed_at),
        ).where(col(HostFact.agent_id).in_(agent_ids))
    )
    found: dict[UUID, dict[FactKind, Facts]] = {}
    for agent_id, kind, items, observed_at, changed_at in rows:
        found.setdefault(agent_id, {})[kind] = Facts(items, observed_at, changed_at)
    return found
