"""The TypeScript SDKs, from the first 401 to a tool's answer, in each era they speak."""

from pathlib import Path

import pytest

from tests.acceptance.article import TYPICAL_QUESTIONS
from tests.acceptance.person import Account
from tests.clients.node_client import ScriptClient, typescript_v1, typescript_v2
from tests.clients.real_client import Surroundings, through_forms
from tests.running_hub import RunningHub

pytestmark = [pytest.mark.node, pytest.mark.slow]


@pytest.fixture
def place(hub: RunningHub, operator: Account, node_modules: Path, tmp_path: Path) -> Surroundings:
    return Surroundings(hub.mcp_url, through_forms(operator), tmp_path, node_modules)


async def check(client: ScriptClient, *, version: str) -> None:
    assert client.facts["protocolVersion"] == version
    assert "mcp.read" in client.facts["scope"].split()
    assert sorted(await client.tools()) == sorted(TYPICAL_QUESTIONS)
    assert await client.call("monsys_kpi_summary")
    alerts = await client.call("monsys_list_alerts", severity="critical", limit=10)
    assert {alert["severity"] for alert in alerts["alerts"]} == {"critical"}


@pytest.mark.parametrize(
    ("mode", "version"),
    [("auto", "2026-07-28"), ("2026-07-28", "2026-07-28"), ("legacy", "2025-11-25")],
)
async def test_the_second_sdk_signs_in_and_asks(
    mode: str, version: str, place: Surroundings
) -> None:
    async with typescript_v2(place, mode) as client:
        await check(client, version=version)


async def test_the_first_sdk_signs_in_and_asks(place: Surroundings) -> None:
    async with typescript_v1(place) as client:
        await check(client, version="2025-11-25")


async def test_the_bare_origin_is_an_address_of_the_connector_too(
    hub: RunningHub, operator: Account, node_modules: Path, tmp_path: Path
) -> None:
    place = Surroundings(hub.origin, through_forms(operator), tmp_path, node_modules)
    async with typescript_v2(place) as client:
        await check(client, version="2026-07-28")
