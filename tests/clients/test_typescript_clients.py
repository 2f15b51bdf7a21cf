"""The TypeScript SDKs, from the first 401 to a tool's answer."""

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.article import TYPICAL_QUESTIONS
from tests.acceptance.person import Account
from tests.clients.node_client import run_with_person
from tests.running_hub import RunningHub

pytestmark = [pytest.mark.node, pytest.mark.slow]


def check(result: dict[str, Any], *, version: str) -> None:
    assert result["protocolVersion"] == version
    assert sorted(result["tools"]) == sorted(TYPICAL_QUESTIONS)
    assert "mcp.read" in result["scope"].split()
    for answer in (result["briefing"], result["alerts"]):
        assert not answer.get("isError", False)
        assert answer["content"][0]["type"] == "text"
    assert {alert["severity"] for alert in result["alerts"]["structuredContent"]["alerts"]} == {
        "critical"
    }


@pytest.mark.parametrize(
    ("mode", "version"),
    [("auto", "2026-07-28"), ("2026-07-28", "2026-07-28"), ("legacy", "2025-11-25")],
)
async def test_the_second_sdk_signs_in_and_asks(
    mode: str, version: str, hub: RunningHub, operator: Account, node_modules: Path
) -> None:
    run = await run_with_person(
        "client_v2.mjs", hub.mcp_url, mode, node_modules=node_modules, account=operator
    )
    check(run.result, version=version)


async def test_the_first_sdk_signs_in_and_asks(
    hub: RunningHub, operator: Account, node_modules: Path
) -> None:
    run = await run_with_person(
        "client_v1.mjs", hub.mcp_url, node_modules=node_modules, account=operator
    )
    check(run.result, version="2025-11-25")


async def test_the_bare_origin_is_an_address_of_the_connector_too(
    hub: RunningHub, operator: Account, node_modules: Path
) -> None:
    run = await run_with_person(
        "client_v2.mjs", hub.origin, "auto", node_modules=node_modules, account=operator
    )
    check(run.result, version="2026-07-28")
