"""Every real client through sign-in and consent in Chromium, registered or by its document."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Browser

from tests.acceptance.article import TYPICAL_QUESTIONS
from tests.acceptance.person import Account
from tests.clients.bridge_client import mcp_remote
from tests.clients.browser_person import BrowserPerson, person_in_browser
from tests.clients.inspector_client import inspector
from tests.clients.node_client import typescript_v1, typescript_v2
from tests.clients.python_client import python_sdk
from tests.clients.real_client import RealClient, Surroundings
from tests.oauth.document_host import NATIVE_REDIRECTS, DocumentHost
from tests.running_hub import RunningHub

pytestmark = [pytest.mark.browser]

type Connect = Callable[[Surroundings], AbstractAsyncContextManager[RealClient]]

NODE = [pytest.mark.node, pytest.mark.slow]
CLIENTS = [
    pytest.param(python_sdk, id="python-sdk"),
    pytest.param(typescript_v1, id="typescript-v1", marks=NODE),
    pytest.param(typescript_v2, id="typescript-v2", marks=NODE),
    pytest.param(mcp_remote, id="mcp-remote", marks=NODE),
    pytest.param(inspector, id="inspector", marks=NODE),
]


@pytest.fixture
def npm(request: pytest.FixtureRequest) -> Path:
    """Return the npm packages where the test's client is one of them."""
    if request.node.get_closest_marker("node") is None:
        return Path()
    folder: Path = request.getfixturevalue("node_modules")
    return folder


def document_url(client: str) -> str:
    return f"https://client.example/{client}/metadata.json"


async def ask(client: RealClient) -> None:
    assert sorted(await client.tools()) == sorted(TYPICAL_QUESTIONS)
    alerts = await client.call("monsys_list_alerts", severity="critical", limit=10)
    assert {alert["severity"] for alert in alerts["alerts"]} == {"critical"}


def check_person(person: BrowserPerson, hub: RunningHub, operator: Account) -> dict[str, str]:
    """Check that the page told them what they need, and return what the client asked for."""
    (url,), (consent,) = person.opened, person.consents
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert url.startswith(f"{hub.app_origin}/mcp/oauth/authorize?")
    assert operator.email in consent
    assert str(urlsplit(asked["redirect_uri"]).hostname) in consent
    assert "This app runs on your own computer." in consent
    assert person.signed_in == 1
    assert person.complaints == []
    return asked


@pytest.mark.slow
@pytest.mark.parametrize("connect", CLIENTS)
async def test_a_client_that_registers(
    connect: Connect,
    web_hub: RunningHub,
    operator: Account,
    chromium: Browser,
    npm: Path,
    tmp_path: Path,
) -> None:
    async with person_in_browser(chromium, operator) as person:
        place = Surroundings(web_hub.mcp_url, person.open, tmp_path, npm)
        async with connect(place) as client:
            await ask(client)
        asked = check_person(person, web_hub, operator)
    assert asked["client_id"].startswith("mcp_")


@pytest.mark.slow
@pytest.mark.parametrize("connect", CLIENTS)
async def test_a_client_that_is_its_metadata_document(
    connect: Connect,
    request: pytest.FixtureRequest,
    web_hub: RunningHub,
    documents: DocumentHost,
    operator: Account,
    chromium: Browser,
    npm: Path,
    tmp_path: Path,
) -> None:
    name = request.node.callspec.id
    url = document_url(name)
    documents.serve(
        url, client_name=name, redirect_uris=NATIVE_REDIRECTS, application_type="native"
    )
    async with person_in_browser(chromium, operator) as person:
        place = Surroundings(web_hub.mcp_url, person.open, tmp_path, npm, document_url=url)
        async with connect(place) as client:
            await ask(client)
        asked = check_person(person, web_hub, operator)
        assert str(urlsplit(url).hostname) in person.consents[0]
        assert name in person.consents[0]
    assert asked["client_id"] == url
    assert documents.requests.count(urlsplit(url).path) == 1
