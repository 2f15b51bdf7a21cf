"""The Python SDK's OAuth client, modern and legacy, from the first 401 to a tool's answer."""

from urllib.parse import urlsplit

import httpx2
import pytest
from mcp.client.auth import OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata
from pydantic import AnyUrl

from tests.acceptance.article import TYPICAL_QUESTIONS
from tests.acceptance.person import Account, Person, callback_parameters
from tests.clients.python_client import Memory
from tests.running_hub import RunningHub

REDIRECT_URI = "http://127.0.0.1:33419/callback"


class Browser:
    """Opens the link that the SDK prints, as a person who allows what is asked."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.asked: list[str] = []
        self.came_back: dict[str, str] = {}

    async def open(self, url: str) -> None:
        self.asked.append(url)
        async with Person(self.account) as person:
            self.came_back = callback_parameters(await person.allow(url))

    async def callback(self) -> AuthorizationCodeResult:
        return AuthorizationCodeResult(**self.came_back)


def provider(url: str, browser: Browser, memory: Memory) -> OAuthClientProvider:
    metadata = OAuthClientMetadata(
        client_name="python-sdk",
        redirect_uris=[AnyUrl(REDIRECT_URI)],
        token_endpoint_auth_method="none",
    )
    return OAuthClientProvider(
        url,
        metadata,
        memory,
        redirect_handler=browser.open,
        callback_handler=browser.callback,
    )


@pytest.mark.parametrize(("mode", "version"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
@pytest.mark.parametrize("address", ["/mcp", ""])
async def test_signs_in_and_asks(
    mode: str, version: str, address: str, hub: RunningHub, operator: Account
) -> None:
    url = f"{hub.origin}{address}"
    browser, memory = Browser(operator), Memory()
    async with (
        httpx2.AsyncClient(
            auth=provider(url, browser, memory), timeout=30, trust_env=False
        ) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        tools = await client.list_tools()
        answer = await client.call_tool("monsys_list_alerts", {"severity": "critical", "limit": 10})
        prompt = await client.get_prompt("morning_briefing")
        assert client.protocol_version == version

    assert sorted(tool.name for tool in tools.tools) == sorted(TYPICAL_QUESTIONS)
    assert not answer.is_error
    assert answer.structured_content is not None
    assert {alert["severity"] for alert in answer.structured_content["alerts"]} == {"critical"}
    assert "monsys_kpi_summary" in str(prompt.messages[0].content)
    assert [urlsplit(url).netloc for url in browser.asked] == [urlsplit(hub.app_origin).netloc]
    assert memory.tokens is not None
    assert memory.tokens.access_token.startswith("mat_")


async def test_asks_for_more_when_a_tool_needs_more(hub: RunningHub, operator: Account) -> None:
    """The step-up of RFC 6750 §3.1: 403 `insufficient_scope`, consent again, the call repeated."""
    browser, memory = Browser(operator), Memory()
    async with (
        httpx2.AsyncClient(
            auth=provider(hub.mcp_url, browser, memory), timeout=30, trust_env=False
        ) as http,
        Client(streamable_http_client(hub.mcp_url, http_client=http), mode="auto") as client,
    ):
        await client.call_tool("monsys_kpi_summary")
        assert memory.tokens is not None
        assert memory.tokens.scope == "mcp.read"

        answer = await client.call_tool(
            "monsys_acknowledge_detection", {"id": "DEV-1999-0001", "note": "there is no such one"}
        )

    assert answer.is_error
    assert len(browser.asked) == 2
    assert set((memory.tokens.scope or "").split()) == {"mcp.read", "mcp.acknowledge"}
