"""Ingest keys: shown once, good for one source of one tenant, revocable, audited."""

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update
from sqlmodel import col

from hub.audit.models import AuditRow
from hub.clock import utc_now
from hub.database import Database
from hub.errors import InvalidInput, NotFound
from hub.ingest.foreign.door import Door, Gate, Limiter
from hub.ingest.keys.commands import create_ingest_key, revoke_ingest_key
from hub.ingest.keys.models import IngestKey, IngestSource
from hub.ingest.keys.queries import ingest_keys
from hub.opaque_tokens import digest_of, is_well_formed, new_token
from hub.tenancy.models import Tenant
from tests.factories import person
from tests.hub.ingest.conftest import PATHS, Send, make_key

EMPTY = {"version": "4", "alerts": []}


async def post(http: httpx2.AsyncClient, key: str) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return await http.post(PATHS[IngestSource.ALERTMANAGER], json=EMPTY, headers=headers)


async def test_a_key_is_stored_as_a_digest_and_its_making_is_audited(
    database: Database, tenant: Tenant
) -> None:
    key = await make_key(database, tenant, IngestSource.OTLP, default_host="web-01")

    assert is_well_formed(key, "mik_")
    async with database.transaction(tenant_id=tenant.id) as session:
        stored = (await session.scalars(select(IngestKey))).one()
        events = (await session.execute(select(AuditRow.event_type, AuditRow.details))).all()  # type: ignore[call-overload]
    assert (stored.digest, stored.default_host) == (digest_of(key), "web-01")
    assert [tuple(event) for event in events] == [
        ("ingest_key_created", {"id": str(stored.id), "source": "otlp", "name": "test"})
    ]
    assert key not in repr(stored)


async def test_a_key_works_until_it_is_revoked(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    key = await make_key(database, tenant, IngestSource.ALERTMANAGER)
    assert (await post(http, key)).status_code == 202

    async with database.transaction(tenant_id=tenant.id) as session:
        row = (await ingest_keys(session))[0]
        assert row.last_used_at is not None
        await revoke_ingest_key(session, by=person(tenant), key_id=row.id, now=utc_now())

    refused = await post(http, key)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "FORBIDDEN")


async def test_use_is_noted_coarsely(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    key = await make_key(database, tenant, IngestSource.ALERTMANAGER)
    await post(http, key)
    async with database.transaction(tenant_id=tenant.id) as session:
        first = (await ingest_keys(session))[0].last_used_at
    await post(http, key)
    async with database.transaction(tenant_id=tenant.id) as session:
        assert (await ingest_keys(session))[0].last_used_at == first


@pytest.mark.parametrize(
    ("case", "status"),
    [("none", 401), ("basic", 401), ("unknown", 401), ("typo", 401), ("query", 401), ("otlp", 403)],
)
async def test_other_credentials_open_nothing(
    case: str, status: int, http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    good = await make_key(database, tenant, IngestSource.ALERTMANAGER)
    headers = {
        "none": {},
        "query": {},
        "basic": {"Authorization": f"Basic {good}"},
        "unknown": {"Authorization": f"Bearer {new_token('mik_')}"},
        "typo": {"Authorization": f"Bearer {good[:-1]}{'a' if good[-1] != 'a' else 'b'}"},
        "otlp": {"Authorization": f"Bearer {await make_key(database, tenant, IngestSource.OTLP)}"},
    }[case]
    query = {"key": good} if case == "query" else {}

    response = await http.post(
        PATHS[IngestSource.ALERTMANAGER], json=EMPTY, headers=headers, params=query
    )

    assert response.status_code == status
    assert response.json()["error"]["message"]


async def test_a_key_of_one_tenant_cannot_be_revoked_by_another(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    await make_key(database, tenant, IngestSource.OTLP)
    async with database.transaction(tenant_id=tenant.id) as session:
        key_id = (await ingest_keys(session))[0].id
    with pytest.raises(NotFound):
        async with database.transaction(tenant_id=other_tenant.id) as session:
            await revoke_ingest_key(session, by=person(other_tenant), key_id=key_id, now=utc_now())


async def test_a_name_and_a_default_host_are_checked(database: Database, tenant: Tenant) -> None:
    for name, host, field in ((" ", None, "name"), ("ok", "a b", "default_host")):
        with pytest.raises(InvalidInput) as refusal:
            async with database.transaction(tenant_id=tenant.id) as session:
                await create_ingest_key(
                    session,
                    by=person(tenant),
                    source=IngestSource.FALCO,
                    name=name,
                    default_host=host,
                    now=utc_now(),
                )
        assert refusal.value.field == field


async def test_a_full_queue_says_when_to_come_back(app: FastAPI, send: Send) -> None:
    app.state.foreign_door = Door(gate=Gate(places=0, waiting=0), limiter=Limiter("memory://"))
    response = await send(IngestSource.ALERTMANAGER, EMPTY)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")


async def test_too_many_requests_say_when_to_come_back(
    app: FastAPI, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hit(*_: object) -> bool:
        return False

    limiter = Limiter("memory://")
    monkeypatch.setattr(limiter._strategy, "hit", hit)
    app.state.foreign_door = Door(gate=Gate(), limiter=limiter)
    response = await send(IngestSource.ALERTMANAGER, EMPTY)
    assert (response.status_code, response.headers["Retry-After"]) == (429, "60")


async def test_a_bomb_is_refused_without_being_unpacked(send: Send) -> None:
    import zlib  # noqa: PLC0415

    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b"\0" * 1_048_576) for _ in range(200)) + packer.flush()
    assert len(bomb) < 300_000
    response = await send(
        IngestSource.ALERTMANAGER,
        content=bomb,
        headers={"Content-Encoding": "gzip", "Content-Type": "application/json"},
    )
    assert (response.status_code, response.json()["error"]["code"]) == (413, "TOO_LARGE")


@pytest.mark.parametrize(
    ("headers", "status", "field"),
    [
        ({"Content-Type": "text/html"}, 415, "content-type"),
        ({"Content-Encoding": "br"}, 415, "content-encoding"),
        ({"Content-Encoding": "gzip"}, 422, "content-encoding"),
    ],
)
async def test_other_forms_of_a_body_are_refused(
    headers: dict[str, str], status: int, field: str, send: Send
) -> None:
    response = await send(
        IngestSource.ALERTMANAGER,
        content=b"{}",
        headers={"Content-Type": "application/json"} | headers,
    )
    assert (response.status_code, response.json()["error"]["field"]) == (status, field)


async def test_nothing_is_stored_with_the_key_of_another_tenant(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    await make_key(database, tenant, IngestSource.OTLP)
    async with database.transaction(tenant_id=other_tenant.id) as session:
        assert await ingest_keys(session) == []
        changed = await session.execute(
            update(IngestKey).values(name="mine").returning(col(IngestKey.id))
        )
        assert changed.all() == []
