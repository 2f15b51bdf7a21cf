"""What the authorization server forgets, and what it keeps."""

import asyncio
from datetime import datetime, timedelta
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import text, update

from hub.clock import utc_now
from hub.database import Database
from hub.jobs.maintenance import Maintenance
from hub.tenancy.models import Tenant
from oauth.commands import prune_tokens
from oauth.models import OAuthClient, OAuthCode, OAuthToken, StepKind
from oauth.pruning import prune_oauth
from oauth.queries import client_by_id
from oauth.tokens import new_client_id
from oauth.trace import Step, store_step
from tests.oauth.browser import Browser
from tests.oauth.conftest import MakeSignedIn
from tests.oauth.flow import TOKEN, Client, authorize

NOW = utc_now()


async def made(
    database: Database, *, created: timedelta, used: timedelta | None = None
) -> tuple[str, datetime | None]:
    """Store a client of this age."""
    client = OAuthClient(
        client_id=new_client_id(),
        created_at=NOW - created,
        last_used_at=NOW - used if used is not None else None,
    )
    async with database.transaction(presented=client.client_id) as session:
        session.add(client)
    return client.client_id, client.last_used_at


async def exists(database: Database, client_id: str) -> bool:
    async with database.transaction(presented=client_id) as session:
        return await client_by_id(session, client_id=client_id) is not None


@pytest.mark.slow
async def test_clients_go_after_90_days_unused_or_a_year_after_their_last_use(
    database: Database,
) -> None:
    day = timedelta(days=1)
    kept = [
        await made(database, created=89 * day),
        await made(database, created=900 * day, used=364 * day),
        await made(database, created=91 * day, used=91 * day),
    ]
    gone = [
        await made(database, created=91 * day),
        await made(database, created=900 * day, used=366 * day),
    ]
    for _ in range(2):  # twice in a row is fine
        await prune_oauth(database)
        assert [await exists(database, client_id) for client_id, _ in kept] == [True] * 3
        assert [await exists(database, client_id) for client_id, _ in gone] == [False] * 2


async def test_a_token_keeps_its_client_in_use(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    database: Database,
) -> None:
    await sign_in_as()
    await api.post(TOKEN, data=client.token_form(await authorize(browser, client)))
    async with database.transaction(presented=client.client_id) as session:
        stored = await client_by_id(session, client_id=client.client_id)
    assert stored is not None
    assert stored.last_used_at is not None
    assert utc_now() - stored.last_used_at < timedelta(minutes=1)


@pytest.mark.slow
async def test_steps_codes_and_tokens_go_when_nobody_can_use_them(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    database: Database,
    tenant: Tenant,
) -> None:
    await sign_in_as()
    await api.post(TOKEN, data=client.token_form(await authorize(browser, client)))
    old, recent = uuid4().hex, uuid4().hex
    async with database.transaction() as session:
        for request_id, age in ((old, 91), (recent, 89)):
            at = NOW - timedelta(days=age)
            await store_step(
                session, step=Step(kind=StepKind.REFUSED, request_id=request_id, at=at)
            )
    await prune_oauth(database)
    assert await _counts(database, tenant) == (1, 1)
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(update(OAuthCode).values(expires_at=NOW - timedelta(days=2)))
        await session.execute(update(OAuthToken).values(expires_at=NOW - timedelta(days=31)))

    async with Maintenance(database, chores=(prune_oauth,)) as maintenance:
        await maintenance.once()

    assert await _counts(database, tenant) == (0, 0)
    async with database.transaction(presented="*") as session:
        left = await session.execute(
            text("SELECT request_id FROM oauth_events WHERE request_id IN (:old, :recent)"),
            {"old": old, "recent": recent},
        )
        assert left.scalars().all() == [recent]


async def test_a_token_that_is_being_revoked_is_left_for_the_next_time(
    browser: Browser,
    api: httpx2.AsyncClient,
    client: Client,
    sign_in_as: MakeSignedIn,
    database: Database,
    tenant: Tenant,
) -> None:
    """Both lock many rows, each in its own order: neither waits for the other."""
    await sign_in_as()
    await api.post(TOKEN, data=client.token_form(await authorize(browser, client)))
    async with database.transaction(tenant_id=tenant.id) as session:
        await session.execute(update(OAuthToken).values(expires_at=NOW - timedelta(days=31)))
    async with database.transaction(tenant_id=tenant.id) as revoking:
        await revoking.execute(update(OAuthToken).values(revoked_at=NOW))
        async with asyncio.timeout(10), database.transaction(tenant_id=tenant.id) as pruning:
            assert await prune_tokens(pruning, now=NOW) == 0
    async with database.transaction(tenant_id=tenant.id) as pruning:
        assert await prune_tokens(pruning, now=NOW) == 1


async def _counts(database: Database, tenant: Tenant) -> tuple[int, int]:
    async with database.transaction(tenant_id=tenant.id) as session:
        row = await session.execute(
            text("SELECT (SELECT count(*) FROM oauth_codes), (SELECT count(*) FROM oauth_tokens)")
        )
        codes, tokens = row.one()
    return codes, tokens
