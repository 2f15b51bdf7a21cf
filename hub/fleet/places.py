"""The places of a tenant's plan, as its people see them. Each function is one SQL statement."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.fleet.models import Agent
from hub.fleet.status import is_in_service
from hub.tenancy.models import Tenant


@dataclass(frozen=True, slots=True)
class Places:
    """How many servers the plan covers, and how many of these places are taken."""

    plan: str
    limit: int
    taken: int

    @property
    def is_full(self) -> bool:
        """Whether a server that is new would be refused."""
        return self.taken >= self.limit


async def plan_places(session: AsyncSession, *, tenant_id: UUID) -> Places:
    """Return the places. Nothing is locked: enrolment counts for itself."""
    taken = select(func.count()).select_from(Agent).where(is_in_service()).scalar_subquery()
    statement = select(col(Tenant.plan), col(Tenant.server_limit), taken)
    row = (await session.execute(statement.where(col(Tenant.id) == tenant_id))).one()
    return Places(*row)


async def without_agent(session: AsyncSession, agent_ids: Collection[UUID]) -> set[UUID]:
    """Return those of these hosts that are only known from what other tools say about them."""
    statement = select(col(Agent.id)).where(
        col(Agent.id).in_(agent_ids), col(Agent.is_enrolled).is_(False)
    )
    return set(await session.scalars(statement))
