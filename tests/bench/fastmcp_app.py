"""FastMCP with the same statement over asyncpg: no authorization, no RLS, no audit."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
from fastmcp import FastMCP
from starlette.applications import Starlette

from tests.bench.alerts_sql import ALERTS_PAGE, page_of


def create_app() -> Starlette:
    """Return FastMCP as it is deployed: stateless, JSON answers."""
    tenant_id = UUID(os.environ["BENCH_TENANT_ID"])
    state: dict[str, asyncpg.Pool] = {}

    @asynccontextmanager
    async def lifespan(_server: object) -> AsyncIterator[None]:
        async with asyncpg.create_pool(os.environ["BENCH_OWNER_URL"], max_size=12) as pool:
            state["pool"] = pool
            yield

    server: FastMCP = FastMCP("bench", lifespan=lifespan)

    @server.tool  # type: ignore[untyped-decorator] # installed in the bench group only
    async def monsys_list_alerts(
        severity: str | None = None,  # noqa: ARG001 - the same schema as the hub's tool
        category: str | None = None,  # noqa: ARG001
        agent: str | None = None,  # noqa: ARG001
        limit: int = 20,
        after: str | None = None,  # noqa: ARG001
    ) -> dict[str, Any]:
        """List open alerts, worst and newest first."""
        rows = await state["pool"].fetch(ALERTS_PAGE, tenant_id, limit + 1)
        return page_of(rows, limit)

    app: Starlette = server.http_app(path="/mcp", stateless_http=True, json_response=True)
    return app
