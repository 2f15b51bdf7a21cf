"""Sign-up: what somebody asked for waits, sealed, until they opened the link in their mail.

Nothing is made before that. So nobody can take an address that is not theirs, and the page that
follows is the same whether or not the address has an account already.
"""

import re
import secrets
from dataclasses import asdict, dataclass
from typing import Self
from uuid import UUID

import orjson
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.clock import utc_now
from hub.errors import InvalidInput
from hub.principal import PrincipalKind, Role
from hub.secret_box import SecretBox
from hub.tenancy.commands import create_tenant, create_user
from hub.tenancy.models import User

MAX_ORGANISATION_CHARACTERS = 100
_PURPOSE = "sign-up"
_MAX_SLUG_STEM = 48
_SUFFIX_BYTES = 3


@dataclass(frozen=True, slots=True)
class PendingSignUp:
    """What will be made once the address is confirmed.

    `browser` is the digest of the cookie of the browser that asked; in another one the link asks
    for the password too. Else somebody could sign up with your address and a password of theirs,
    and wait for you to confirm it.
    """

    email: str
    organisation: str
    password_hash: str
    browser: str
    next: str

    def sealed(self, box: SecretBox) -> bytes:
        """Return it for the table of links."""
        return box.seal(orjson.dumps(asdict(self)), purpose=_PURPOSE)

    @classmethod
    def opened(cls, box: SecretBox, sealed: bytes) -> Self:
        """Return what was sealed."""
        return cls(**orjson.loads(box.open(sealed, purpose=_PURPOSE)))


@dataclass(frozen=True, slots=True)
class NewOwner:
    """The account that was made."""

    user: User
    tenant_id: UUID


def organisation_name(text: str) -> str:
    """Return the name as it is kept, or say what a name is."""
    name = " ".join(text.split())
    if not 1 <= len(name) <= MAX_ORGANISATION_CHARACTERS or not name.isprintable():
        raise InvalidInput(
            "`organisation` must be a name of 1 to 100 characters.", field="organisation"
        )
    return name


async def create_account(
    session: AsyncSession, *, pending: PendingSignUp, request_id: str | None = None
) -> NewOwner:
    """Make the tenant on the free plan and its owner, and enter both; Conflict if they have one.

    The short name gets a random end: otherwise it would tell who else is a customer.
    """
    slug = f"{_stem(pending.organisation)}-{secrets.token_hex(_SUFFIX_BYTES)}"
    tenant = await create_tenant(
        session, name=pending.organisation, slug=slug, actor=pending.email, request_id=request_id
    )
    user = await create_user(
        session,
        tenant_id=tenant.id,
        email=pending.email,
        password_hash=pending.password_hash,
        role=Role.OWNER,
        actor=pending.email,
        request_id=request_id,
    )
    await session.execute(
        update(User).where(col(User.id) == user.id).values(email_confirmed_at=utc_now())
    )
    event = AuditEvent(
        event_type=EventType.EMAIL_CONFIRMED,
        actor=user.email,
        actor_kind=PrincipalKind.SESSION.value,
        user_id=user.id,
        request_id=request_id,
    )
    await append_events(session, tenant_id=tenant.id, events=[event])
    return NewOwner(user, tenant.id)


def _stem(name: str) -> str:
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_MAX_SLUG_STEM].rstrip("-")
    return stem or "tenant"
