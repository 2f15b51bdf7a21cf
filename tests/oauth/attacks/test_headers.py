"""Attacks with headers that proxies and frameworks like to believe."""

import httpx2
import pytest

from hub.database import Database
from hub.settings import Settings
from tests.oauth.attacks.scene import Scene
from tests.oauth.browser import Browser
from tests.oauth.conftest import API_ORIGIN, make_app
from tests.oauth.flow import REGISTER, Client

FORGED = {
    "Host": "evil.example",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Port": "81",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": "host=evil.example;proto=http",
    "X-Original-URL": "/evil",
}
DOCUMENTS = (
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-protected-resource/mcp",
)


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_discovery_does_not_believe_the_host_header(
    path: str, api: httpx2.AsyncClient
) -> None:
    """RFC 8414 §6.2, RFC 9728 §7.3: a poisoned cache would send clients to the attacker."""
    honest = await api.get(path)
    forged = await api.get(path, headers=FORGED)
    assert forged.json() == honest.json()
    assert "evil" not in forged.text


async def test_redirects_do_not_believe_the_host_header(browser: Browser, client: Client) -> None:
    """RFC 9700 §4.11: neither the way to sign-in nor the answer to the client moves."""
    to_sign_in = await browser.http.get(client.authorize_url(), headers=FORGED)
    assert to_sign_in.headers["location"].startswith("https://app.example.com/sign-in?")
    error = await browser.http.get(client.authorize_url(scope="nonsense"), headers=FORGED)
    assert "iss=https%3A%2F%2Fapi.example.com" in error.headers["location"]
    assert "evil" not in to_sign_in.headers["location"] + error.headers["location"]


async def test_the_old_clients_way_to_the_endpoint_does_not_move(api: httpx2.AsyncClient) -> None:
    """RFC 9700 §4.11."""
    response = await api.get("/authorize?client_id=a", headers=FORGED)
    assert response.headers["location"].startswith("https://app.example.com/mcp/oauth/authorize?")


async def test_a_forwarded_address_does_not_escape_the_limits(
    settings: Settings, database: Database, scene: Scene
) -> None:
    """RFC 7239 §8.1: only a proxy that the operator named may say where a request comes from."""
    app = make_app(settings.model_copy(update={"registrations_per_hour": 2}), database)
    transport = httpx2.ASGITransport(app, client=("203.0.113.11", 1))
    body = {"redirect_uris": ["https://a.example/callback"]}
    async with httpx2.AsyncClient(transport=transport, base_url=API_ORIGIN) as http:
        for number in range(2):
            headers = {"X-Forwarded-For": f"198.51.100.{number}", "X-Real-IP": "198.51.100.9"}
            await http.post(REGISTER, json=body, headers=headers)
        await scene.begin()
        headers = {"X-Forwarded-For": "198.51.100.77", "Forwarded": "for=198.51.100.78"}
        response = await http.post(REGISTER, json=body, headers=headers)
    await scene.refused(response, status=429, error="too_many_requests", reason="too_many")


async def test_a_foreign_host_is_not_served_the_connector(
    api: httpx2.AsyncClient, scene: Scene
) -> None:
    """MCP transports, "Security Warning" (DNS rebinding)."""
    await scene.begin()
    response = await api.post("/mcp", json={}, headers={"Host": "evil.example"})
    assert response.status_code in {403, 421}
    assert await scene.is_unchanged()


async def test_a_request_id_cannot_be_planted_in_the_trace(api: httpx2.AsyncClient) -> None:
    """RFC 9700 §4: what an operator reads was not written by the caller."""
    response = await api.post("/mcp/oauth/token", headers={"X-Request-Id": "planted"})
    assert response.headers["x-request-id"] != "planted"
    assert response.json()["request_id"] == response.headers["x-request-id"]
