"""The article's twelve tools: eleven that read, one that writes, none that destroys."""

import re

import pytest

from tests.acceptance import article
from tests.acceptance.connector import Connector
from tests.running_hub import RunningHub

READ_TOOLS = sorted(set(article.TYPICAL_QUESTIONS) - {article.WRITE_TOOL})
DESTRUCTIVE = re.compile(
    r"isolat|kill|lock.?out|update|emergency|execut|reboot|delete", re.IGNORECASE
)


async def test_there_are_exactly_the_articles_twelve(claude: Connector) -> None:
    names = [tool["name"] for tool in await claude.tools()]

    assert len(names) == 12
    assert sorted(names) == sorted(article.TYPICAL_QUESTIONS)


async def test_eleven_only_read_and_none_destroys(claude: Connector) -> None:
    hints = {tool["name"]: tool["annotations"] for tool in await claude.tools()}

    assert sorted(name for name in hints if hints[name]["readOnlyHint"]) == READ_TOOLS
    assert hints[article.WRITE_TOOL]["readOnlyHint"] is False
    assert {hints[name]["destructiveHint"] for name in hints} == {False}
    assert hints[article.WRITE_TOOL]["idempotentHint"] is True


async def test_no_tool_prompt_or_argument_is_named_after_an_emergency_action(
    claude: Connector,
) -> None:
    prompts = (await claude.request("prompts/list")).json()["result"]["prompts"]
    named = [prompt["name"] for prompt in prompts]
    for tool in await claude.tools():
        named += [tool["name"], *tool["inputSchema"].get("properties", {})]

    assert [name for name in named if DESTRUCTIVE.search(name)] == []


@pytest.mark.parametrize("tool", READ_TOOLS)
async def test_reading_needs_the_read_scope(
    tool: str, acknowledger: Connector, hub: RunningHub
) -> None:
    response = await acknowledger.request("tools/call", name=tool, arguments={})

    assert response.status_code == 403
    challenge = response.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="mcp.read' in challenge
    assert f'resource_metadata="{hub.origin}/.well-known/oauth-protected-resource' in challenge


async def test_acknowledging_needs_the_acknowledge_scope(reader: Connector) -> None:
    response = await reader.request(
        "tools/call", name=article.WRITE_TOOL, arguments={"id": "DEV-2026-0441"}
    )

    assert response.status_code == 403
    assert 'error="insufficient_scope"' in response.headers["www-authenticate"]
    assert "mcp.acknowledge" in response.headers["www-authenticate"]


async def test_without_a_token_there_is_nothing(hub: RunningHub) -> None:
    response = await hub.http.post(
        hub.mcp_url,
        content=article.LIST_ALERTS_CALL,
        headers={"Content-Type": "application/json"},
    )

    assert response.status_code == 401
    challenge = response.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    # RFC 6750 §3.1: no error code when no credentials were shown.
    assert "error=" not in challenge
    assert "resource_metadata=" in challenge


async def test_the_printed_call_works_byte_for_byte(claude: Connector) -> None:
    response = await claude.post(article.LIST_ALERTS_CALL)

    assert response.status_code == 200
    answer = response.json()
    assert (answer["jsonrpc"], answer["id"]) == ("2.0", 1)
    alerts = answer["result"]["structuredContent"]["alerts"]
    assert 0 < len(alerts) <= 10
    assert {alert["severity"] for alert in alerts} == {"critical"}


async def test_the_printed_call_works_at_the_bare_origin_and_with_a_slash(
    claude: Connector, hub: RunningHub
) -> None:
    for url in (hub.origin, f"{hub.origin}/", f"{hub.mcp_url}/"):
        elsewhere = Connector(url, claude.token, claude.http)
        response = await elsewhere.post(article.LIST_ALERTS_CALL)
        assert (url, response.status_code) == (url, 200)
