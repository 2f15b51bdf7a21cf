"""How a host becomes known: its name, and the plan's limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, case, func, null, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.clock import utc_now
from hub.errors import Conflict
from hub.fleet.agent_names import check_agent_name
from hub.fleet.models import Agent
from hub.fleet.reports import HostIdentity, NewAgent
from hub.tenancy.models import Tenant

_TEXT_COLUMNS = (
    "os_id",
    "os_name",
    "os_version",
    "kernel_release",
    "architecture",
    "agent_version",
)
_LIST_COLUMNS = ("tags", "addresses")
_NUMBER_COLUMNS = ("cpu_count", "memory_bytes")
PLAN_IS_FULL = (
    "The {plan} plan covers {limit} servers, and {number} are enrolled. Whoever runs this hub can"
    " raise the limit by changing the plan (`monsys tenant plan`), or retire a server that is gone;"
    " hosts that are enrolled already keep reporting."
)


async def enroll_agents(
    session: AsyncSession, *, tenant_id: UUID, agents: Sequence[NewAgent]
) -> dict[str, Agent]:
    """Make hosts known, or update those that are; return them by name.

    All or none: when the plan does not cover the new ones, nothing is enrolled.
    """
    wanted = {check_agent_name(agent.name): agent for agent in agents}
    if not wanted:
        return {}
    await check_places(session, await lock_plan(session), names=list(wanted))
    statement = postgresql.insert(Agent)
    upsert = statement.on_conflict_do_update(
        index_elements=["tenant_id", "name"], set_=_told(statement.excluded)
    ).returning(Agent)
    enrolled = await session.scalars(
        upsert,
        [_row(tenant_id, agent) for agent in wanted.values()],
        execution_options={"populate_existing": True},
    )
    return {agent.name: agent for agent in enrolled}


async def enroll_agent(
    session: AsyncSession, *, tenant_id: UUID, name: str, identity: HostIdentity | None = None
) -> Agent:
    """Make one host known, or update it when its name is known already."""
    agent = NewAgent(name=name, identity=identity or HostIdentity())
    return (await enroll_agents(session, tenant_id=tenant_id, agents=[agent]))[name]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the tenant's plan covers."""

    name: str
    server_limit: int


async def lock_plan(session: AsyncSession) -> Plan:
    """Return the plan, and let the tenant's other enrolments wait until this one has ended.

    So two at once cannot both take the last place, nor both find a name free. FOR NO KEY UPDATE:
    rows that only refer to the tenant are written meanwhile.
    """
    row = (
        await session.execute(
            select(col(Tenant.plan), col(Tenant.server_limit)).with_for_update(key_share=True)
        )
    ).one()
    return Plan(row.plan, row.server_limit)


async def check_places(session: AsyncSession, plan: Plan, *, names: Sequence[str]) -> None:
    """Refuse servers of these names when the plan has no place for those of them that are new."""
    known = func.count().filter(col(Agent.name).in_(names))
    statement = select(func.count(), known).select_from(Agent)
    count = (await session.execute(statement.where(col(Agent.retired_at).is_(None)))).one()
    if len(names) > count[1] and count[0] + len(names) - count[1] > plan.server_limit:
        raise Conflict(
            PLAN_IS_FULL.format(plan=plan.name, limit=plan.server_limit, number=count[0]),
            field="name",
        )


def _told(excluded: Any) -> dict[str, ColumnElement[Any]]:
    """Return the assignments of an update that keeps what the host did not tell."""
    texts = {
        name: func.coalesce(func.nullif(excluded[name], ""), getattr(Agent, name))
        for name in _TEXT_COLUMNS
    }
    lists = {
        name: case(
            (func.cardinality(excluded[name]) > 0, excluded[name]), else_=getattr(Agent, name)
        )
        for name in _LIST_COLUMNS
    }
    numbers = {
        name: func.coalesce(excluded[name], getattr(Agent, name)) for name in _NUMBER_COLUMNS
    }
    return {**texts, **lists, **numbers, "retired_at": null()}


def identity_columns(identity: HostIdentity) -> dict[str, Any]:
    """Return the columns that the host told something about."""
    told = {
        name: getattr(identity, name)
        for name in (*_TEXT_COLUMNS, *_LIST_COLUMNS, *_NUMBER_COLUMNS)
        if getattr(identity, name) is not None
    }
    if "tags" in told:
        told["tags"] = sorted(set(told["tags"]))
    if "addresses" in told:
        told["addresses"] = list(told["addresses"])
    return told


def _row(tenant_id: UUID, agent: NewAgent) -> dict[str, Any]:
    blank: dict[str, Any] = dict.fromkeys(_TEXT_COLUMNS, "") | dict.fromkeys(_NUMBER_COLUMNS)
    blank |= {name: [] for name in _LIST_COLUMNS}
    return {
        "tenant_id": tenant_id,
        "id": agent.id or uuid4(),
        "name": agent.name,
        "enrolled_at": agent.enrolled_at or utc_now(),
        **blank,
        **identity_columns(agent.identity),
    }
