"""The protocol's own Python client, in both eras, against a connector on loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from hub.tenancy.models import Tenant
from tests.mcp_adapter.hub_in_test import RunningHub
from tests.mcp_adapter.test_tool_surface import NAMES


@asynccontextmanager
async def connected(hub: RunningHub, token: str, mode: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(f"{hub.url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


@pytest.mark.parametrize(("mode", "revision"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
async def test_a_client_finds_the_tools_and_calls_one(
    mode: str, revision: str, hub: RunningHub, tenant: Tenant, token: str
) -> None:
    async with connected(hub, token, mode) as client:
        assert client.protocol_version == revision
        assert client.server_info is not None
        assert client.server_info.name == "monsys"
        listed = await client.list_tools()
        assert [tool.name for tool in listed.tools] == NAMES
        # The client checks the structured content against the tool's output schema.
        result = await client.call_tool("monsys_list_alerts", {"severity": "critical"})
        assert result.is_error is False
        assert result.structured_content == {"total": 0, "alerts": [], "page": {}}
        wrong = await client.call_tool("monsys_list_alerts", {"limit": 0})
        assert wrong.is_error is True
        prompts = await client.list_prompts()
        assert [prompt.name for prompt in prompts.prompts] == ["morning_briefing"]
        assert len((await client.get_prompt("morning_briefing")).messages) == 1
        with pytest.raises(MCPError, match="no tool of that name"):
            await client.call_tool("monsys_kill_process", {})
    statuses = [row[2] for row in await hub.calls_of(tenant.id)]
    assert statuses == ["success", "invalid_arguments", "unknown_tool"]
