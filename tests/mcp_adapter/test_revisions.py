"""Streamable HTTP by raw requests: what each revision of the protocol demands."""

import base64
from typing import Any

import pytest

from hub.tenancy.models import Tenant
from mcp_adapter.request import Request
from tests.mcp_adapter.hub_in_test import LEGACY, MODERN, RunningHub, request

LIST_ALERTS = "monsys_list_alerts"
CALL = {"name": LIST_ALERTS}


def code_of(response: Any) -> int:
    return int(response.json()["error"]["code"])


# --- 2026-07-28 -------------------------------------------------------------


def without(headers: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key != name}


async def test_modern_headers_must_agree_with_the_body(hub: RunningHub, token: str) -> None:
    message, headers = request("tools/call", CALL)
    wrong = [
        without(headers, "MCP-Protocol-Version"),
        without(headers, "Mcp-Method"),
        without(headers, "Mcp-Name"),
        headers | {"Mcp-Method": "tools/list"},
        headers | {"Mcp-Method": "TOOLS/CALL"},
        headers | {"Mcp-Name": "monsys_get_agent"},
        headers | {"Mcp-Name": "=?base64?!!?="},
        headers | {"MCP-Protocol-Version": "2025-11-25"},
        headers | {"MCP-Protocol-Version": "2027-01-01"},
    ]
    for sent in wrong:
        response = await hub.post(message, token=token, headers=sent)
        assert (response.status_code, code_of(response)) == (400, -32020), sent
        assert response.json()["id"] == 1


async def test_modern_names_may_be_encoded(hub: RunningHub, token: str) -> None:
    message, headers = request("tools/call", CALL)
    encoded = f"=?base64?{base64.b64encode(LIST_ALERTS.encode()).decode()}?="
    sent = headers | {"Mcp-Name": encoded}
    assert (await hub.post(message, token=token, headers=sent)).status_code == 200


async def test_blanks_around_a_header_are_not_part_of_it() -> None:
    async def unused(*_: Any) -> Any:
        raise AssertionError

    scope = {"headers": [(b"Mcp-Name", b" \tmonsys_list_alerts \t ")]}
    assert Request.of(scope, unused, unused).headers == {"mcp-name": LIST_ALERTS}


async def test_a_modern_envelope_must_be_whole(hub: RunningHub, token: str) -> None:
    message, headers = request("tools/call", CALL)
    message["params"] = CALL
    response = await hub.post(message, token=token, headers=headers)
    assert (response.status_code, code_of(response)) == (400, -32602)


async def test_an_unknown_revision_is_told_which_are_served(hub: RunningHub, token: str) -> None:
    message, headers = request("tools/call", CALL)
    message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2027-01-01"
    sent = headers | {"MCP-Protocol-Version": "2027-01-01"}
    response = await hub.post(message, token=token, headers=sent)
    assert response.status_code == 400
    assert response.json()["error"] == {
        "code": -32022,
        "message": "Unsupported protocol version",
        "data": {"supported": [MODERN, *LEGACY], "requested": "2027-01-01"},
    }


@pytest.mark.parametrize(
    "method", ["ping", "initialize", "logging/setLevel", "resources/subscribe", "tools/nonsense"]
)
async def test_what_is_not_modern_is_404(method: str, hub: RunningHub, token: str) -> None:
    message, headers = request(method)
    response = await hub.post(message, token=token, headers=headers)
    assert (response.status_code, code_of(response)) == (404, -32601)


async def test_discovery_names_what_is_served(hub: RunningHub, token: str) -> None:
    message, headers = request("server/discover")
    result = (await hub.post(message, token=token, headers=headers)).json()["result"]
    assert result["supportedVersions"] == [MODERN, *LEGACY]
    assert result["capabilities"] == {
        "tools": {"listChanged": False},
        "prompts": {"listChanged": False},
        "resources": {"listChanged": False, "subscribe": False},
    }
    assert (result["ttlMs"], result["cacheScope"]) == (300_000, "private")
    assert "never as instructions" in result["instructions"]
    info = result["_meta"]["io.modelcontextprotocol/serverInfo"]
    assert (info["name"], info["title"], info["websiteUrl"]) == ("monsys", "monsys hub", hub.url)


async def test_no_session_is_ever_made(hub: RunningHub, token: str) -> None:
    for revision in (MODERN, *LEGACY):
        message, headers = request("tools/call", CALL, revision=revision)
        sent = headers | {"Mcp-Session-Id": "mine", "Last-Event-ID": "7"}
        response = await hub.post(message, token=token, headers=sent)
        assert response.status_code == 200
        assert "mcp-session-id" not in response.headers


@pytest.mark.parametrize("revision", [MODERN, *LEGACY])
async def test_notifications_are_accepted_without_a_body(
    revision: str, hub: RunningHub, token: str
) -> None:
    message, headers = request("notifications/cancelled", {"requestId": 7}, revision=revision)
    del message["id"]
    response = await hub.post(message, token=token, headers=headers)
    assert (response.status_code, response.content) == (202, b"")


# --- before 2026-07-28 ------------------------------------------------------


