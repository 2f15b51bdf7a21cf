"""What each attack must leave behind: a refusal, an unchanged state, and a trace of itself."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from sqlalchemy import select
from sqlmodel import SQLModel, col

from hub.audit.models import AuditRow
from hub.clock import utc_now
from hub.database import Database
from hub.tenancy.models import Membership, Tenant, User, WebSession
from oauth.models import OAuthClient, OAuthCode, OAuthEvent, OAuthGrant, OAuthToken, StepKind

_TABLES: tuple[type[SQLModel], ...] = (
    Tenant,
    User,
    Membership,
    WebSession,
    OAuthGrant,
    OAuthCode,
    OAuthToken,
)
_VOLATILE = {"last_used_at", "last_seen_at"}
_REFUSALS = {StepKind.REFUSED, StepKind.REPLAYED}


@dataclass
class Scene:
    """One tenant, watched."""

    database: Database
    tenant: Tenant
    _before: dict[str, list[str]] = field(default_factory=dict)

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
    ) -> None:
        """Assert the three: refused, nothing changed (unless said), and logged with its id."""
        assert response.status_code == status, response.text
        if error is not None:
            assert error_of(response) == error
        if status != 303:
            assert "location" not in response.headers
        if not changes:
            assert await self.is_unchanged()
        await self.logged(response, reason=reason)

    async def is_unchanged(self) -> bool:
        """Tell whether everything stands as it did when the attack began."""
        assert self._before, "call begin() before the attack"
        return await self._state() == self._before

    async def logged(self, response: httpx2.Response, *, reason: str) -> None:
        """Assert that an operator finds the refusal by the id in its answer, and why."""
        request_id = response.headers["x-request-id"]
        found = [*await self._steps(request_id), *await self._events(request_id)]
        assert any(reason in text for text in found), (reason, found)

    async def ended(self) -> None:
        """Assert that nothing is left of any grant: a leak was noticed."""
        async with self.database.transaction(tenant_id=self.tenant.id) as session:
            grants = (await session.scalars(select(OAuthGrant))).all()
            tokens = (await session.scalars(select(OAuthToken))).all()
        assert grants
        assert all(grant.revoked_at is not None for grant in grants)
        assert all(token.revoked_at is not None for token in tokens)

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

    async def _state(self) -> dict[str, list[str]]:
        state = {}
        async with self.database.transaction(tenant_id=self.tenant.id) as session:
            for table in _TABLES:
                rows = (await session.scalars(select(table))).all()
                state[table.__name__] = sorted(str(_stable(row)) for row in rows)
        async with self.database.transaction(presented="*") as session:
            clients = (await session.scalars(select(OAuthClient))).all()
        state["OAuthClient"] = sorted(str(_stable(row)) for row in clients)
        return state


def error_of(response: httpx2.Response) -> str:
    """Return the OAuth error of a redirect or of a JSON body."""
    if response.status_code == 303:
        return parse_qs(urlsplit(response.headers["location"]).query)["error"][0]
    body: dict[str, Any] = response.json()
    assert body["request_id"] == response.headers["x-request-id"]
    return str(body["error"])


def _stable(row: SQLModel) -> dict[str, Any]:
    return row.model_dump(exclude=_VOLATILE)


async def revoked_now(database: Database, tenant: Tenant) -> None:
    """End every grant of the tenant, as a person does in the settings."""
    async with database.transaction(tenant_id=tenant.id) as session:
        for grant in (await session.scalars(select(OAuthGrant))).all():
            grant.revoked_at = utc_now()
