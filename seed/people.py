"""The tenants of the demo and their people. Nobody here exists."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from hub.principal import PERMISSIONS_BY_ROLE, Principal, PrincipalKind, Role
from hub.tenancy.commands import create_tenant, create_user
from seed.stable import stable_id

NORTHWIND_SLUG = "northwind"
NORTHWIND_ID = stable_id("tenant", NORTHWIND_SLUG)
CONTOSO_SLUG = "contoso-health"
CONTOSO_ID = stable_id("tenant", CONTOSO_SLUG)

JOINED_BEFORE = timedelta(days=320)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who works with monsys."""

    tenant_id: UUID
    name: str
    email: str
    role: Role

    @property
    def id(self) -> UUID:
        """The id of the account."""
        return stable_id("user", self.email)

    @property
    def principal(self) -> Principal:
        """The person, signed in to the dashboard."""
        return Principal(
            kind=PrincipalKind.SESSION,
            tenant_id=self.tenant_id,
            user_id=self.id,
            label=self.email,
            permissions=PERMISSIONS_BY_ROLE[self.role],
            role=self.role,
        )


@dataclass(frozen=True, slots=True)
class SignIn:
    """What the demo's people sign in with. The second factor is the owner's alone."""

    password_hash: str
    totp_secret_sealed: bytes | None = None


OWNER = Person(NORTHWIND_ID, "Maya Lindqvist", "maya@example.com", Role.OWNER)
ADMIN = Person(NORTHWIND_ID, "Jonas Weber", "jonas@example.com", Role.ADMIN)
OPERATOR = Person(NORTHWIND_ID, "Priya Raman", "priya@example.com", Role.OPERATOR)
ANALYST = Person(NORTHWIND_ID, "Tomas Novak", "tomas@example.com", Role.ANALYST)
VIEWER = Person(NORTHWIND_ID, "Vera Castell", "vera@example.com", Role.VIEWER)
NORTHWIND_PEOPLE = (OWNER, ADMIN, OPERATOR, ANALYST, VIEWER)

CONTOSO_OWNER = Person(CONTOSO_ID, "Dana Brandt", "dana@contoso.example.com", Role.OWNER)
CONTOSO_OPERATOR = Person(CONTOSO_ID, "Emil Sorge", "emil@contoso.example.com", Role.OPERATOR)
CONTOSO_PEOPLE = (CONTOSO_OWNER, CONTOSO_OPERATOR)


async def plant_northwind(session: AsyncSession, *, now: datetime, sign_in: SignIn) -> None:
    """Make the tenant of the story, with the connector switched on, and its people."""
    joined = now - JOINED_BEFORE
    await create_tenant(
        session,
        tenant_id=NORTHWIND_ID,
        name="Northwind Logistics",
        slug=NORTHWIND_SLUG,
        plan="business",
        server_limit=100,
        has_default_rules=False,  # its alerts are told
        claude_may_read=True,
        claude_may_acknowledge=True,
        at=joined,
    )
    for person in NORTHWIND_PEOPLE:
        await _plant_person(session, person, sign_in=sign_in, at=joined)


async def plant_contoso(session: AsyncSession, *, now: datetime, sign_in: SignIn) -> None:
    """Make the tenant that nobody of the first may ever see; its connector is off."""
    joined = now - JOINED_BEFORE
    await create_tenant(
        session,
        tenant_id=CONTOSO_ID,
        name="Contoso Health",
        slug=CONTOSO_SLUG,
        plan="business",
        server_limit=100,
        has_default_rules=False,  # its alerts are told
        at=joined,
    )
    for person in CONTOSO_PEOPLE:
        await _plant_person(session, person, sign_in=sign_in, at=joined)


async def _plant_person(
    session: AsyncSession, person: Person, *, sign_in: SignIn, at: datetime
) -> None:
    has_totp = person in {OWNER, CONTOSO_OWNER}
    await create_user(
        session,
        tenant_id=person.tenant_id,
        user_id=person.id,
        email=person.email,
        name=person.name,
        role=person.role,
        password_hash=sign_in.password_hash,
        totp_secret_sealed=sign_in.totp_secret_sealed if has_totp else None,
        at=at,
    )
