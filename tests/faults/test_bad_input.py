"""Bad input at the connector's door: each gets a clear answer, none tells of our insides."""

import secrets
from datetime import timedelta
from typing import Any

import httpx2
import orjson
import pytest
from sqlalchemy import text

from hub.clock import utc_now
from hub.tenancy.sessions import digest_of
from tests.acceptance.connector import Connector
from tests.faults.leaks import assert_nothing_internal
from tests.running_hub import RunningHub

LIST_ALERTS = "monsys_list_alerts"


async def tool_error(claude: Connector, tool: str, arguments: dict[str, Any]) -> str:
    """Call a tool that must answer with an error the model can read; return its words."""
    response = await claude.request("tools/call", name=tool, arguments=arguments)
    assert response.status_code == 200
    assert_nothing_internal(response.text)
    result = response.json()["result"]
    assert result["isError"] is True
    assert "structuredContent" not in result
    assert [part["type"] for part in result["content"]] == ["text"]
    message: str = result["content"][0]["text"]
    return message


def protocol_error(response: httpx2.Response) -> tuple[int, int, str]:
    """Return the HTTP status, the JSON-RPC code and the message of a refusal."""
    assert_nothing_internal(response.text)
    answer = response.json()
    assert "result" not in answer
    return response.status_code, answer["error"]["code"], answer["error"]["message"]


@pytest.mark.parametrize(
    ("tool", "arguments", "argument", "hint"),
    [
        (LIST_ALERTS, {"severety": "critical"}, "severety", "Did you mean `severity`?"),
        (LIST_ALERTS, {"severity": "fatal"}, "severity", "info, low, medium, high, critical"),
        (LIST_ALERTS, {"severity": 5}, "severity", "must be"),
        (LIST_ALERTS, {"severity": ["critical"]}, "severity", "must be"),
        (LIST_ALERTS, {"limit": "ten"}, "limit", "must be a whole number"),
        (LIST_ALERTS, {"limit": 2.5}, "limit", "must be a whole number"),
        (LIST_ALERTS, {"limit": 0}, "limit", "must be between 1 and 100"),
        (LIST_ALERTS, {"limit": -1}, "limit", "must be between 1 and 100"),
        (LIST_ALERTS, {"limit": 10_000}, "limit", "must be between 1 and 100"),
        (LIST_ALERTS, {"after": "bm90IGEgY3Vyc29y"}, "after", "is not a cursor of this list"),
        (LIST_ALERTS, {"after": "%%%"}, "after", "is not a cursor of this list"),
        (LIST_ALERTS, {"agent": "a\x00b"}, "agent", "characters that are not text"),
        ("monsys_list_detections", {"since": "soon"}, "since", "such as 24h, 7d or 30d"),
        ("monsys_list_detections", {"since": ""}, "since", "such as 24h, 7d or 30d"),
        ("monsys_list_detections", {"since": "2026-11-03T08:00:00"}, "since", "RFC 3339"),
        ("monsys_list_detections", {"ack": "maybe"}, "ack", "open, acknowledged, all"),
        ("monsys_audit_log_search", {"until": "later"}, "until", "such as 24h, 7d or 30d"),
        ("monsys_kpi_summary", {"limit": 1}, "limit", "this tool takes none"),
        ("monsys_get_agent", {}, "agent", "is required"),
        ("monsys_acknowledge_detection", {"note": "looked at it"}, "id", "is required"),
    ],
)
async def test_an_argument_that_cannot_be_is_named_with_what_it_may_be(
    tool: str, arguments: dict[str, Any], argument: str, hint: str, claude: Connector
) -> None:
    message = await tool_error(claude, tool, arguments)

    assert f"`{argument}`" in message
    assert hint in message


@pytest.mark.parametrize("arguments", ["critical", [], ["critical"], 5])
async def test_arguments_that_are_no_object_are_refused(
    arguments: object, claude: Connector
) -> None:
    response = await claude.request("tools/call", name=LIST_ALERTS, arguments=arguments)

    status, code, message = protocol_error(response)
    assert (status, code) == (200, -32602) or (status, code) == (400, -32602)
    assert "`arguments`" in message


async def test_an_unknown_tool_is_an_error_of_the_protocol(claude: Connector) -> None:
    response = await claude.request("tools/call", name="monsys_isolate_network", arguments={})

    status, code, message = protocol_error(response)
    assert (status, code) == (200, -32602)
    assert "tool" in message
    assert "monsys_isolate_network" not in message


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("monsys_get_agent", {"agent": "no-such-host"}, "agent"),
        ("monsys_get_detection", {"id": "DEV-1999-0001"}, "id"),
        ("monsys_get_detection", {"id": "'; DROP TABLE detections; --"}, "id"),
        ("monsys_acknowledge_detection", {"id": "DEV-1999-0001"}, "id"),
    ],
)
async def test_what_is_not_there_is_said_not_to_be_there(
    tool: str, arguments: dict[str, str], words: str, claude: Connector
) -> None:
    message = await tool_error(claude, tool, arguments)

    assert message.startswith("No ")
    assert words in message
    assert next(iter(arguments.values())) not in message


async def test_a_cursor_of_another_list_is_refused(claude: Connector) -> None:
    cursor = (await claude.call(LIST_ALERTS, limit=1))["page"]["next_cursor"]

    message = await tool_error(claude, "monsys_list_agents", {"after": cursor, "limit": 1})

    assert message.startswith("`after` is not a cursor of this list")


