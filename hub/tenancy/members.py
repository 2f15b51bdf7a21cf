"""Writes of a tenant's people: invited, joined, made something else, removed.

Who manages others shows a fresh one-time code (`hub.tenancy.step_up`); an invitation to a role
that manages nobody goes without. Only owners give or take the role of owner. That a tenant keeps
one is the database's own rule (migration 0004): two owners who remove each other at the same moment
cannot both succeed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Delete, Update, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.clock import utc_now
from hub.errors import Conflict, Forbidden, NotFound
from hub.principal import Permission, Principal, Role
from hub.tenancy.models import Invitation, Membership, User
from hub.tenancy.queries import MANAGERS
from hub.tenancy.sessions import end_sessions_of, rotate_session
from hub.tenancy.step_up import require_fresh_totp

INVITATION_LIFETIME = timedelta(days=7)
_KEEP_AN_OWNER = "memberships_keep_an_owner"

LAST_OWNER = (
    "This is the last owner, and an organisation keeps one. Make somebody else owner first."
)
OWNERS_ONLY = "Only an owner can give or take the role of owner. Ask one."
NO_SUCH_MEMBER = "This person is no member of the organisation any more."
IS_MEMBER = "This person is a member already. Change their role in the list instead."
MAY_NOT_MANAGE = "Only owners and admins manage the members of an organisation."


class LastOwner(Conflict):
    """The tenant would be left without an owner."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """The cookie of this sign-in, and the one that takes its place."""

    former: str
    new: str


@dataclass(frozen=True, slots=True)
class _Person:
    email: str
    role: Role


async def invite(
    session: AsyncSession,
    *,
    by: Principal,
    email: str,
    role: Role,
    digest: str,
    fresh_within: timedelta,
) -> None:
    """Store an invitation; it takes the place of an open one to this address. Needs `tenant_id`."""
    _check_may_manage(by, role)
    if role in MANAGERS:
        require_fresh_totp(by, within=fresh_within)
    is_member = await session.scalar(select(col(User.id)).where(col(User.email) == email))
    if is_member is not None:
        raise Conflict(IS_MEMBER, field="email")
    now = utc_now()
    await session.execute(
        update(Invitation)
        .where(
            col(Invitation.email) == email,
            col(Invitation.accepted_at).is_(None),
            col(Invitation.revoked_at).is_(None),
        )
        .values(revoked_at=now)
    )
    await session.execute(
        insert(Invitation).values(
            tenant_id=by.tenant_id,
            id=uuid4(),
            email=email,
            role=role,
            digest=digest,
            invited_by=by.label,
            created_at=now,
            expires_at=now + INVITATION_LIFETIME,
        )
    )
    await _record(session, by, EventType.MEMBER_INVITED, email=email, role=role.value)


async def revoke_invitation(session: AsyncSession, *, by: Principal, invitation_id: UUID) -> None:
    """Make the link of an invitation worthless. Needs `tenant_id`."""
    _check_may_manage(by)
    email = await session.scalar(
        update(Invitation)
        .where(
            col(Invitation.id) == invitation_id,
            col(Invitation.accepted_at).is_(None),
            col(Invitation.revoked_at).is_(None),
        )
        .values(revoked_at=utc_now())
        .returning(col(Invitation.email))
    )
    if email is not None:
        await _record(session, by, EventType.INVITATION_REVOKED, email=email)


async def use_invitation(session: AsyncSession, *, digest: str) -> bool:
    """Use an invitation up, and tell whether this call was the one that did. Needs `tenant_id`."""
    used = await session.scalar(
        update(Invitation)
        .where(
            col(Invitation.digest) == digest,
            col(Invitation.accepted_at).is_(None),
            col(Invitation.revoked_at).is_(None),
            col(Invitation.expires_at) > utc_now(),
        )
        .values(accepted_at=utc_now())
        .returning(col(Invitation.id))
    )
    return used is not None


async def change_role(
    session: AsyncSession,
    *,
    by: Principal,
    user_id: UUID,
    role: Role,
    fresh_within: timedelta,
    cookies: Rotation | None = None,
) -> None:
    """Make a member something else; their sign-ins here end. Needs `tenant_id`.

    Of who changes their own role this very sign-in goes on, under a new cookie (`cookies`).
    """
    person = await _locked(session, by, user_id)
    _check_may_manage(by, person.role, role)
    require_fresh_totp(by, within=fresh_within)
    if person.role is role:
        return
    await _write(
        session,
        update(Membership)
        .where(col(Membership.tenant_id) == by.tenant_id, col(Membership.user_id) == user_id)
        .values(role=role),
    )
    # Rotation at a change of privilege: we cannot give another browser a new cookie.
    own = cookies if user_id == by.user_id else None
    await end_sessions_of(
        session, user_id=user_id, tenant_id=by.tenant_id, but_token=own.former if own else None
    )
    if own:
        await rotate_session(session, token=own.former, new_token=own.new)
    await _withdraw_invitations(session, by, person.email, may_still=_may_invite(role))
    await _record(
        session,
        by,
        EventType.MEMBER_ROLE_CHANGED,
        email=person.email,
        former_role=person.role.value,
        role=role.value,
    )


async def remove_member(
    session: AsyncSession, *, by: Principal, user_id: UUID, fresh_within: timedelta
) -> None:
    """Take a person out of the tenant; their sign-ins here end. Needs `tenant_id`."""
    person = await _locked(session, by, user_id)
    if user_id != by.user_id:  # anybody may leave
        _check_may_manage(by, person.role)
        require_fresh_totp(by, within=fresh_within)
    await end_sessions_of(session, user_id=user_id, tenant_id=by.tenant_id)
    await _write(
        session,
        delete(Membership).where(
            col(Membership.tenant_id) == by.tenant_id, col(Membership.user_id) == user_id
        ),
    )
    await _withdraw_invitations(session, by, person.email, may_still=())
    await _record(session, by, EventType.MEMBER_REMOVED, email=person.email, role=person.role.value)


def _may_invite(role: Role) -> tuple[Role, ...]:
    """Return the roles that a member of this role may invite to."""
    if role not in MANAGERS:
        return ()
    return tuple(invited for invited in Role if invited is not Role.OWNER or role is Role.OWNER)


async def _withdraw_invitations(
    session: AsyncSession, by: Principal, inviter: str, *, may_still: Sequence[Role]
) -> None:
    """Make the links worthless that somebody mailed who may not invite to these roles any more.

    Else whoever is about to be removed could mail themselves the way back in.
    """
    withdrawn = await session.scalars(
        update(Invitation)
        .where(
            col(Invitation.invited_by) == inviter,
            col(Invitation.role).not_in(may_still),
            col(Invitation.accepted_at).is_(None),
            col(Invitation.revoked_at).is_(None),
        )
        .values(revoked_at=utc_now())
        .returning(col(Invitation.email))
    )
    for email in sorted(withdrawn.all()):
        await _record(session, by, EventType.INVITATION_REVOKED, email=email, inviter=inviter)


async def _locked(session: AsyncSession, by: Principal, user_id: UUID) -> _Person:
    """Return the member, their row locked so that the role stays what was checked."""
    row = (
        await session.execute(
            select(col(User.email), col(Membership.role))
            .join(Membership, col(Membership.user_id) == col(User.id))
            .where(col(Membership.tenant_id) == by.tenant_id, col(Membership.user_id) == user_id)
            .with_for_update(of=Membership)
        )
    ).one_or_none()
    if row is None:
        raise NotFound(NO_SUCH_MEMBER, field="user")
    return _Person(*row)


def _check_may_manage(by: Principal, *roles: Role) -> None:
    if not by.may(Permission.TENANT_MANAGE):
        raise Forbidden(MAY_NOT_MANAGE)
    if Role.OWNER in roles and by.role is not Role.OWNER:
        raise Forbidden(OWNERS_ONLY)


async def _write(session: AsyncSession, statement: Update | Delete) -> None:
    try:
        await session.execute(statement)
    except IntegrityError as error:
        if _is_keep_an_owner(error):
            raise LastOwner(LAST_OWNER, field="role") from error
        raise


def _is_keep_an_owner(error: IntegrityError) -> bool:
    cause = getattr(error.orig, "__cause__", None)
    return getattr(cause, "constraint_name", None) == _KEEP_AN_OWNER


async def _record(
    session: AsyncSession, by: Principal, event_type: EventType, **details: str
) -> None:
    event = AuditEvent(
        event_type=event_type,
        actor=by.label,
        actor_kind=by.kind.value,
        user_id=by.user_id,
        details=dict(details),
        request_id=structlog.contextvars.get_contextvars().get("request_id"),
    )
    await append_events(session, tenant_id=by.tenant_id, events=[event])
