"""A connector on loopback with a fake bearer check: what these tests talk to."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, override
from uuid import UUID, uuid4

import httpx2
import uvicorn
from sqlalchemy import select
from starlette.applications import Starlette

from hub.audit.models import AuditRow, McpCall
from hub.audit.writer import AuditWriter
from hub.database import Database
from hub.errors import Forbidden, Unauthenticated
from hub.principal import Principal
from hub.settings import Settings
from mcp_adapter.server import build_mcp

MODERN = "2026-07-28"
LEGACY = ("2025-11-25", "2025-06-18", "2025-03-26")


class FakeAuthenticator:
    """Knows the tokens that tests handed out."""

    def __init__(self) -> None:
        self.principals: dict[str, Principal] = {}

    def token_for(self, principal: Principal) -> str:
        """Return a token that speaks for this principal."""
        token = f"mat_{uuid4().hex}"
        self.principals[token] = principal
        return token

    async def authenticate(self, token: str) -> Principal:
        """Return the principal; the two ways of refusing have a token each."""
        if token == "mat_switched_off":
            raise Forbidden("The connector is switched off.")
        if token == "mat_fault":
            raise OSError("the database is away")
        try:
            return self.principals[token]
        except KeyError:
            raise Unauthenticated('The "access token" has expired.') from None

    async def turned_away(
        self, reason: str, *, shown: Sequence[str] = (), address: str, request_id: str
    ) -> None:
        """Remember nothing: what is written down is tested where it is."""


@dataclass
class RunningHub:
    """A connector that is being served, and how to talk to it."""

    url: str
    authenticator: FakeAuthenticator
    database: Database
    settings: Settings
    http: httpx2.AsyncClient

    async def post(
        self,
        message: object,
        *,
        token: str | None = None,
        path: str = "/mcp",
        headers: dict[str, str] | None = None,
    ) -> httpx2.Response:
        """Post one body: JSON, or bytes as they are."""
        sent = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        content = message if isinstance(message, bytes) else None
        return await self.http.post(
            path,
            content=content,
            json=None if content is not None else message,
            headers=sent | (headers or {}),
        )

    async def call(
        self,
        name: object,
        arguments: object = None,
        *,
        token: str,
        revision: str = MODERN,
    ) -> httpx2.Response:
        """Call a tool as a client of this revision does."""
        params: dict[str, object] = {"name": name}
        if arguments is not None:
            params["arguments"] = arguments
        message, headers = request("tools/call", params, revision=revision)
        return await self.post(message, token=token, headers=headers)

    async def calls_of(self, tenant_id: UUID) -> list[tuple[str, str, str]]:
        """Return tool, arguments' hash and status of every logged call, oldest first."""
        statement = (
            select(McpCall.tool_name, McpCall.args_hash, McpCall.result_status)  # type: ignore[call-overload]
            .where(McpCall.tenant_id == tenant_id)
            .order_by(McpCall.called_at)
        )
        async with self.database.transaction(tenant_id=tenant_id) as session:
            return [tuple(row) for row in await session.execute(statement)]

    async def audited_calls_of(self, tenant_id: UUID) -> list[tuple[str, str, str]]:
        """Return the same of the tenant's audit trail."""
        statement = (
            select(AuditRow.details, AuditRow.outcome)  # type: ignore[call-overload]
            .where(AuditRow.event_type == "mcp_tool_invoked")
            .order_by(AuditRow.seq)
        )
        async with self.database.transaction(tenant_id=tenant_id) as session:
            rows = (await session.execute(statement)).all()
        return [(row.details["tool_name"], row.details["args_hash"], row.outcome) for row in rows]


def request(
    method: str,
    params: Mapping[str, object] | None = None,
    *,
    revision: str = MODERN,
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the message and the headers of a request in this revision."""
    params = dict(params or {})
    headers = {"MCP-Protocol-Version": revision}
    if revision == MODERN:
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": revision,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        headers["Mcp-Method"] = method
        if "name" in params:
            headers["Mcp-Name"] = str(params["name"])
    if revision == "2025-03-26":
        headers = {}
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, headers


class _Server(uvicorn.Server):
    """Leaves the signal handlers to pytest, and says when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    @contextmanager
    @override
    def capture_signals(self) -> Iterator[None]:
        yield

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


@asynccontextmanager
async def running_hub(database: Database, **overrides: object) -> AsyncIterator[RunningHub]:
    """Serve a connector on a free port until the block ends."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = Settings(api_origin=url, **overrides)  # type: ignore[arg-type]
        authenticator = FakeAuthenticator()
        writer = AuditWriter(database)
        endpoint = build_mcp(settings, database, authenticator, writer)

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            async with writer, endpoint.run():
                yield

        app = Starlette(routes=list(endpoint.routes), lifespan=lifespan)
        server = _Server(uvicorn.Config(app, log_config=None))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await server.is_up.wait()
        async with httpx2.AsyncClient(base_url=url, timeout=30) as http:
            yield RunningHub(url, authenticator, database, settings, http)
        server.should_exit = True
        await serving
