"""Streamable HTTP by raw requests: who is let in, from where, and with what."""

from typing import Any

import pytest

from hub.tenancy.models import Tenant
from tests.mcp_adapter.hub_in_test import RunningHub, request

LIST_ALERTS = "monsys_list_alerts"
CALL = {"name": LIST_ALERTS}
PATHS = {
    "/mcp": "/.well-known/oauth-protected-resource/mcp",
    "/mcp/": "/.well-known/oauth-protected-resource/mcp",
    "/": "/.well-known/oauth-protected-resource",
}


def code_of(response: Any) -> int:
    return int(response.json()["error"]["code"])


# --- who is let in ----------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
async def test_without_credentials_a_client_learns_where_to_get_some(
    path: str, hub: RunningHub
) -> None:
    message, headers = request("tools/list")
    response = await hub.post(message, path=path, headers=headers)
    assert response.status_code == 401
    # RFC 6750 §3.1: no `error` when no credentials were sent.
    assert response.headers["www-authenticate"] == (
        f'Bearer scope="mcp.read", resource_metadata="{hub.url}{PATHS[path]}"'
    )


@pytest.mark.parametrize("path", PATHS)
async def test_all_addresses_answer_without_a_redirect(
    path: str, hub: RunningHub, token: str
) -> None:
    message, headers = request("tools/call", CALL)
    response = await hub.post(message, path=path, token=token, headers=headers)
    assert response.status_code == 200
    assert response.json()["result"]["isError"] is False


async def test_a_token_that_is_not_good_is_told_why(hub: RunningHub) -> None:
    response = await hub.post(request("tools/list")[0], token="mat_unknown")
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == (
        'Bearer error="invalid_token", error_description="The  access token  has expired.",'
        f' scope="mcp.read", resource_metadata="{hub.url}{PATHS["/mcp"]}"'
    )


async def test_a_connector_that_is_off_is_a_403_that_says_so(hub: RunningHub) -> None:
    response = await hub.post(request("tools/list")[0], token="mat_switched_off")
    assert response.status_code == 403
    assert response.json()["error"] == {"code": 403, "message": "The connector is switched off."}
    assert "www-authenticate" not in response.headers


async def test_a_fault_of_the_bearer_check_is_a_503(hub: RunningHub) -> None:
    response = await hub.post(request("tools/list")[0], token="mat_fault")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"
    assert "away" not in response.text


@pytest.mark.parametrize("authorization", ["Basic bWU6cGFzcw==", "mat_1", ""])
async def test_other_schemes_are_no_credentials(authorization: str, hub: RunningHub) -> None:
    response = await hub.post({}, headers={"Authorization": authorization})
    assert response.status_code == 401
    assert "error=" not in response.headers["www-authenticate"]


@pytest.mark.parametrize("authorization", ["Bearer", "Bearer a b", "Bearer ü"])
async def test_a_malformed_bearer_header_is_a_bad_request(
    authorization: str, hub: RunningHub
) -> None:
    headers = {b"Authorization": authorization.encode("latin-1")}
    response = await hub.http.post("/mcp", json={}, headers=headers)
    assert response.status_code == 400
    assert 'error="invalid_request"' in response.headers["www-authenticate"]


async def test_a_token_in_the_address_is_refused(
    hub: RunningHub, tenant: Tenant, token: str
) -> None:
    message, headers = request("tools/call", CALL)
    path = f"/mcp?access_token={token}"
    assert (await hub.post(message, path=path, headers=headers)).status_code == 400
    assert (await hub.post(message, path=path, token=token, headers=headers)).status_code == 400
    assert await hub.calls_of(tenant.id) == []


# --- which pages and hosts --------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://claude.ai", 200),
        ("https://claude.com", 200),
        ("http://localhost:6274", 200),
        ("https://claude.ai.evil.example", 403),
        ("http://localhost.evil.example", 403),
        ("http://localhost:6274/path", 403),
        ("http://localhost:99999", 403),
        ("null", 403),
    ],
)
async def test_only_known_pages_may_call(
    origin: str, status: int, hub: RunningHub, token: str
) -> None:
    message, headers = request("tools/call", CALL)
    response = await hub.post(message, token=token, headers=headers | {"Origin": origin})
    assert response.status_code == status
    allowed = response.headers.get("access-control-allow-origin")
    assert allowed == (origin if status == 200 else None)


async def test_a_browser_may_ask_before_it_posts(hub: RunningHub) -> None:
    asked = {
        "Origin": "https://claude.ai",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, mcp-method",
    }
    response = await hub.http.options("/mcp", headers=asked)
    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == "https://claude.ai"
    allowed = response.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "content-type", "mcp-method", "mcp-name"} <= set(allowed)
    challenge = await hub.post({}, headers={"Origin": "https://claude.ai"})
    exposed = challenge.headers["access-control-expose-headers"]
    assert "WWW-Authenticate" in exposed


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:1", 200), ("[::1]", 200), ("evil.example", 421), ("127.0.0.1.evil.example", 421)],
)
async def test_only_our_hosts_are_answered_for(
    host: str, status: int, hub: RunningHub, token: str
) -> None:
    message, headers = request("tools/call", CALL)
    response = await hub.post(message, token=token, headers=headers | {"Host": host})
    assert response.status_code == status


# --- what HTTP may carry ----------------------------------------------------


@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "/"])
@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_other_methods_are_405(path: str, method: str, hub: RunningHub, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    response = await hub.http.request(method, path, headers=headers)
    assert response.status_code == 405
    assert "POST" in response.headers["allow"]


async def test_who_opens_the_address_in_a_browser_reads_what_it_is(hub: RunningHub) -> None:
    response = await hub.http.get("/mcp", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert response.json()["error"]["message"] == (
        "This is the connector's address: MCP clients send their messages here with POST."
        " /docs/claude-connector says how to connect one."
    )


@pytest.mark.parametrize("framing", ["declared", "chunked"])
async def test_a_5_mb_body_is_too_large(framing: str, hub: RunningHub, token: str) -> None:
    async def chunks() -> Any:
        for _ in range(80):
            yield b" " * 65_536

    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    content = chunks() if framing == "chunked" else b" " * 5_242_880
    response = await hub.http.post("/mcp", content=content, headers=headers)
    assert response.status_code == 413


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"", -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping\xff"}', -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}', -32700),
        (b'"text"', -32600),
        (b'{"id":1,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"params":' + b"[" * 90 + b"]" * 90 + b"}", -32600),
    ],
)
async def test_a_body_that_is_no_message_is_a_400(
    body: bytes, code: int, hub: RunningHub, token: str
) -> None:
    response = await hub.post(body, token=token)
    assert response.status_code == 400
    assert code_of(response) == code


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
        ({"Accept": "text/html"}, 406),
        ({"Accept": "text/event-stream"}, 406),
        ({"Accept": "application/json;q=0.9"}, 200),
        ({"Accept": "*/*"}, 200),
    ],
)
async def test_media_types_are_json(
    headers: dict[str, str], status: int, hub: RunningHub, token: str
) -> None:
    message, required = request("tools/call", CALL)
    response = await hub.post(message, token=token, headers=required | headers)
    assert response.status_code == status
