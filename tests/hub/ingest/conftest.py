"""The foreign endpoints alone, and senders with keys of a new tenant."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI

from hub.clock import utc_now
from hub.database import Database
from hub.faults import install_error_handlers
from hub.ingest.foreign.routes import foreign_routes
from hub.ingest.keys.commands import create_ingest_key
from hub.ingest.keys.models import IngestSource
from hub.settings import Settings
from hub.tenancy.models import Tenant
from tests.factories import make_tenant, person

PATHS = {
    IngestSource.ALERTMANAGER: "/api/v1/alertmanager",
    IngestSource.CYCLONEDX: "/api/v1/sbom",
    IngestSource.FALCO: "/api/v1/falco",
    IngestSource.OTLP: "/v1/metrics",
    IngestSource.SERVICE_LEVELS: "/api/v1/service-levels",
    IngestSource.SIGNALS: "/api/v1/signals",
    IngestSource.WAZUH: "/api/v1/wazuh",
}

type Send = Callable[..., Awaitable[httpx2.Response]]


@pytest.fixture
def app(database: Database) -> FastAPI:
    app = FastAPI()
    install_error_handlers(app)
    app.include_router(foreign_routes())
    app.state.database = database
    app.state.settings = Settings()
    return app


@pytest_asyncio.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://hub") as client:
        yield client


@pytest_asyncio.fixture
async def tenant(database: Database) -> Tenant:
    return await make_tenant(database, accepts_unknown_hosts=True, server_limit=20)


async def make_key(
    database: Database, tenant: Tenant, source: IngestSource, default_host: str | None = None
) -> str:
    async with database.transaction(tenant_id=tenant.id) as session:
        issued = await create_ingest_key(
            session,
            by=person(tenant),
            source=source,
            name="test",
            default_host=default_host,
            now=utc_now(),
        )
    return issued.key


@pytest.fixture
def send(http: httpx2.AsyncClient, database: Database, tenant: Tenant) -> Send:
    """Return what sends a JSON body with a key of the source, made when it is first needed."""
    keys: dict[IngestSource, str] = {}

    async def send(source: IngestSource, body: Any = None, **options: Any) -> httpx2.Response:
        if source not in keys:
            keys[source] = await make_key(database, tenant, source)
        headers = {"Authorization": f"Bearer {keys[source]}"} | options.pop("headers", {})
        if body is not None:
            options["json"] = body
        return await http.post(PATHS[source], headers=headers, **options)

    return send
