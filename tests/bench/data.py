"""What is measured against: a database, a tenant with two hundred open alerts, and a token."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from hub.alerts.models import Alert, AlertCategory
from hub.clock import utc_now
from hub.database import Database
from hub.embedded import EmbeddedPostgres
from hub.principal import Scope
from hub.severity import Severity
from hub.tenancy.models import Tenant, User
from oauth.models import OAuthClient, OAuthGrant, OAuthToken, TokenKind
from oauth.tokens import ACCESS_TOKEN_PREFIX, digest_of, new_client_id, new_token
from tests.databases import new_database, run_alone
from tests.factories import make_agent, make_tenant, make_user

AGENTS = 24
ALERTS = 200
_NAME = "monsys_bench"


@dataclass(frozen=True, slots=True)
class Prepared:
    """Where the servers find what they serve."""

    hub_url: str
    owner_url: str
    tenant_id: UUID
    token: str


def prepare(folder: Path, *, resource: str) -> Prepared:
    """Start PostgreSQL in this folder, fill a database, and store a token for that resource."""
    server = EmbeddedPostgres.start(folder)
    asyncio.run(run_alone(server.owner_url("postgres"), f"DROP DATABASE IF EXISTS {_NAME}"))
    new_database(server, _NAME)
    tenant_id, token = asyncio.run(_fill(server.hub_url(_NAME), resource))
    asyncio.run(run_alone(server.owner_url(_NAME), "VACUUM ANALYZE"))
    return Prepared(server.hub_url(_NAME), server.owner_url(_NAME), tenant_id, token)


async def _fill(url: str, resource: str) -> tuple[UUID, str]:
    database = Database(url)
    tenant = await make_tenant(database)
    user = await make_user(database, tenant)
    await _store_alerts(database, tenant)
    token = await _store_token(database, tenant, user, resource)
    await database.close()
    return tenant.id, token


async def _store_alerts(database: Database, tenant: Tenant) -> None:
    agents = [await make_agent(database, tenant, name=f"web-{index:02}") for index in range(AGENTS)]
    severities, categories, now = list(Severity), list(AlertCategory), utc_now()
    async with database.transaction(tenant_id=tenant.id) as session:
        session.add_all(
            Alert(
                tenant_id=tenant.id,
                agent_id=agents[index % AGENTS].id,
                fingerprint=f"disk:{index}",
                category=categories[index % len(categories)],
                severity=severities[index % len(severities)],
                title=f"Disk /srv/{index} is {80 + index % 20} % full",
                description=f"Used {80 + index % 20} % against a limit of 80 % for 15 minutes.",
                opened_at=now - timedelta(minutes=index),
            )
            for index in range(ALERTS)
        )


async def _store_token(database: Database, tenant: Tenant, user: User, resource: str) -> str:
    """Store what a client holds after the authorization flow; return its access token."""
    token, scope = new_token(ACCESS_TOKEN_PREFIX), " ".join(Scope)
    client = OAuthClient(client_id=new_client_id(), client_name="bench")
    async with database.transaction(presented=client.client_id) as session:
        session.add(client)
        client_id = client.client_id
    async with database.transaction(tenant_id=tenant.id, user_id=user.id) as session:
        grant = OAuthGrant(tenant_id=tenant.id, user_id=user.id, client_id=client_id, scope=scope)
        session.add(grant)
        await session.flush()
        session.add(
            OAuthToken(
                digest=digest_of(token),
                kind=TokenKind.ACCESS,
                tenant_id=tenant.id,
                grant_id=grant.id,
                user_id=user.id,
                client_id=client_id,
                scope=scope,
                resource=resource,
                expires_at=utc_now() + timedelta(hours=24),
            )
        )
    return token
