"""A machine enrols: the token is used up, the machine becomes a server, its key is pinned.

Who it is, `machine_identity` says. What was taken over, renamed or refused is in the audit trail.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.errors import Conflict, Unauthenticated
from hub.fleet.agent_keys import pin_key, retire_keys
from hub.fleet.agent_names import check_agent_name
from hub.fleet.enrollment import check_places, lock_plan
from hub.fleet.enrolment_tokens import ClaimedToken, claim_token, note_user_of_token
from hub.fleet.machine_identity import KnownServer, NotYoursError, name_to_keep, server_of
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


class IdentityRefusedError(Exception):
    """A machine asked for what belongs to another; the audit trail shall tell of it.

    It is told in a transaction of its own: this one is rolled back, and the token stays good.
    """

    def __init__(self, message: str, *, tenant_id: UUID, event: AuditEvent) -> None:
        super().__init__(message)
        self.tenant_id = tenant_id
        self.event = event


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
    try:
        server = await server_of(
            session, machine_digest=machine.digest, name=name, token=token, now=now
        )
    except NotYoursError as refusal:
        event = _refusal(name, token)
        raise IdentityRefusedError(str(refusal), tenant_id=tenant_id, event=event) from refusal
    if server is None or server.is_retired:
        # Under its own name: the one that it wants may be that of a server which has a place.
        await check_places(session, plan, names=[name if server is None else server.name])
    if server is None:
        enrolled = EnrolledMachine(uuid4(), name, is_new=True)
        await _insert(session, tenant_id, enrolled, machine=machine, token=token, now=now)
    else:
        kept = await name_to_keep(
            session, server=server, name=name, is_chosen=bool(token.name or machine.chosen_name)
        )
        enrolled = EnrolledMachine(server.id, kept, is_new=False)
        # Reports lock the key first and then the server; so does this, or both could wait.
        await retire_keys(session, agent_id=server.id, now=now)
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
    event = _event(enrolled, token, server, machine)
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


def _event(
    enrolled: EnrolledMachine, token: ClaimedToken, server: KnownServer | None, machine: Machine
) -> AuditEvent:
    details: dict[str, str | bool] = {
        "agent": enrolled.name,
        "again": not enrolled.is_new,
        "token_made_by": token.made_by,
    }
    if server is not None and server.name != enrolled.name:
        details["renamed_from"] = server.name
    if server is not None and server.machine_digest not in {None, machine.digest}:
        details["replaced_machine"] = True
    return _audited(EventType.AGENT_ENROLLED, enrolled.name, details)


def _refusal(name: str, token: ClaimedToken) -> AuditEvent:
    details: dict[str, str | bool] = {"agent": name, "token_made_by": token.made_by}
    event = _audited(EventType.AGENT_ENROLMENT_REFUSED, name, details)
    return replace(event, outcome="refused")


def _audited(event_type: EventType, name: str, details: dict[str, str | bool]) -> AuditEvent:
    return AuditEvent(
        event_type=event_type, actor=name, actor_kind=PrincipalKind.AGENT.value, details=details
    )
