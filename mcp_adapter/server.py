"""Puts the connector together; the composition root mounts what `build_mcp` returns."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.routing import Route
from starlette.types import ASGIApp

from hub.audit.writer import AuditWriter
from hub.database import Database
from hub.settings import Settings
from mcp_adapter.answers import CallAnswers
from mcp_adapter.calls import ToolCaller
from mcp_adapter.credentials import Authenticator, Challenge
from mcp_adapter.guard import Guard
from mcp_adapter.rate_limit import RateLimit
from mcp_adapter.sdk_server import build_server
from mcp_adapter.tools import tools
from mcp_adapter.transport import Transport

_METADATA_PATH = "/.well-known/oauth-protected-resource"


@dataclass(frozen=True)
class McpEndpoint:
    """The connector's routes, and what must run while they are served."""

    routes: list[Route]
    posted: Mapping[str, ASGIApp]  # by path: what answers a POST, for `FirstDoor`
    _sessions: StreamableHTTPSessionManager

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Serve for as long as the block lasts; once only."""
        async with self._sessions.run():
            yield


def build_mcp(
    settings: Settings,
    database: Database,
    authenticator: Authenticator,
    audit_writer: AuditWriter,
) -> McpEndpoint:
    """Return the connector of this configuration."""
    server = build_server(website_url=settings.public_app_origin)
    sessions = StreamableHTTPSessionManager(
        server,
        stateless=True,
        json_response=True,
        max_request_body_size=settings.max_request_bytes,
    )
    rate_limit = RateLimit(
        settings.rate_limit_storage_url, calls_per_minute=settings.mcp_calls_per_minute
    )
    caller = ToolCaller(database, audit_writer, rate_limit, tools())
    guard = Guard.of(settings)

    def transport(metadata_path: str) -> Transport:
        challenge = Challenge(f"{settings.api_origin}{metadata_path}")
        return Transport(
            guard=guard,
            challenge=challenge,
            authenticator=authenticator,
            caller=caller,
            sdk=sessions.handle_request,
            answers=CallAnswers(challenge, server.server_info_stamp),
            max_request_bytes=settings.max_request_bytes,
        )

    at_path, at_origin = transport(f"{_METADATA_PATH}/mcp"), transport(_METADATA_PATH)
    # Exact routes for both spellings: a mount would answer one of them with a redirect, which
    # clients do not follow with their POST. At the bare origin a browser's GET is somebody else's.
    routes = [
        Route("/mcp", at_path, include_in_schema=False),
        Route("/mcp/", at_path, include_in_schema=False),
        Route("/", at_origin, methods=["POST", "OPTIONS"], include_in_schema=False),
    ]
    posted: dict[str, ASGIApp] = {"/mcp": at_path, "/mcp/": at_path, "/": at_origin}
    return McpEndpoint(routes=routes, posted=posted, _sessions=sessions)
