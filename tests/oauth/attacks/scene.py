"""What each attack must leave behind: a refusal, an unchanged state, and a trace of itself.

A test that does not show all three fails, whatever else it asserts: see `conftest.py`.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col

from hub.audit.models import AuditRow
from hub.clock import utc_now
from hub.database import Database
from hub.tenancy.models import Tenant
from oauth.models import OAuthEvent, OAuthGrant, OAuthToken, StepKind

# Where things are written down and counted: an attack leaves its traces there, and only there.
_TRACES = {
    "attempt_counts",
    "audit_heads",
    "audit_log",
    "mcp_call_log",
    "oauth_events",
    "tenant_summaries",
}
# Tables of people and clients, who belong to no one tenant. Of all others the tenant's rows count.
_SHARED = {
    "account_links",
    "invitations",
    "oauth_clients",
    "recovery_codes",
    "tenants",
    "users",
    "web_sessions",
}
# Moved by looking at things.
_VOLATILE = "{last_used_at,last_seen_at}"
_REFUSALS = {StepKind.REFUSED, StepKind.REPLAYED}


class Shown(StrEnum):
    """What a test has shown of its attack."""

    REFUSED = "it was refused"
    HARMLESS = "nothing changed, or all that was at risk has ended"
    LOGGED = "it was written down"


@dataclass
class Scene:
    """One tenant, watched."""

    database: Database
    owner: AsyncEngine  # sees what row-level security hides from the hub
    tenant: Tenant
    shown: set[Shown] = field(default_factory=set)
    _before: dict[str, str] = field(default_factory=dict)

    async def begin(self) -> None:
        """Remember how things stand before the attack."""
        self._before = await self._state()

    async def refused(
        self,
        response: httpx2.Response,
        *,
        status: int,
        reason: str,
        error: str | None = None,
        changes: bool = False,
        audited: bool | None = None,
    ) -> None:
        """Assert the three: refused, nothing changed (unless said), and logged with its id."""
        self.turned_down(response, status=status, error=error)
        if not changes:
            await self.unchanged()
        await self.logged(response, reason=reason, audited=audited)

    def turned_down(
        self, response: httpx2.Response, *, status: int, error: str | None = None
    ) -> None:
        """Assert the refusal itself."""
        assert response.status_code == status, response.text
        assert status in {303, 400, 401, 403, 413, 421, 429}
        if error is not None:
            assert error_of(response) == error
        if status == 303:
            # Back to the client with an error, or to our own sign-in: never on with a code.
            assert "code=" not in response.headers["location"]
        else:
            assert "location" not in response.headers
        self.shown.add(Shown.REFUSED)

    async def unchanged(self) -> None:
        """Assert that everything stands as it did when the attack began."""
        assert self._before, "call begin() before the attack"
        after = await self._state()
        assert after.keys() == self._before.keys()
        assert {name for name in after if after[name] != self._before[name]} == set()
        self.shown.add(Shown.HARMLESS)

    async def logged(
        self, response: httpx2.Response, *, reason: str, audited: bool | None = None
    ) -> None:
        """Assert that an operator finds the refusal by the id in its answer, and why.

        `audited`: that it stands in the tenant's own trail too (or does not: nobody is known).
        """
        assert reason
        request_id = response.headers["x-request-id"]
        steps, events = await self._steps(request_id), await self._events(request_id)
        assert any(reason in text for text in [*steps, *events]), (reason, steps, events)
        if audited is not None:
            assert bool(events) == audited, events
        self.shown.add(Shown.LOGGED)

    async def unlogged(self, response: httpx2.Response) -> None:
        """Assert that nothing was kept of it: it was one of a flood."""
        request_id = response.headers["x-request-id"]
        assert [*await self._steps(request_id), *await self._events(request_id)] == []

    async def ended(self) -> None:
        """Assert that nothing is left of any grant: a leak was noticed."""
        async with self.database.transaction(tenant_id=self.tenant.id) as session:
            grants = (await session.scalars(select(OAuthGrant))).all()
            tokens = (await session.scalars(select(OAuthToken))).all()
        assert grants
        assert all(grant.revoked_at is not None for grant in grants)
        assert all(token.revoked_at is not None for token in tokens)
        self.shown.add(Shown.HARMLESS)

    async def _steps(self, request_id: str) -> list[str]:
        async with self.database.transaction(presented="*") as session:
            rows = await session.scalars(
                select(OAuthEvent).where(col(OAuthEvent.request_id) == request_id)
            )
            return [f"{row.details}" for row in rows if row.kind in _REFUSALS]

    async def _events(self, request_id: str) -> list[str]:
        async with self.database.transaction(tenant_id=self.tenant.id) as session:
            rows = await session.scalars(
                select(AuditRow).where(
                    col(AuditRow.request_id) == request_id, col(AuditRow.outcome) == "refused"
                )
            )
            return [f"{row.event_type} {row.details}" for row in rows]

    async def _state(self) -> dict[str, str]:
        """Return a fingerprint of each table: of the tenant's rows, or of all where none is."""
        async with self.owner.connect() as connection:
            tables = await connection.execute(_TABLES)
            watched = [row for row in tables if row.name not in _TRACES]
            assert watched
            statement = " UNION ALL ".join(
                _fingerprint(row.name, is_shared=not row.has_tenant or row.name in _SHARED)
                for row in watched
                if row.has_tenant or row.name in _SHARED
            )
            rows = await connection.execute(text(statement), {"tenant": self.tenant.id})
            return {row.name: f"{row.number} {row.digest}" for row in rows}


_TABLES = text(
    "SELECT relname AS name, EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid"
    " AND attname = 'tenant_id' AND NOT attisdropped) AS has_tenant FROM pg_class"
    " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    " AND NOT relispartition ORDER BY 1"
)


def _fingerprint(table: str, *, is_shared: bool) -> str:
    row = f"(to_jsonb(t) - '{_VOLATILE}'::text[])::text"
    of_whom = "" if is_shared else " WHERE tenant_id = :tenant"
    return (
        f"SELECT '{table}' AS name, count(*) AS number,"  # noqa: S608 - a name of our own
        f" md5(coalesce(string_agg(md5({row}), '' ORDER BY {row}), '')) AS digest"
        f" FROM {table} t{of_whom}"
    )


def error_of(response: httpx2.Response) -> str:
    """Return the OAuth error of a redirect or of a JSON body."""
    if response.status_code == 303:
        return parse_qs(urlsplit(response.headers["location"]).query)["error"][0]
    body: dict[str, Any] = response.json()
    assert body["request_id"] == response.headers["x-request-id"]
    return str(body["error"])


async def revoked_now(database: Database, tenant: Tenant) -> None:
    """End every grant of the tenant, as a person does in the settings."""
    async with database.transaction(tenant_id=tenant.id) as session:
        for grant in (await session.scalars(select(OAuthGrant))).all():
            grant.revoked_at = utc_now()
