"""The endpoint behind a client that speaks HTTP to it, with a signed-in person of one's choice."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request

from hub.database import Database
from hub.principal import Principal
from hub.settings import Settings
from hub_schema.http import graphql_routes

ORIGIN = "https://hub.example.com"
APP_ORIGIN = "https://app.example.com"
MAX_BYTES = 100_000
GRAPHQL_RESPONSE = "application/graphql-response+json"


class GraphQLClient:
    """Sends requests as a page of the hub does."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http

    async def post(
        self, *, accept: str | None = GRAPHQL_RESPONSE, **parameters: Any
    ) -> httpx2.Response:
        """Send these parameters."""
        headers = {} if accept is None else {"Accept": accept}
        return await self.http.post("/graphql", json=parameters, headers=headers)

    async def post_body(self, body: bytes, **headers: str) -> httpx2.Response:
        """Send this body, as JSON unless the headers say otherwise."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(
            "/graphql", content=body, headers={"Content-Type": "application/json"} | named
        )


@asynccontextmanager
async def signed_in(
    database: Database, principal: Principal | None
) -> AsyncIterator[GraphQLClient]:
    """Serve the endpoint to this person; to nobody when there is none."""

    async def principal_of(_request: Request) -> Principal | None:
        return principal

    settings = Settings(
        api_origin=ORIGIN, app_origin=APP_ORIGIN, max_request_bytes=MAX_BYTES, _env_file=None
    )
    app = Starlette(routes=graphql_routes(settings, principal_of=principal_of))
    app.state.database = database
    app.state.settings = settings
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as http:
        # httpx2 would otherwise accept everything on its own account.
        del http.headers["accept"]
        yield GraphQLClient(http)


def codes(response: httpx2.Response) -> list[str]:
    """Return the codes of the errors in the answer."""
    return [error["extensions"]["code"] for error in response.json()["errors"]]
