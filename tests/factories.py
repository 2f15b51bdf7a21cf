"""Valid rows by default; a test names only the columns it is about."""

from typing import Any
from uuid import UUID, uuid4

from hub.database import Database
from hub.fleet.models import Agent
from hub.principal import (
    PERMISSIONS_BY_ROLE,
    Principal,
    PrincipalKind,
    Role,
    Scope,
    permissions_of_token,
)
from hub.tenancy.models import Membership, Tenant, User


async def make_tenant(database: Database, **columns: Any) -> Tenant:
    """Store a tenant with an unused slug; the connector is on unless said otherwise."""
    defaults: dict[str, Any] = {"claude_may_read": True, "claude_may_acknowledge": True}
    identity = uuid4()
    fields: dict[str, Any] = (
        {"id": identity, "name": "Acme", "slug": f"acme-{identity.hex}"} | defaults | columns
    )
    tenant = Tenant(**fields)
    async with database.transaction(tenant_id=tenant.id) as session:
        session.add(tenant)
    return tenant


async def make_user(
    database: Database, tenant: Tenant, *, role: Role = Role.OPERATOR, **columns: Any
) -> User:
    """Store a person who is a member of the tenant. The password hash matches nothing."""
    identity = uuid4()
    fields: dict[str, Any] = {
        "id": identity,
        "email": f"{identity.hex}@example.com",
        "password_hash": "!",
    } | columns
    user = User(**fields)
    async with database.transaction(tenant_id=tenant.id, user_id=user.id) as session:
        session.add(user)
        await session.flush()
        session.add(Membership(tenant_id=tenant.id, user_id=user.id, role=role))
    return user


async def make_agent(database: Database, tenant: Tenant, **columns: Any) -> Agent:
    """Store an agent that never reported."""
    identity = uuid4()
    fields: dict[str, Any] = {
        "tenant_id": tenant.id,
        "id": identity,
        "name": f"host-{identity.hex[:8]}",
    } | columns
    agent = Agent(**fields)
    async with database.transaction(tenant_id=tenant.id) as session:
        session.add(agent)
    return agent


def person(tenant: Tenant, *, role: Role = Role.OPERATOR, user_id: UUID | None = None) -> Principal:
    """Return a signed-in person of this tenant."""
    return Principal(
        kind=PrincipalKind.SESSION,
        tenant_id=tenant.id,
        user_id=user_id or uuid4(),
        label="operator@example.com",
        permissions=PERMISSIONS_BY_ROLE[role],
        role=role,
    )


def connector(
    tenant: Tenant,
    *scopes: Scope,
    role: Role = Role.OPERATOR,
    user_id: UUID | None = None,
) -> Principal:
    """Return Claude, acting for a person of this tenant; with both scopes unless some are named."""
    granted = frozenset(scopes or Scope)
    return Principal(
        kind=PrincipalKind.CONNECTOR,
        tenant_id=tenant.id,
        user_id=user_id or uuid4(),
        label="operator@example.com",
        permissions=permissions_of_token(granted, role),
        scopes=granted,
        role=role,
        client_id="mcp_test",
        grant_id=uuid4(),
    )
