"""What client programs are told when something breaks on our side: OAuth's shape, nothing of ours.

Clients parse `error` as a string, and fail a second time over anything else (RFC 6749 §5.2).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from hub.database import Database
from hub.settings import Settings
from oauth.metadata import INTROSPECT_PATH, REGISTER_PATH, REVOKE_PATH, TOKEN_PATH
from tests.oauth.conftest import API_ORIGIN, make_app

FORMS = {
    TOKEN_PATH: {"grant_type": "refresh_token", "refresh_token": "mrt_x", "client_id": "mcp_x"},
    REVOKE_PATH: {"token": "mat_x", "client_id": "mcp_x"},
    INTROSPECT_PATH: {"token": "mat_x", "client_id": "mcp_x"},
}


def failed(sqlstate: str) -> DBAPIError:
    """Return what a statement raises that PostgreSQL refused."""
    orig: Any = RuntimeError("SELECT secret FROM somewhere")
    orig.sqlstate = sqlstate
    return DBAPIError("SELECT secret FROM somewhere", None, orig)


class BrokenDatabase(Database):
    """A database on which every transaction fails."""

    def __init__(self, url: str, error: Exception) -> None:
        super().__init__(url)
        self._error = error

    @asynccontextmanager
    async def transaction(self, **_: object) -> AsyncIterator[AsyncSession]:
        raise self._error
        yield AsyncSession()


async def answer_of(path: str, error: Exception, settings: Settings, url: str) -> httpx2.Response:
    broken = BrokenDatabase(url, error)
    transport = httpx2.ASGITransport(make_app(settings, broken))
    async with httpx2.AsyncClient(transport=transport, base_url=API_ORIGIN) as http:
        if path == REGISTER_PATH:
            return await http.post(path, json={"redirect_uris": ["https://claude.ai/cb"]})
        return await http.post(path, data=FORMS[path])


@pytest.mark.parametrize("path", [*FORMS, REGISTER_PATH])
@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (failed("53300"), 503, "temporarily_unavailable"),  # too many connections
        (failed("40P01"), 503, "temporarily_unavailable"),  # a deadlock
        (failed("57P01"), 503, "temporarily_unavailable"),  # PostgreSQL is shut down
        (ConnectionRefusedError("/run/postgresql"), 503, "temporarily_unavailable"),
        (failed("42703"), 500, "server_error"),
        (RuntimeError("a bug"), 500, "server_error"),
    ],
    ids=["connections", "deadlock", "shutdown", "refused", "sql", "bug"],
)
async def test_a_fault_is_told_in_the_shape_that_clients_parse(
    path: str, error: Exception, status: int, name: str, settings: Settings, database: Database
) -> None:
    response = await answer_of(path, error, settings, database.url)

    body = response.json()
    assert (response.status_code, body["error"]) == (status, name)
    assert body["request_id"] == response.headers["x-request-id"]
    assert body.keys() == {"error", "error_description", "request_id"}
    assert "secret" not in response.text
    assert "postgresql" not in response.text
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers.get("retry-after") == ("5" if status == 503 else None)
