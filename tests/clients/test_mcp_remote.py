"""mcp-remote, the bridge that clients without remote connectors use."""

import re
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.person import Account, Person
from tests.clients.node_client import node_process
from tests.running_hub import RunningHub, free_port

pytestmark = [pytest.mark.node, pytest.mark.slow]
_AUTHORIZE_URL = re.compile(r"https?://\S+/mcp/oauth/authorize\?\S+")
_LAST_LINE = "Exiting OK"


async def test_registers_signs_in_and_lists_the_tools(
    hub: RunningHub, operator: Account, node_modules: Path, tmp_path: Path
) -> None:
    script = (node_modules / ".bin" / "mcp-remote-client").resolve()
    options = (str(free_port()), "--transport", "http-only", "--allow-http")
    printed = ""

    async with (
        node_process(
            script,
            hub.mcp_url,
            *options,
            node_modules=node_modules,
            MCP_REMOTE_CONFIG_DIR=str(tmp_path),
            BROWSER="true",
        ) as process,
        httpx2.AsyncClient(trust_env=False) as browser,
        Person(operator) as person,
    ):
        assert process.stderr is not None
        async for line in process.stderr:
            printed += line.decode()
            if found := _AUTHORIZE_URL.search(line.decode()):
                await browser.get(await person.allow(found[0]))
            if _LAST_LINE in printed:
                break

    assert "monsys_list_alerts" in printed, printed[-3000:]
