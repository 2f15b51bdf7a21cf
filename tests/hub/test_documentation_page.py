"""The guide to the connector: served to anybody, and true."""

import re

import httpx2
import pytest
import pytest_asyncio
from starlette.applications import Starlette

from hub.language import catalogue
from hub.settings import Settings
from hub.web.routes import web_routes
from oauth.tokens import ACCESS_TOKEN_PREFIX, REFRESH_TOKEN_PREFIX, SCANNER_PATTERN, new_token

API, APP = "https://api.example.com", "https://app.example.com"
EGRESS = {"monsys_list_alerts": [("alerts.title", "alert_text"), ("total", "count")]}


async def _nobody(*_: object) -> None:
    return None


async def guide_in(language: str) -> httpx2.Response:
    settings = Settings(api_origin=API, app_origin=APP)
    routes = web_routes(settings, principal_of=_nobody, document_of=_nobody, egress=EGRESS)
    transport = httpx2.ASGITransport(Starlette(routes=routes))
    async with httpx2.AsyncClient(transport=transport, base_url=API) as http:
        return await http.get("/docs/claude-connector", headers={"Accept-Language": language})


@pytest_asyncio.fixture(params=["en", "de"])
async def guide(request: pytest.FixtureRequest) -> httpx2.Response:
    return await guide_in(request.param)


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
    ("language", "headings"),
    [
        (
            "en",
            [
                "Enable it",
                "Connect",
                "What passes to Claude",
                "Revoke",
                "When something does not work",
            ],
        ),
        (
            "de",
            [
                "Einschalten",
                "Verbinden",
                "Was an Claude geht",
                "Widerrufen",
                "Wenn etwas nicht klappt",
            ],
        ),
    ],
)
async def test_walks_an_administrator_through_all_of_it_in_their_language(
    language: str, headings: list[str]
) -> None:
    guide = await guide_in(f"{language}, *;q=0.1")
    assert f'<html lang="{language}">' in guide.text
    assert guide.headers["content-language"] == language
    assert guide.headers["vary"] == "Accept-Language"
    assert re.findall(r"<h2>\d\. ([^<]*)</h2>", guide.text)[:5] == headings


async def test_says_the_same_in_both_languages() -> None:
    """The same sections, lists, rows and links in the same order; the words are for people."""
    english, german = [(await guide_in(language)).text for language in ("en", "de")]
    assert _skeleton(german) == _skeleton(english)


def _skeleton(page: str) -> list[str]:
    article = page.partition("<article")[2].partition("</article")[0]
    return re.findall(r'<(?:h\d|p|li|tr|td|th|pre|ul|strong|em|code|a href="[^"]*")>', article)


async def test_the_german_guide_quotes_what_the_pages_say() -> None:
    """A reader searches for the words they saw, so they stand in the guide as on the pages."""
    guide = (await guide_in("de")).text
    said = catalogue("oauth", "de")
    for english in (
        "Claude may read",
        "Claude may acknowledge",
        "Apps may stay connected",
        "Strict residency",
        "Disconnect",
        "Remove",
        "Allow",
    ):
        assert f"<em>{said[english]}</em>" in guide
