"""What the tests of ingest share: a report, and the hub's side of it without the rest."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import func, select

from hub.clock import utc_now
from hub.database import Database
from hub.faults import install_error_handlers
from hub.fleet.models import MetricSample
from hub.ingest.door import AgentDoor
from hub.ingest.intake import Intake
from hub.ingest.routes import ingest_routes
from hub.settings import Settings
from mcp_adapter.first_door import FirstDoor

PACKAGE = {
    "ecosystem": "Debian:12",
    "name": "libssl3",
    "version": "3.0.15-1~deb12u1",
    "source_name": "openssl",
    "source_version": "3.0.15-1~deb12u1",
}


def report(**changes: Any) -> dict[str, Any]:
    """Return a report of this moment."""
    disks = [
        {"mount": mount, "device": device, "used_percent": used, "used_bytes": 4, "total_bytes": 10}
        for mount, device, used in (("/", "/dev/vda1", 40.0), ("/srv", "/dev/vdb1", 91.0))
    ]
    body = {
        "at": utc_now().isoformat(),
        "agent_version": "0.1.0",
        "system": {
            "os": {"id": "debian", "name": "Debian GNU/Linux 12 (bookworm)", "version": "12"},
            "kernel_release": "6.1.0-28-amd64",
            "architecture": "x86_64",
            "addresses": ["10.0.0.5"],
            "cpu_count": 4,
            "memory_bytes": 8_000_000_000,
        },
        "figures": {
            "cpu_percent": 12.5,
            "memory_percent": 48.0,
            "load1": 0.5,
            "load5": 0.4,
            "load15": 0.3,
            "rx_mbps": 1.5,
            "tx_mbps": 2.5,
            "disks": disks,
        },
    }
    return body | changes


def figures(**changes: Any) -> dict[str, Any]:
    """Return a plain report: it tells nothing of its host."""
    body = report(**changes)
    return {name: value for name, value in body.items() if name not in {"system", "agent_version"}}


@asynccontextmanager
async def taking_in(
    database: Database, *, is_first_door: bool = False, **options: Any
) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve what hosts ask for, through the routes or past them."""
    settings = Settings(**options)
    async with Intake.of(database, settings) as intake:
        app, door = FirstDoor(), AgentDoor(intake)
        app.posted = door.posted if is_first_door else {}
        install_error_handlers(app)
        app.include_router(ingest_routes())
        app.state.database, app.state.settings = database, settings
        app.state.intake, app.state.agent_door = intake, door
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://hub") as client:
            yield client


async def stored_samples(database: Database, tenant_id: UUID) -> int:
    """Return how many samples the tenant has."""
    async with database.transaction(tenant_id=tenant_id) as session:
        return await session.scalar(select(func.count()).select_from(MetricSample)) or 0
