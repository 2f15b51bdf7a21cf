"""The public conformance suite's scenarios for authorization servers, with a person inside."""

import re
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.connector import register
from tests.acceptance.person import Account, Person
from tests.clients.node_client import node_process
from tests.running_hub import RunningHub, free_port

pytestmark = [pytest.mark.node, pytest.mark.slow]
_AUTHORIZE_URL = re.compile(r"https?://\S+/mcp/oauth/authorize\?\S+")


async def test_every_authorization_scenario_passes(
    hub: RunningHub, operator: Account, node_modules: Path
) -> None:
    port = free_port()
    redirect_uri = f"http://127.0.0.1:{port}/callback"
    client_id = await register(hub.http, hub.origin, redirect_uri=redirect_uri)
    options = ("--url", hub.origin, "--client-id", client_id, "--resource", hub.mcp_url)
    script = (node_modules / ".bin" / "conformance").resolve()
    printed = ""

    async with (
        node_process(
            script, "authorization", *options, "-p", str(port), node_modules=node_modules
        ) as process,
        httpx2.AsyncClient(trust_env=False) as browser,
        Person(operator) as person,
    ):
        assert process.stdout is not None
        async for line in process.stdout:
            printed += line.decode()
            if found := _AUTHORIZE_URL.search(line.decode()):
                back = await person.allow(found[0])
                await browser.get(back)
        await process.wait()

    assert process.returncode == 0, printed[-4000:]
    assert "authorization-code-grant" in printed
    assert "authorization-server-metadata-endpoint" in printed
    assert "warning" not in printed.lower()
