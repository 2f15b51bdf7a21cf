"""Which server a machine is, and which it may become.

* A machine that the tenant knows by its digest is the same server, whatever it is called now. But a
  token made for another name does not rename it: whoever made that did not think of this machine.
* A name that only other tools spoke of, or whose server has no key any more, is taken over.
* A token made for the name of a server that had it already replaces the machine behind it, once
  that is silent. One that was made before, or whose server still reports, replaces nothing.
* Otherwise a name that another machine has is refused. No suffix is invented: two servers of nearly
  the same name would be mistaken for each other.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.errors import Conflict
from hub.fleet.agent_keys import living_key_pinned_at
from hub.fleet.enrolment_tokens import ClaimedToken
from hub.fleet.models import Agent
from hub.fleet.status import ONLINE_WITHIN

_NAME_IS_TAKEN = (
    "Another machine is enrolled under this name. Choose another with `--name`; or, if this"
    " machine replaces that one, use a token made for the name (`monsys agent token NAME`)."
)


class NotYoursError(Exception):
    """Why a machine may not be the server that it asks to be."""


@dataclass(frozen=True, slots=True)
class KnownServer:
    """A server of the tenant that a machine could be."""

    id: UUID
    name: str
    machine_digest: str | None
    is_retired: bool
    last_seen_at: datetime | None


async def server_of(
    session: AsyncSession, *, machine_digest: str, name: str, token: ClaimedToken, now: datetime
) -> KnownServer | None:
    """Return the server that this machine is, or may become, if the tenant has it."""
    statement = select(
        col(Agent.id),
        col(Agent.name),
        col(Agent.machine_digest),
        col(Agent.retired_at),
        col(Agent.last_seen_at),
    ).where(or_(col(Agent.machine_digest) == machine_digest, col(Agent.name) == name))
    known = [
        KnownServer(
            row.id, row.name, row.machine_digest, row.retired_at is not None, row.last_seen_at
        )
        for row in await session.execute(statement)
    ]
    for server in known:
        if server.machine_digest == machine_digest:
            await _check_token_means(session, server, token)
            return server
    if known:
        await _check_may_replace(session, known[0], token, now)
    return known[0] if known else None


async def _check_token_means(
    session: AsyncSession, server: KnownServer, token: ClaimedToken
) -> None:
    """Refuse a token for another server than the one that this machine has been all along."""
    if token.name in {None, server.name}:
        return
    if await living_key_pinned_at(session, agent_id=server.id) is not None:
        raise NotYoursError(
            "This machine is enrolled under another name than the token's. Use a token made for"
            " that name; or, to rename the server, one without a name, and `--name`."
        )


async def _check_may_replace(
    session: AsyncSession, server: KnownServer, token: ClaimedToken, now: datetime
) -> None:
    """Refuse a name that another machine reports under, unless that was to be replaced."""
    pinned_at = await living_key_pinned_at(session, agent_id=server.id)
    if pinned_at is None:
        return
    if token.name != server.name:
        raise NotYoursError(_NAME_IS_TAKEN)
    if token.created_at < pinned_at:
        raise NotYoursError(
            "Another machine enrolled under this name after the token was made. If this machine"
            " replaces that one, make a new token for the name (`monsys agent token NAME`)."
        )
    if now - max(pinned_at, server.last_seen_at or pinned_at) <= ONLINE_WITHIN:
        raise NotYoursError(
            "The machine that is enrolled under this name still reports. Take its agent away"
            " first (`monsys agent uninstall` there), or wait until it was silent for"
            f" {ONLINE_WITHIN.seconds} seconds."
        )


async def name_to_keep(
    session: AsyncSession, *, server: KnownServer, name: str, is_chosen: bool
) -> str:
    """Return what a known machine is called from now on: what it wants, if nobody else is."""
    if server.name == name:
        return name
    taken = await session.scalar(
        select(col(Agent.id)).where(col(Agent.name) == name, col(Agent.id) != server.id)
    )
    if taken is None:
        return name
    if is_chosen:
        raise Conflict(_NAME_IS_TAKEN, field="name")
    return server.name
