"""The guide to the connector: served to anybody, and true."""

import re

import httpx2
import pytest
import pytest_asyncio
from starlette.applications import Starlette

from hub.settings import Settings
from hub.web.routes import web_routes
from oauth.tokens import ACCESS_TOKEN_PREFIX, REFRESH_TOKEN_PREFIX, SCANNER_PATTERN, new_token

API, APP = "https://api.example.com", "https://app.example.com"
EGRESS = {"monsys_list_alerts": [("alerts.title", "alert_text"), ("total", "count")]}


async def _nobody(*_: object) -> None:
    return None


@pytest_asyncio.fixture
async def guide() -> httpx2.Response:
    settings = Settings(api_origin=API, app_origin=APP)
    routes = web_routes(settings, principal_of=_nobody, document_of=_nobody, egress=EGRESS)
    transport = httpx2.ASGITransport(Starlette(routes=routes))
    async with httpx2.AsyncClient(transport=transport, base_url=API) as http:
        return await http.get("/docs/claude-connector")


async def test_names_this_hub_s_own_addresses(guide: httpx2.Response) -> None:
    assert guide.status_code == 200
    assert f"claude mcp add --transport http monsys {API}/mcp" in guide.text
    assert f'href="{APP}/account/connector"' in guide.text
    assert "{" not in re.sub(r"<pre>.*?</pre>|<style>.*?</style>", "", guide.text, flags=re.DOTALL)


async def test_lists_what_passes_from_the_declarations(guide: httpx2.Response) -> None:
    assert (
        "<td><code>monsys_list_alerts</code></td>\n"
        "<td><code>alerts.title</code>, <code>total</code></td>"
    ) in guide.text


async def test_gives_the_pattern_that_finds_our_tokens(guide: httpx2.Response) -> None:
    assert SCANNER_PATTERN in guide.text
    for prefix in (ACCESS_TOKEN_PREFIX, REFRESH_TOKEN_PREFIX):
        assert re.search(SCANNER_PATTERN, f"token={new_token(prefix)};")


@pytest.mark.parametrize(
    "heading", ["Enable it", "Connect", "What passes to Claude", "Revoke", "does not work"]
)
async def test_walks_an_administrator_through_all_of_it(
    heading: str, guide: httpx2.Response
) -> None:
    assert re.search(rf"<h2>[^<]*{heading}[^<]*</h2>", guide.text)
