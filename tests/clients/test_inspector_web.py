"""The MCP Inspector's web page, in the browser in which its person signs in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from playwright.async_api import Browser, expect

from tests.acceptance.article import TYPICAL_QUESTIONS
from tests.acceptance.person import Account
from tests.clients.browser_person import BrowserPerson, person_in_browser
from tests.clients.node_client import node_process
from tests.oauth.document_host import NATIVE_REDIRECTS, DocumentHost
from tests.running_hub import RunningHub, free_port

pytestmark = [pytest.mark.browser, pytest.mark.node, pytest.mark.slow]

_DOCUMENT_URL = "https://client.example/inspector-web/metadata.json"


@asynccontextmanager
async def inspector_page(
    hub: RunningHub, node_modules: Path, home: Path, *, document_url: str | None
) -> AsyncIterator[str]:
    """Serve the Inspector's page for this hub, and return its address."""
    if document_url is not None:
        settings = home / ".mcp-inspector" / "storage" / "client.json"
        settings.parent.mkdir(parents=True)
        cimd = {"enabled": True, "clientMetadataUrl": document_url}
        settings.write_bytes(orjson.dumps({"cimd": cimd}))
    script = (node_modules / ".bin" / "mcp-inspector").resolve()
    options = ("--server-url", hub.mcp_url, "--transport", "http", "--protocol-era", "auto")
    variables = {
        "HOME": str(home),
        "CLIENT_PORT": str(free_port()),
        "MCP_SANDBOX_PORT": str(free_port()),
        "MCP_APP_ORIGIN_PORT": str(free_port()),
        "MCP_AUTO_OPEN_ENABLED": "false",
        "MCP_INSPECTOR_SECRET_STORE": "file",
    }
    async with node_process(
        script, "--web", *options, node_modules=node_modules, **variables
    ) as process:
        assert process.stdout is not None
        async for line in process.stdout:
            if (address := line.decode().strip()).startswith("http://"):
                yield address
                return
        raise AssertionError("it never said where its page is")


async def connect(person: BrowserPerson, address: str, hub: RunningHub) -> dict[str, str]:
    """Switch the connection on, go through with it, and return what the page asked for."""
    await person.page.goto(address)
    # The switch itself is hidden; people press what is drawn around it.
    await person.page.locator("label:has([role=switch])").first.click()
    await person.page.wait_for_url(f"{hub.app_origin}/sign-in?*")
    next_page = parse_qs(urlsplit(person.page.url).query)["next"][0]
    await person.go_through(f"{hub.app_origin}{next_page}")
    return {name: values[0] for name, values in parse_qs(urlsplit(next_page).query).items()}


@pytest.mark.parametrize("document_url", [None, _DOCUMENT_URL], ids=["registered", "document"])
async def test_its_page_connects_and_shows_the_tools(
    document_url: str | None,
    web_hub: RunningHub,
    documents: DocumentHost,
    operator: Account,
    chromium: Browser,
    node_modules: Path,
    tmp_path: Path,
) -> None:
    documents.serve(_DOCUMENT_URL, redirect_uris=NATIVE_REDIRECTS, application_type="native")
    async with (
        inspector_page(web_hub, node_modules, tmp_path, document_url=document_url) as address,
        person_in_browser(chromium, operator) as person,
    ):
        asked = await connect(person, address, web_hub)
        await person.page.get_by_text("Tools", exact=True).first.click()
        await expect(person.page.get_by_role("heading", name="Tools (12)")).to_be_visible()
        shown = await person.page.locator("main").inner_text()

    assert [name for name in TYPICAL_QUESTIONS if name not in shown] == []
    assert asked["client_id"] == (document_url or asked["client_id"])
    assert asked["client_id"].startswith("https://" if document_url else "mcp_")
