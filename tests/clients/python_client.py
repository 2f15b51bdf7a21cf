"""The Python SDK, in the test's own process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
    OAuthToken,
)
from pydantic import AnyUrl

from tests.clients.loopback import loopback_callback
from tests.clients.real_client import Surroundings


class Memory:
    """Keeps what the SDK wants kept, for as long as a test lasts."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class SdkClient:
    """A `Client` of the SDK, whatever its transport."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def tools(self) -> list[str]:
        """Return the names of the tools it sees."""
        return [tool.name for tool in (await self._client.list_tools()).tools]

    async def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Call a tool and return its structured content."""
        answer = await self._client.call_tool(tool, arguments)
        assert not answer.is_error, answer.content
        content: dict[str, Any] | None = answer.structured_content
        assert content is not None
        return content


@asynccontextmanager
async def python_sdk(place: Surroundings) -> AsyncIterator[SdkClient]:
    """Connect with the SDK's own OAuth provider and a listener on loopback."""
    async with loopback_callback() as callback:

        async def came_back() -> AuthorizationCodeResult:
            return AuthorizationCodeResult(**await callback.parameters())

        provider = OAuthClientProvider(
            place.mcp_url,
            OAuthClientMetadata(
                client_name="python-sdk",
                redirect_uris=[AnyUrl(callback.uri)],
                token_endpoint_auth_method="none",
            ),
            Memory(),
            redirect_handler=place.open_link,
            callback_handler=came_back,
            client_metadata_url=place.document_url,
        )
        async with (
            httpx2.AsyncClient(auth=provider, timeout=60, trust_env=False) as http,
            Client(streamable_http_client(place.mcp_url, http_client=http), mode="auto") as client,
        ):
            yield SdkClient(client)
