"""The MCP Inspector's command line, in the three eras it can speak."""

from pathlib import Path

import orjson
import pytest

from tests.acceptance.article import TYPICAL_QUESTIONS
from tests.acceptance.connector import Connector
from tests.clients.node_client import NodeRun, run_node

pytestmark = [pytest.mark.node, pytest.mark.slow]
ERAS = ["modern", "legacy", "auto"]


async def inspect(claude: Connector, era: str, *arguments: str, node_modules: Path) -> NodeRun:
    script = (node_modules / ".bin" / "mcp-inspector").resolve()
    header = f"Authorization: Bearer {claude.token}"
    options = ("--transport", "http", "--protocol-era", era, "--header", header)
    return await run_node(
        script, "--cli", claude.url, *options, *arguments, node_modules=node_modules
    )


@pytest.mark.parametrize("era", ERAS)
async def test_lists_twelve_tools_without_a_complaint(
    era: str, claude: Connector, node_modules: Path
) -> None:
    run = await inspect(
        claude, era, "--method", "tools/list", "--strict", node_modules=node_modules
    )

    assert run.status == 0, run.stderr
    names = [tool["name"] for tool in orjson.loads(run.stdout)["tools"]]
    assert sorted(names) == sorted(TYPICAL_QUESTIONS)


@pytest.mark.parametrize("era", ERAS)
async def test_calls_a_tool(era: str, claude: Connector, node_modules: Path) -> None:
    call = ("--method", "tools/call", "--tool-name", "monsys_list_alerts")
    arguments = ("--tool-args-json", '{"severity":"critical","limit":10}')

    run = await inspect(claude, era, *call, *arguments, node_modules=node_modules)

    assert run.status == 0, run.stderr
    answer = orjson.loads(run.stdout)
    assert not answer.get("isError", False)
    severities = {alert["severity"] for alert in answer["structuredContent"]["alerts"]}
    assert severities == {"critical"}
