"""The public conformance suite's scenarios for authorization servers, a person in a browser."""

import re
from pathlib import Path

import orjson
import pytest
from playwright.async_api import Browser

from tests.acceptance.connector import register
from tests.acceptance.person import Account
from tests.clients.browser_person import person_in_browser
from tests.clients.node_client import node_process
from tests.oauth.document_host import NATIVE_REDIRECTS, DocumentHost
from tests.running_hub import RunningHub, free_port

pytestmark = [pytest.mark.browser, pytest.mark.node, pytest.mark.slow]

_AUTHORIZE_URL = re.compile(r"https?://\S+/mcp/oauth/authorize\?\S+")
_DOCUMENT_URL = "https://client.example/conformance.json"
_SCENARIOS = {"authorization-server-metadata-endpoint", "authorization-code-grant"}


@pytest.mark.parametrize("kind", ["registered", "document"])
async def test_every_authorization_scenario_passes_without_a_warning(
    kind: str,
    web_hub: RunningHub,
    documents: DocumentHost,
    operator: Account,
    chromium: Browser,
    node_modules: Path,
    tmp_path: Path,
) -> None:
    hub, port, printed = web_hub, free_port(), ""
    redirect_uri = f"http://127.0.0.1:{port}/callback"
    documents.serve(_DOCUMENT_URL, redirect_uris=NATIVE_REDIRECTS, application_type="native")
    client_id = (
        await register(hub.http, hub.origin, redirect_uri=redirect_uri)
        if kind == "registered"
        else _DOCUMENT_URL
    )
    script = (node_modules / ".bin" / "conformance").resolve()
    options = ("--url", hub.origin, "--client-id", client_id, "--resource", hub.mcp_url)

    async with (
        node_process(
            script,
            *("authorization", *options, "-p", str(port), "-o", str(tmp_path)),
            node_modules=node_modules,
        ) as process,
        person_in_browser(chromium, operator) as person,
    ):
        assert process.stdout is not None
        async for line in process.stdout:
            printed += line.decode()
            if found := _AUTHORIZE_URL.search(line.decode()):
                await person.open(found[0])
        await process.wait()

    assert process.returncode == 0, printed[-4000:]
    assert "warning" not in printed.lower()
    assert results(tmp_path) == {name: {"SUCCESS"} for name in _SCENARIOS}


def results(folder: Path) -> dict[str, set[str]]:
    """Return by scenario how its checks ended: SUCCESS, WARNING, FAILURE or SKIPPED."""
    return {
        next(name for name in _SCENARIOS if name in str(file)): {
            check["status"] for check in orjson.loads(file.read_bytes())
        }
        for file in folder.rglob("checks.json")
    }
