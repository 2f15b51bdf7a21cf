"""The floor: Starlette, asyncpg and orjson, and nothing else."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.bench.alerts_sql import ALERTS_PAGE, page_of


def create_app() -> Starlette:
    """Return an endpoint that answers any tools/call with a page of alerts."""
    tenant_id = UUID(os.environ["BENCH_TENANT_ID"])

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with asyncpg.create_pool(os.environ["BENCH_OWNER_URL"], max_size=12) as pool:
            app.state.pool = pool
            yield

    async def call(request: Request) -> Response:
        message: dict[str, Any] = orjson.loads(await request.body())
        limit = message["params"]["arguments"]["limit"]
        rows = await request.app.state.pool.fetch(ALERTS_PAGE, tenant_id, limit + 1)
        page = page_of(rows, limit)
        text = orjson.dumps(page).decode()
        result = {"content": [{"type": "text", "text": text}], "structuredContent": page}
        body = orjson.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result})
        return Response(body, media_type="application/json")

    return Starlette(routes=[Route("/mcp", call, methods=["POST"])], lifespan=lifespan)
