"""Attacks with headers that proxies and frameworks like to believe."""

import httpx2
import pytest

from hub.database import Database
from hub.settings import Settings
from oauth.trace import steps
from tests.oauth.attacks.scene import Scene
from tests.oauth.conftest import API_ORIGIN, make_app
from tests.oauth.flow import REGISTER

PATHS = (
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-protected-resource/mcp",
    "/authorize?client_id=a",
    "/mcp/oauth/authorize?client_id=a",
    "/sign-in",
    "/password/forgot",
)
HOSTS = (
    "evil.example",
    "api.example.com.evil.example",
    "api.example.com@evil.example",
    "api.example.com:81",
    "[::1",
    "",
)


async def test_a_forwarded_address_does_not_escape_the_limits(
    settings: Settings, database: Database, scene: Scene, address: str
) -> None:
    """RFC 7239 §8.1: only a proxy that the operator named may say where a request comes from."""
    app = make_app(settings.model_copy(update={"registrations_per_hour": 2}), database)
    transport = httpx2.ASGITransport(app, client=(address, 1))
    body = {"redirect_uris": ["https://a.example/callback"]}
    async with httpx2.AsyncClient(transport=transport, base_url=API_ORIGIN) as http:
        for number in range(2):
            headers = {"X-Forwarded-For": f"198.51.100.{number}", "X-Real-IP": "198.51.100.9"}
            await http.post(REGISTER, json=body, headers=headers)
        await scene.begin()
        headers = {"X-Forwarded-For": "198.51.100.77", "Forwarded": "for=198.51.100.78"}
        response = await http.post(REGISTER, json=body, headers=headers)
    await scene.refused(response, status=429, error="too_many_requests", reason="too_many")


@pytest.mark.parametrize("path", PATHS)
async def test_what_is_asked_of_another_host_is_not_answered(
    path: str, api: httpx2.AsyncClient, scene: Scene
) -> None:
    """RFC 8414 §6.2, RFC 9728 §7.3, RFC 9700 §4.11: no poisoned cache, no moved redirect."""
    await scene.begin()
    response = await api.get(path, headers={"Host": "evil.example"})
    await scene.refused(response, status=421, reason="misdirected", audited=False)
    assert "evil" not in response.text


@pytest.mark.parametrize("name", HOSTS)
async def test_a_name_that_looks_like_ours_is_not_ours(
    name: str, api: httpx2.AsyncClient, scene: Scene
) -> None:
    """RFC 9110 §7.4: compared whole, with its port."""
    await scene.begin()
    response = await api.post(REGISTER, json={}, headers={"Host": name})
    await scene.refused(response, status=421, reason="misdirected", audited=False)


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({"Host": "evil.example"}, 421, "host is not served"),
        ({"Origin": "https://evil.example"}, 403, "origin may not call"),
        ({"Origin": "null"}, 403, "origin may not call"),
    ],
    ids=["host", "origin", "sandboxed frame"],
)
async def test_a_page_elsewhere_is_not_served_the_connector(
    headers: dict[str, str], status: int, reason: str, api: httpx2.AsyncClient, scene: Scene
) -> None:
    """MCP transports, "Security Warning" (DNS rebinding)."""
    await scene.begin()
    response = await api.post("/mcp", json={}, headers=headers)
    await scene.refused(response, status=status, reason=reason, audited=False)


async def test_a_request_id_cannot_be_planted_in_the_trace(
    api: httpx2.AsyncClient, scene: Scene, database: Database
) -> None:
    """RFC 9700 §4: what an operator reads was not written by the caller."""
    await scene.begin()
    response = await api.post("/mcp/oauth/token", headers={"X-Request-Id": "planted"})
    await scene.refused(response, status=400, error="invalid_request", reason="form-urlencoded")
    assert response.headers["x-request-id"] != "planted"
    async with database.transaction(presented="*") as session:
        assert await steps(session, request_id="planted", since=scene.tenant.created_at) == []
