"""Reads of the fleet. Each function is one SQL statement."""

from contextlib import suppress
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.errors import NotFound
from hub.fleet.models import Agent


async def agent_id_of(session: AsyncSession, name_or_id: str) -> UUID:
    """Return the id of the agent that has this name or id; raise NotFound when none does."""
    matches = [col(Agent.name) == name_or_id]
    with suppress(ValueError):  # a name, then
        matches.append(col(Agent.id) == UUID(name_or_id))
    agent_id = await session.scalar(select(col(Agent.id)).where(or_(*matches)).limit(1))
    if agent_id is None:
        raise NotFound(
            "No agent has this name or id; monsys_list_agents shows the names.", field="agent"
        )
    return agent_id