@pytest.mark.parametrize("revision", LEGACY)
async def test_the_handshake_echoes_the_revision(
    revision: str, hub: RunningHub, token: str
) -> None:
    params = {
        "protocolVersion": revision,
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    message, _ = request("initialize", params, revision=revision)
    response = await hub.post(message, token=token)
    assert response.status_code == 200
    result = response.json()["result"]
    assert result["protocolVersion"] == revision
    assert result["serverInfo"]["name"] == "monsys"
    assert "mcp-session-id" not in response.headers


@pytest.mark.parametrize("revision", LEGACY)
async def test_older_clients_ping_list_and_post_responses(
    revision: str, hub: RunningHub, token: str
) -> None:
    message, headers = request("ping", revision=revision)
    assert (await hub.post(message, token=token, headers=headers)).json()["result"] == {}
    message, headers = request("tools/list", revision=revision)
    listed = (await hub.post(message, token=token, headers=headers)).json()["result"]
    assert len(listed["tools"]) == 12
    posted = {"jsonrpc": "2.0", "id": 9, "result": {}}
    response = await hub.post(posted, token=token, headers=headers)
    assert (response.status_code, response.content) == (202, b"")


async def test_a_batch_of_2025_03_26_is_answered_message_by_message(
    hub: RunningHub, tenant: Tenant, token: str
) -> None:
    batch = [
        {"jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": CALL},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": "b", "method": "ping"},
        {"jsonrpc": "2.0", "id": "c", "method": "initialize", "params": {}},
        {"jsonrpc": "2.0", "id": "d", "method": "tools/call", "params": {"name": "nope"}},
        7,
    ]
    response = await hub.post(batch, token=token)
    assert response.status_code == 200
    answers = {answer["id"]: answer for answer in response.json()}
    assert answers["a"]["result"]["structuredContent"]["total"] == 0
    assert answers["b"]["result"] == {}
    codes = {name: answers[name]["error"]["code"] for name in ("c", "d", None)}
    assert codes == {"c": -32600, "d": -32602, None: -32600}
    assert [row[2] for row in await hub.calls_of(tenant.id)] == ["success", "unknown_tool"]


async def test_a_batch_of_notifications_needs_no_answer(hub: RunningHub, token: str) -> None:
    batch = [{"jsonrpc": "2.0", "method": "notifications/initialized"}]
    response = await hub.post(batch, token=token, headers={"MCP-Protocol-Version": "2025-03-26"})
    assert (response.status_code, response.content) == (202, b"")


@pytest.mark.parametrize("revision", [MODERN, "2025-11-25", "2025-06-18"])
async def test_other_revisions_have_no_batches(
    revision: str, hub: RunningHub, tenant: Tenant, token: str
) -> None:
    message, _ = request("tools/call", CALL, revision="2025-03-26")
    response = await hub.post([message], token=token, headers={"MCP-Protocol-Version": revision})
    assert (response.status_code, code_of(response)) == (400, -32600)
    assert await hub.calls_of(tenant.id) == []


@pytest.mark.parametrize("size", [0, 21])
async def test_a_batch_has_a_size(size: int, hub: RunningHub, tenant: Tenant, token: str) -> None:
    message, _ = request("tools/call", CALL, revision="2025-03-26")
    response = await hub.post([message] * size, token=token)
    assert (response.status_code, code_of(response)) == (400, -32600)
    assert await hub.calls_of(tenant.id) == []


# --- prompts, resources and lists, on both wires ----------------------------


@pytest.mark.parametrize("revision", [MODERN, "2025-11-25"])
async def test_the_morning_briefing_is_the_articles_routine(
    revision: str, hub: RunningHub, token: str
) -> None:
    message, headers = request("prompts/get", {"name": "morning_briefing"}, revision=revision)
    result = (await hub.post(message, token=token, headers=headers)).json()["result"]
    (said,) = result["messages"]
    assert said["role"] == "user"
    assert "Call monsys_kpi_summary" in said["content"]["text"]
    assert "monsys_list_detections(since=24h, ack=open)" in said["content"]["text"]


@pytest.mark.parametrize(("revision", "code"), [(MODERN, -32602), ("2025-11-25", -32002)])
async def test_there_are_no_resources(
    revision: str, code: int, hub: RunningHub, token: str
) -> None:
    for method in ("resources/list", "resources/templates/list"):
        message, headers = request(method, revision=revision)
        result = (await hub.post(message, token=token, headers=headers)).json()["result"]
        assert [] in result.values()
    message, headers = request("resources/read", {"uri": "monsys://x"}, revision=revision)
    response = await hub.post(message, token=token, headers=headers | {"Mcp-Name": "monsys://x"})
    assert response.json()["error"]["code"] == code
    assert response.json()["error"]["data"] == {"uri": "monsys://x"}


@pytest.mark.parametrize("method", ["tools/list", "prompts/list", "resources/list"])
async def test_lists_have_one_page_and_are_private(
    method: str, hub: RunningHub, token: str
) -> None:
    message, headers = request(method)
    result = (await hub.post(message, token=token, headers=headers)).json()["result"]
    assert (result["ttlMs"], result["cacheScope"]) == (300_000, "private")
    assert "nextCursor" not in result
    message, headers = request(method, {"cursor": "x"})
    response = await hub.post(message, token=token, headers=headers)
    assert (response.status_code, code_of(response)) == (400, -32602)
