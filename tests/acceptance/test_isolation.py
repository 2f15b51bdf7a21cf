"""Two tenants, one hub: no tool of the one ever says a word of the other."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import orjson
import pytest
import pytest_asyncio
from sqlalchemy import column, select, table

from tests.acceptance import article
from tests.acceptance.connector import Connector
from tests.acceptance.everything import as_owner, values_of_tenant
from tests.acceptance.person import Account

# Tables whose words are the tenant's own; the others (advisories, clients) belong to nobody.
OWN_TABLES = ("agents", "alerts", "detections", "audit_log", "sla_targets", "oauth_grants")
SHORTEST_TELLING_WORD = 6
NAMED_THINGS = ("agents", "detections", "alerts", "sla_targets")


@pytest_asyncio.fixture(scope="module")
async def foreign_words(tenants: tuple[UUID, UUID], owner_url: str) -> AsyncIterator[set[str]]:
    """Return the words and ids of the other tenant's rows that ours do not also hold."""
    ours, theirs = tenants
    async with as_owner(owner_url) as connection:
        foreign = await values_of_tenant(connection, theirs, tables=OWN_TABLES)
        own = await values_of_tenant(connection, ours, tables=OWN_TABLES)
    words = {word for word in foreign - own if len(word) >= SHORTEST_TELLING_WORD}
    assert str(theirs) in words
    yield words


@pytest_asyncio.fixture(scope="module")
async def foreign_keys(tenants: tuple[UUID, UUID], owner_url: str) -> list[str]:
    """Return every id and name by which the other tenant's things, and not ours, are asked for."""
    ours, theirs = tenants
    keys: set[str] = set()
    async with as_owner(owner_url) as connection:
        for name in NAMED_THINGS:
            ids = table(name, column("id"), column("tenant_id")).c
            rows = await connection.scalars(select(ids.id).where(ids.tenant_id == theirs).limit(50))
            keys.update(str(row) for row in rows)
        agents = table("agents", column("name"), column("tenant_id")).c
        names = await connection.execute(select(agents.tenant_id, agents.name))
        named = {(row.tenant_id, row.name) for row in names}
    keys.update(name for owner, name in named if owner == theirs and (ours, name) not in named)
    return sorted(keys)


def words_in(answer: str, foreign: set[str], *, asked: str = "") -> list[str]:
    """Return which of the other tenant's words stand in an answer, but for the one asked with."""
    return [word for word in foreign if word in answer and word != asked]


async def every_page(claude: Connector, tool: str, arguments: dict[str, Any]) -> list[str]:
    """Return the text of all pages of a list, or of the one answer."""
    pages = []
    after: str | None = None
    while True:
        more = {"after": after} if after else {}
        answer = await claude.call(tool, **arguments, **more)
        pages.append(orjson.dumps(answer).decode())
        after = (answer.get("page") or {}).get("next_cursor")
        if after is None:
            return pages


ALL_OF_IT: dict[str, dict[str, Any]] = {
    "monsys_kpi_summary": {},
    "monsys_list_agents": {"status": "all", "limit": 100},
    "monsys_trust_score": {},
    "monsys_list_alerts": {"limit": 100},
    "monsys_list_detections": {"since": "30d", "ack": "all", "limit": 100},
    "monsys_list_kernel_cves": {"limit": 100},
    "monsys_list_os_cves": {"limit": 100},
    "monsys_list_sla_overview": {},
    "monsys_audit_log_search": {"since": "400d", "limit": 100},
}


@pytest.mark.parametrize("tool", ALL_OF_IT)
async def test_a_list_read_to_its_end_holds_nothing_of_the_other_tenant(
    tool: str, claude: Connector, foreign_words: set[str]
) -> None:
    pages = await every_page(claude, tool, ALL_OF_IT[tool])

    assert [words_in(page, foreign_words) for page in pages] == [[]] * len(pages)


