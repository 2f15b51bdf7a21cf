"""Whether a host listens on a public address: a vulnerability there can be reached by strangers."""

import ipaddress
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.fleet.models import Agent
from hub.vulnerabilities.matching_models import AgentInventory
from hub.vulnerabilities.models import Finding
from hub.vulnerabilities.summaries import UNFIXED, SummaryKey, refresh_summaries


def listens_publicly(listening: Iterable[str], addresses: Iterable[str]) -> bool:
    """Tell whether a socket accepts strangers: bound to a public address, or to all of them.

    Sockets bound to all addresses are public where the host has a public one.
    """
    sockets = [found for text in listening if (found := _address(text)) is not None]
    has_public = any(found.is_global for text in addresses if (found := _address(text)))
    return any(socket.is_global or (socket.is_unspecified and has_public) for socket in sockets)


async def note_exposure(
    session: AsyncSession, *, tenant_id: UUID, agent_id: UUID, listening: Iterable[str]
) -> None:
    """Remember whether the agent listens publicly; what it has counts as exposed then."""
    addresses = await session.scalar(select(col(Agent.addresses)).where(col(Agent.id) == agent_id))
    is_public = listens_publicly(listening, addresses or ())
    changed = await session.scalar(
        update(AgentInventory)
        .values(listens_publicly=is_public)
        .where(
            col(AgentInventory.agent_id) == agent_id,
            col(AgentInventory.listens_publicly).is_distinct_from(is_public),
        )
        .returning(col(AgentInventory.agent_id)),
        execution_options={"synchronize_session": False},
    )
    if changed is None:
        return
    rows = await session.execute(
        select(
            col(Finding.kind),
            col(Finding.advisory_id),
            col(Finding.package_name),
            col(Finding.ecosystem),
        ).where(col(Finding.agent_id) == agent_id, col(Finding.state).in_(UNFIXED))
    )
    keys = {SummaryKey.of(*row) for row in rows}
    if keys:
        await refresh_summaries(session, tenant_id=tenant_id, keys=keys)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
