"""Claude's side of the connector: registers, is allowed in, and calls tools over JSON-RPC."""

import base64
import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx2

from tests.acceptance.person import Account, Person, callback_parameters

BOTH_SCOPES = "mcp.read mcp.acknowledge"


class ToolRefused(Exception):  # noqa: N818 - reads as what happened
    """The tool answered with an error that the model can read."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


@dataclass(frozen=True)
class Pkce:
    """The article's recipe: 32 random bytes in hex, and the base64url of their SHA-256."""

    verifier: str = field(default_factory=lambda: secrets.token_bytes(32).hex())

    @property
    def challenge(self) -> str:
        """Return what the authorization request shows of the verifier."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass
class Connector:
    """A client with an access token."""

    url: str
    token: str
    http: httpx2.AsyncClient

    async def post(self, body: bytes) -> httpx2.Response:
        """Send one message with the headers that the article's curl lines have."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        return await self.http.post(self.url, content=body, headers=headers)

    async def request(self, method: str, **params: object) -> httpx2.Response:
        """Send one JSON-RPC request."""
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        headers = {"Authorization": f"Bearer {self.token}"}
        return await self.http.post(self.url, json=message, headers=headers)

    async def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        """Call a tool and return its structured content; ToolRefused when it is an error."""
        response = await self.request("tools/call", name=tool, arguments=arguments)
        answer = response.json()
        if "error" in answer:
            raise ToolRefused(answer["error"]["message"], response.status_code)
        result = answer["result"]
        if result.get("isError"):
            raise ToolRefused(result["content"][0]["text"], response.status_code)
        content: dict[str, Any] = result["structuredContent"]
        return content

    async def tools(self) -> list[dict[str, Any]]:
        """Return the definitions of all tools."""
        tools: list[dict[str, Any]] = (await self.request("tools/list")).json()["result"]["tools"]
        return tools


async def register(http: httpx2.AsyncClient, origin: str, *, redirect_uri: str) -> str:
    """Register a public client; return its id."""
    metadata = {"client_name": "acceptance", "redirect_uris": [redirect_uri]}
    response = await http.post(f"{origin}/mcp/oauth/register", json=metadata)
    assert response.status_code == 201, response.text
    client_id: str = response.json()["client_id"]
    return client_id


async def connect(
    http: httpx2.AsyncClient,
    origin: str,
    app_origin: str,
    account: Account,
    *,
    scope: str = BOTH_SCOPES,
    redirect_uri: str = "https://claude.ai/oauth/callback",
    ticks: Iterable[str] = (),
) -> Connector:
    """Go the article's whole way, from registration to a token.

    `ticks` are the boxes that the person ticks on the consent page.
    """
    client_id = await register(http, origin, redirect_uri=redirect_uri)
    pkce = Pkce()
    query = urlencode(
        {
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": scope,
            "code_challenge": pkce.challenge,
            "code_challenge_method": "S256",
        }
    )
    async with Person(account, ticks=ticks) as person:
        back = await person.allow(f"{app_origin}/mcp/oauth/authorize?{query}")
    response = await http.post(
        f"{origin}/mcp/oauth/token",
        data={
            "grant_type": "authorization_code",
            "code": callback_parameters(back)["code"],
            "redirect_uri": redirect_uri,
            "client_id": client_id,
            "code_verifier": pkce.verifier,
        },
    )
    assert response.status_code == 200, response.text
    return Connector(f"{origin}/mcp", response.json()["access_token"], http)
