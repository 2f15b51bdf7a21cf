"""A machine enrols: the token is used up, the machine becomes a server, its key is pinned.

Who a machine is:

* A machine that the tenant knows by its digest is the same server, whatever it is called now.
* A name that only other tools spoke of, or whose server has no key any more, is taken over.
* A token made for a name gives that name to whichever machine shows it: a server was replaced.
* Otherwise a name that another machine has is refused. No suffix is invented: two servers of nearly
  the same name would be mistaken for each other.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.errors import Conflict, Unauthenticated
from hub.fleet.agent_keys import has_living_key, pin_key
from hub.fleet.agent_names import check_agent_name
from hub.fleet.enrollment import check_places, lock_plan
from hub.fleet.enrolment_tokens import ClaimedToken, claim_token, note_user_of_token
from hub.fleet.models import Agent, AgentKey, EnrolmentToken
from hub.fleet.signatures import public_key_digest
from hub.principal import PrincipalKind


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine that wants to enrol says of itself, its signature checked already."""

    host_name: str
    chosen_name: str | None  # what the person who enrols it wants it to be called
    digest: str
    public_key: bytes
    sequence: int
    agent_version: str = ""


@dataclass(frozen=True, slots=True)
class EnrolledMachine:
    """The server that the machine now is."""

    agent_id: UUID
    name: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Known:
    id: UUID
    name: str
    machine_digest: str | None
    is_retired: bool


async def enrol_machine(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    token_digest: str,
    machine: Machine,
    now: datetime,
) -> EnrolledMachine:
    """Enrol the machine, all of it or nothing: when it is refused, the token stays good."""
    try:
        token = await claim_token(session, digest=token_digest, now=now)
    except Unauthenticated:
        # The machine may ask again because it never heard the answer.
        key_digest = public_key_digest(machine.public_key)
        before = await _enrolled_before(session, token_digest=token_digest, key_digest=key_digest)
        if before is None:
            raise
        return before
    name = _wanted_name(token, machine)
    # From here on the enrolments of one tenant take turns.
    plan = await lock_plan(session)
    server = await _server_of(session, machine=machine, name=name, token=token)
    if server is None or server.is_retired:
        # Under its own name: the one that it wants may be that of a server which has a place.
        await check_places(session, plan, names=[name if server is None else server.name])
    if server is None:
        enrolled = EnrolledMachine(uuid4(), name, is_new=True)
        await _insert(session, tenant_id, enrolled, machine=machine, token=token, now=now)
    else:
        kept = await _name_to_keep(session, server=server, name=name, machine=machine, token=token)
        enrolled = EnrolledMachine(server.id, kept, is_new=False)
        await _update(session, enrolled, machine, token)
    await pin_key(
        session,
        tenant_id=tenant_id,
        agent_id=enrolled.agent_id,
        public_key=machine.public_key,
        sequence=machine.sequence,
        now=now,
    )
    await note_user_of_token(session, digest=token.digest, agent_id=enrolled.agent_id)
    event = _event(enrolled, token)
    await append_events(session, tenant_id=tenant_id, events=[event], at=now)
    return enrolled


async def _enrolled_before(
    session: AsyncSession, *, token_digest: str, key_digest: str
) -> EnrolledMachine | None:
    """Return the server whose living key used this very token."""
    statement = (
        select(col(Agent.id), col(Agent.name))
        .join(EnrolmentToken, col(EnrolmentToken.agent_id) == col(Agent.id))
        .join(AgentKey, col(AgentKey.agent_id) == col(Agent.id))
        .where(
            col(EnrolmentToken.digest) == token_digest,
            col(AgentKey.digest) == key_digest,
            col(AgentKey.revoked_at).is_(None),
        )
    )
    row = (await session.execute(statement)).one_or_none()
    return EnrolledMachine(row.id, row.name, is_new=False) if row else None


def _wanted_name(token: ClaimedToken, machine: Machine) -> str:
    if token.name and machine.chosen_name not in {None, token.name}:
        raise Conflict(
            "This enrolment token is for a server of another name. Leave `--name` out to take the"
            " token's, or make a token without a name.",
            field="name",
        )
    return check_agent_name(token.name or machine.chosen_name or machine.host_name)


async def _server_of(
    session: AsyncSession, *, machine: Machine, name: str, token: ClaimedToken
) -> _Known | None:
    """Return the server that this machine is, if the tenant has it."""
    statement = select(
        col(Agent.id), col(Agent.name), col(Agent.machine_digest), col(Agent.retired_at)
    ).where(or_(col(Agent.machine_digest) == machine.digest, col(Agent.name) == name))
    known = [
        _Known(row.id, row.name, row.machine_digest, row.retired_at is not None)
        for row in await session.execute(statement)
    ]
    for server in known:
        if server.machine_digest == machine.digest:
            return server
    if not known:
        return None
    namesake = known[0]
    if token.name == name or not await has_living_key(session, agent_id=namesake.id):
        return namesake
    raise _name_is_taken()


async def _name_to_keep(
    session: AsyncSession, *, server: _Known, name: str, machine: Machine, token: ClaimedToken
) -> str:
    """Return what a known machine is called from now on: what it wants, if nobody else is."""
    if server.name == name:
        return name
    taken = await session.scalar(
        select(col(Agent.id)).where(col(Agent.name) == name, col(Agent.id) != server.id)
    )
    if taken is None:
        return name
    if token.name or machine.chosen_name:
        raise _name_is_taken()
    return server.name


def _name_is_taken() -> Conflict:
    return Conflict(
        "Another machine is enrolled under this name. Choose another with `--name`; or, if this"
        " machine replaces that one, use a token made for the name (`monsys agent token NAME`).",
        field="name",
    )


async def _insert(
    session: AsyncSession,
    tenant_id: UUID,
    enrolled: EnrolledMachine,
    *,
    machine: Machine,
    token: ClaimedToken,
    now: datetime,
) -> None:
    await session.execute(
        insert(Agent).values(
            tenant_id=tenant_id,
            id=enrolled.agent_id,
            name=enrolled.name,
            tags=token.tags,
            addresses=[],
            enrolled_at=now,
            machine_digest=machine.digest,
            agent_version=machine.agent_version,
            is_enrolled=True,
        )
    )


async def _update(
    session: AsyncSession, enrolled: EnrolledMachine, machine: Machine, token: ClaimedToken
) -> None:
    told = {"tags": token.tags} if token.tags else {}
    await session.execute(
        update(Agent)
        .where(col(Agent.id) == enrolled.agent_id)
        .values(
            name=enrolled.name,
            machine_digest=machine.digest,
            agent_version=machine.agent_version,
            is_enrolled=True,
            retired_at=None,
            **told,
        ),
        execution_options={"synchronize_session": False},
    )


def _event(enrolled: EnrolledMachine, token: ClaimedToken) -> AuditEvent:
    return AuditEvent(
        event_type=EventType.AGENT_ENROLLED,
        actor=enrolled.name,
        actor_kind=PrincipalKind.AGENT.value,
        details={
            "agent": enrolled.name,
            "again": not enrolled.is_new,
            "token_made_by": token.made_by,
        },
    )
