"""PostgreSQL goes away and comes back: the hub says so, gives nothing out, and recovers."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx2
import pytest
import pytest_asyncio

from tests.acceptance.connector import Connector
from tests.faults.conftest import FragileHub
from tests.faults.leaks import assert_nothing_internal

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]


@pytest_asyncio.fixture
async def outage(fragile_hub: FragileHub) -> AsyncIterator[FragileHub]:
    """Stop PostgreSQL for the length of a test."""
    await fragile_hub.claude.call("monsys_list_agents")
    await fragile_hub.postgres.stop()
    yield fragile_hub
    await fragile_hub.postgres.start()
    await until_ready(fragile_hub)


async def until_ready(hub: FragileHub) -> None:
    async with asyncio.timeout(20):
        while (await readiness(hub)).status_code != 200:  # noqa: ASYNC110 - another process's state
            await asyncio.sleep(0.05)


async def readiness(hub: FragileHub) -> httpx2.Response:
    return await hub.claude.http.get(f"{hub.process.origin}/health/ready")


async def ask(claude: Connector) -> httpx2.Response:
    return await claude.request("tools/call", name="monsys_list_agents", arguments={})


async def test_readiness_turns_red_and_liveness_stays_green(outage: FragileHub) -> None:
    ready = await readiness(outage)
    live = await outage.claude.http.get(f"{outage.process.origin}/health/live")

    assert (ready.status_code, ready.json()) == (503, {"status": "unavailable"})
    assert live.status_code == 200


async def test_calls_fail_cleanly_whether_or_not_the_token_is_still_remembered(
    outage: FragileHub,
) -> None:
    at_once = await ask(outage.claude)
    # Longer than a checked token is remembered (MONSYS_TOKEN_CACHE_SECONDS).
    await asyncio.sleep(2.5)
    later = await ask(outage.claude)

    for response in (at_once, later):
        assert_nothing_internal(response.text)
        assert failed_cleanly(response), response.text


def failed_cleanly(response: httpx2.Response) -> bool:
    """Tell whether the answer is an error of HTTP or of JSON-RPC, and holds no data."""
    if response.status_code == 503:
        return "result" not in response.text
    answer = response.json()
    if response.status_code != 200 or "structuredContent" in answer.get("result", {}):
        return False
    return "error" in answer or answer["result"]["isError"] is True


async def test_an_outage_is_not_a_reason_to_sign_in_again(outage: FragileHub) -> None:
    """A 401 would make every client throw its token away and ask its person."""
    await asyncio.sleep(2.5)

    assert (await ask(outage.claude)).status_code != 401


async def test_the_other_faces_fail_cleanly_too(outage: FragileHub) -> None:
    origin, http = outage.process.origin, outage.claude.http
    answers = [
        await http.post(
            f"{origin}/mcp/oauth/register", json={"redirect_uris": ["https://example.com/cb"]}
        ),
        await http.post(
            f"{origin}/mcp/oauth/token",
            data={"grant_type": "authorization_code", "code": "x", "client_id": "mcp_x"},
        ),
        await http.get(f"{origin}/mcp/oauth/authorize", params={"client_id": "mcp_x"}),
    ]

    for response in answers:
        assert_nothing_internal(response.text)
    assert [response.status_code for response in answers] == [503, 503, 503]


async def test_the_log_tells_of_an_outage_without_secrets_or_arguments(
    fragile_hub: FragileHub,
) -> None:
    """PostgreSQL goes away under calls that are being answered, wherever they are just then."""
    mark = f"jane.doe-{uuid4().hex}"
    claude, arguments = fragile_hub.claude, {"agent": mark}

    async def go_on_asking() -> None:
        for _ in range(20):
            await claude.request("tools/call", name="monsys_get_agent", arguments=arguments)

    await asyncio.gather(*(go_on_asking() for _ in range(20)), fragile_hub.postgres.stop())
    await fragile_hub.postgres.start()
    await until_ready(fragile_hub)

    log = fragile_hub.process.log.read_text()
    told = ("bearer_check_failed", "tool_call_failed", "audit_write_failed")
    assert [event for event in told if event in log] != []
    assert mark not in log
    assert claude.token not in log


async def test_all_recovers_without_a_restart(fragile_hub: FragileHub) -> None:
    for _ in range(2):
        await fragile_hub.postgres.stop()
        assert (await readiness(fragile_hub)).status_code == 503
        await asyncio.gather(*(ask(fragile_hub.claude) for _ in range(50)))
        await fragile_hub.postgres.start()
        await until_ready(fragile_hub)

        answers = await asyncio.gather(*(ask(fragile_hub.claude) for _ in range(50)))
        statuses = [(answer.status_code, "error" in answer.json()) for answer in answers]
        assert statuses == [(200, False)] * 50