@pytest.mark.parametrize("tool", ["monsys_list_agents", "monsys_list_alerts"])
async def test_the_other_tenant_does_see_its_own(
    tool: str, other_claude: Connector, foreign_words: set[str]
) -> None:
    """So the silence above is not the silence of an empty tenant."""
    pages = await every_page(other_claude, tool, ALL_OF_IT[tool])

    assert any(words_in(page, foreign_words) for page in pages)


@pytest.mark.parametrize(
    ("tool", "argument"),
    [
        ("monsys_get_agent", "agent"),
        ("monsys_get_detection", "id"),
        (article.WRITE_TOOL, "id"),
    ],
)
async def test_what_the_other_tenant_has_is_not_found_by_its_id_or_name(
    tool: str, argument: str, claude: Connector, foreign_keys: list[str], foreign_words: set[str]
) -> None:
    for key in foreign_keys:
        response = await claude.request("tools/call", name=tool, arguments={argument: key})
        result = response.json()["result"]
        assert (key, result["isError"]) == (key, True)
        assert words_in(response.text, foreign_words, asked=key) == []


@pytest.mark.parametrize(
    ("tool", "argument"),
    [
        ("monsys_list_agents", "search"),
        ("monsys_list_alerts", "agent"),
        ("monsys_list_detections", "agent"),
        ("monsys_list_kernel_cves", "agent"),
        ("monsys_list_os_cves", "package"),
        ("monsys_audit_log_search", "actor"),
    ],
)
async def test_a_filter_by_what_the_other_tenant_has_finds_nothing(
    tool: str, argument: str, claude: Connector, foreign_keys: list[str], foreign_words: set[str]
) -> None:
    for key in foreign_keys:
        response = await claude.request("tools/call", name=tool, arguments={argument: key})
        result = response.json()["result"]
        found = result.get("structuredContent", {}).get("total", 0)
        assert (key, found) == (key, 0)
        assert words_in(response.text, foreign_words, asked=key) == []


async def test_a_cursor_of_the_other_tenant_opens_nothing(
    claude: Connector, other_claude: Connector, foreign_words: set[str]
) -> None:
    theirs = await other_claude.call("monsys_list_agents", status="all", limit=1)
    cursor = theirs["page"]["next_cursor"]

    response = await claude.request(
        "tools/call",
        name="monsys_list_agents",
        arguments={"status": "all", "after": cursor, "limit": 100},
    )

    assert words_in(response.text, foreign_words) == []


async def test_a_name_that_both_have_is_each_ones_own(
    claude: Connector, other_claude: Connector
) -> None:
    ours = await claude.call("monsys_get_agent", agent="web-edge-01")
    theirs = await other_claude.call("monsys_get_agent", agent="web-edge-01")

    assert ours["name"] == theirs["name"] == "web-edge-01"
    assert ours["id"] != theirs["id"]
    assert set(ours["addresses"]) & set(theirs["addresses"]) == set()


async def test_the_calls_of_one_tenant_are_not_in_the_audit_trail_of_the_other(
    claude: Connector, other_claude: Connector, operator: Account
) -> None:
    await claude.call("monsys_kpi_summary")

    found = await other_claude.call("monsys_audit_log_search", actor=operator.email, since="7d")

    assert (found["total"], found["events"]) == (0, [])


async def test_detections_that_were_named_by_a_stranger_stay_open(
    claude: Connector, tenants: tuple[UUID, UUID], owner_url: str
) -> None:
    _, theirs = tenants
    detections = table(
        "detections", column("tenant_id"), column("id"), column("state"), column("acknowledged_at")
    )
    statement = select(detections).where(detections.c.tenant_id == theirs).order_by("id")
    async with as_owner(owner_url) as connection:
        before = (await connection.execute(statement)).all()
    assert before != []

    for detection in before:
        arguments = {"id": str(detection.id)}
        response = await claude.request("tools/call", name=article.WRITE_TOOL, arguments=arguments)
        assert response.json()["result"]["isError"] is True

    async with as_owner(owner_url) as connection:
        assert (await connection.execute(statement)).all() == before