async def test_a_body_of_five_megabytes_is_too_large(claude: Connector) -> None:
    huge = {"name": LIST_ALERTS, "arguments": {"agent": "x" * 5_000_000}}

    response = await claude.post(
        orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": huge})
    )

    status, _, message = protocol_error(response)
    assert status == 413
    assert "1048576" in message.replace(",", "").replace("_", "")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "ping\xff\xfe"}', -32700),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "\\ud800"}', -32700),
        (b"null", -32600),
        (b"[]", -32600),
        (b'"ping"', -32600),
        (b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": null, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": {}, "method": "ping"}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": 5}', -32600),
        (b'{"jsonrpc": "2.0", "id": 1}', -32600),
        (b"[" * 20_000 + b"]" * 20_000, -32600),
    ],
)
async def test_a_body_that_is_no_message_is_a_bad_request(
    body: bytes, code: int, claude: Connector
) -> None:
    status, answered, _ = protocol_error(await claude.post(body))

    assert (status, answered) in {(400, code), (400, -32700)}


async def test_a_batch_is_only_of_the_revision_that_had_batches(claude: Connector) -> None:
    batch = orjson.dumps([{"jsonrpc": "2.0", "id": number, "method": "ping"} for number in (1, 2)])
    headers = {
        "Authorization": f"Bearer {claude.token}",
        "Content-Type": "application/json",
        "MCP-Protocol-Version": "2025-11-25",
    }

    refused = await claude.http.post(claude.url, content=batch, headers=headers)

    status, code, _ = protocol_error(refused)
    assert (status, code) == (400, -32600)


async def test_an_unknown_method_is_said_to_be_unknown(claude: Connector) -> None:
    response = await claude.request("monsys/kill_process", pid=1)

    status, code, _ = protocol_error(response)
    assert code == -32601
    assert status in {200, 404}


@pytest.mark.parametrize("version", ["1999-01-01", "latest", "2026-07-28x"])
async def test_an_unknown_revision_is_refused_with_the_known_ones(
    version: str, claude: Connector
) -> None:
    meta = {
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    response = await claude.http.post(
        claude.url,
        json={"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}},
        headers={
            "Authorization": f"Bearer {claude.token}",
            "MCP-Protocol-Version": version,
            "Mcp-Method": "tools/list",
        },
    )

    status, code, _ = protocol_error(response)
    assert (status, code) == (400, -32022)
    assert "2026-07-28" in response.json()["error"]["data"]["supported"]


@pytest.mark.parametrize(
    "token",
    ["mat_" + "0" * 43, "mat_", "x", "mcp_abc", secrets.token_urlsafe(300)],
)
async def test_a_foreign_token_is_invalid(token: str, claude: Connector) -> None:
    stranger = Connector(claude.url, token, claude.http)

    response = await stranger.request("tools/list")

    assert response.status_code == 401
    assert_nothing_internal(response.text)
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


@pytest.mark.parametrize("scheme", ["Basic dXNlcjpwYXNz", "Bearer", "bearer", "Bearer a b"])
async def test_credentials_of_another_kind_are_no_credentials(
    scheme: str, claude: Connector
) -> None:
    response = await claude.http.post(
        claude.url,
        json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
        headers={"Authorization": scheme},
    )

    assert response.status_code in {400, 401}
    assert response.headers["www-authenticate"].startswith("Bearer ")
    assert_nothing_internal(response.text)


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "PATCH"])
async def test_only_post_is_spoken(method: str, claude: Connector) -> None:
    response = await claude.http.request(
        method, claude.url, headers={"Authorization": f"Bearer {claude.token}"}
    )

    assert response.status_code == 405
    assert "POST" in response.headers["allow"]


async def change_token(hub: RunningHub, owner_url: str, token: str, **values: object) -> None:
    """Change a stored token behind the hub's back."""
    from hub.database import engine_of  # noqa: PLC0415

    engine = engine_of(owner_url, pool_size=1)
    assert hub.database.url != owner_url
    (name, value) = values.popitem()
    columns = {"expires_at": "expires_at", "resource": "resource"}
    async with engine.begin() as connection:
        done = await connection.execute(
            text(f"UPDATE oauth_tokens SET {columns[name]} = :value WHERE digest = :digest"),  # noqa: S608 - a column of ours
            {"value": value, "digest": digest_of(token)},
        )
        assert done.rowcount == 1
    await engine.dispose()


async def test_an_expired_token_is_invalid(
    hub: RunningHub, own_claude: Connector, owner_url: str
) -> None:
    await change_token(
        hub, owner_url, own_claude.token, expires_at=utc_now() - timedelta(seconds=1)
    )

    response = await own_claude.request("tools/list")

    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["www-authenticate"]
    assert "expired" in response.headers["www-authenticate"]
    assert_nothing_internal(response.text)


async def test_a_token_for_another_resource_is_invalid(
    hub: RunningHub, own_claude: Connector, owner_url: str
) -> None:
    await change_token(hub, owner_url, own_claude.token, resource="https://elsewhere.example/mcp")

    response = await own_claude.request("tools/list")

    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["www-authenticate"]
    assert_nothing_internal(response.text)
