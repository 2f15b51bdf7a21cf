"""What the tests of live updates share: a client of the WebSocket, and things that happen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Self

import orjson
import websockets

from hub.alerts.commands import open_alert
from hub.alerts.models import AlertCategory
from hub.database import Database
from hub.principal import Role
from hub.severity import Severity
from hub.tenancy.models import Tenant
from hub.tenancy.sessions import new_session_token, open_session
from hub_schema.operations import operations
from tests.factories import make_user
from tests.running_hub import RunningHub

PROTOCOL = "graphql-transport-ws"
SOON = 10.0


class Watcher:
    """A client of the WebSocket, speaking the protocol word by word."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket

    async def say(self, **message: Any) -> None:
        """Send one message."""
        await self.socket.send(orjson.dumps(message).decode())

    async def hear(self) -> dict[str, Any]:
        """Return the next message."""
        async with asyncio.timeout(SOON):
            message: dict[str, Any] = orjson.loads(await self.socket.recv())
        return message

    async def subscribe(self, name: str, **variables: Any) -> Self:
        """Subscribe to a persisted document; what comes next comes from it."""
        document_id = operations("dashboard")[name].document_id
        payload = {"documentId": document_id, "variables": variables}
        await self.say(type="subscribe", id=name, payload=payload)
        await asyncio.sleep(0.2)  # the protocol has no word for "listening now"
        return self

    async def change(self) -> dict[str, Any]:
        """Return what the next change tells."""
        message = await self.hear()
        assert message["type"] == "next", message
        (change,) = message["payload"]["data"].values()
        assert isinstance(change, dict)
        return change

    async def end(self) -> int:
        """Wait for the connection to be closed; return the code."""
        async with asyncio.timeout(SOON):
            await self.socket.wait_closed()
        code = self.socket.close_code
        assert code is not None
        return code


@asynccontextmanager
async def connected(hub: RunningHub, token: str | None, **options: Any) -> AsyncIterator[Watcher]:
    """Connect as a page of the hub does."""
    headers = {"Cookie": f"monsys_session={token}"} if token else {}
    url = hub.origin.replace("http", "ws", 1) + "/graphql"
    settings: dict[str, Any] = {"subprotocols": [PROTOCOL], "additional_headers": headers}
    async with websockets.connect(url, proxy=None, **(settings | options)) as socket:
        yield Watcher(socket)


@asynccontextmanager
async def watching(
    hub: RunningHub, database: Database, tenant: Tenant, role: Role = Role.VIEWER
) -> AsyncIterator[tuple[Watcher, str]]:
    """Sign a member in, and open the protocol."""
    token = await signed_in(database, tenant, role)
    async with connected(hub, token) as watcher:
        await watcher.say(type="connection_init")
        assert await watcher.hear() == {"type": "connection_ack"}
        yield watcher, token


async def signed_in(database: Database, tenant: Tenant, role: Role) -> str:
    """Return the cookie of a new member of the tenant."""
    user, token = await make_user(database, tenant, role=role), new_session_token()
    async with database.transaction() as session:
        await open_session(
            session,
            token=token,
            tenant_id=tenant.id,
            user_id=user.id,
            email=user.email,
            lifetime=timedelta(hours=1),
        )
    return token


async def open_one(database: Database, tenant: Tenant, fingerprint: str, **options: Any) -> None:
    """Open an alert."""
    async with database.transaction(tenant_id=tenant.id) as session:
        await open_alert(
            session,
            tenant_id=tenant.id,
            fingerprint=fingerprint,
            category=AlertCategory.CAPACITY,
            title=fingerprint,
            severity=options.pop("severity", Severity.HIGH),
            **options,
        )
