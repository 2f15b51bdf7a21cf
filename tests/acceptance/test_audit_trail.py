"""The article's "Every tool call is logged": its table, its query, what it never holds."""

import hashlib
from uuid import uuid4

import pytest
import rfc8785
from sqlalchemy import column, select, table

from tests.acceptance import article
from tests.acceptance.connector import Connector
from tests.acceptance.everything import as_owner, tables_that_hold
from tests.acceptance.person import Account


def args_hash(arguments: dict[str, object]) -> str:
    return hashlib.sha256(rfc8785.dumps(arguments)).hexdigest()  # type: ignore[arg-type]


async def test_the_call_log_has_the_columns_that_the_article_prints(owner_url: str) -> None:
    columns = table(
        "columns",
        column("table_name"),
        column("column_name"),
        column("data_type"),
        column("is_nullable"),
        column("column_default"),
        column("ordinal_position"),
        schema="information_schema",
    ).c
    statement = (
        select(columns.column_name, columns.data_type, columns.is_nullable, columns.column_default)
        .where(columns.table_name == "mcp_call_log")
        .order_by(columns.ordinal_position)
    )

    async with as_owner(owner_url) as connection:
        rows = [tuple(row) for row in await connection.execute(statement)]

    assert rows == article.CALL_LOG_COLUMNS


async def test_the_audit_tool_finds_the_calls_just_made(
    claude: Connector, operator: Account
) -> None:
    marks = [{"search": f"mark-{uuid4()}"} for _ in range(3)]
    for mark in marks:
        await claude.call("monsys_list_agents", **mark)

    found = await claude.call("monsys_audit_log_search", event_type="mcp_tool_invoked", since="7d")

    newest = [event["metadata"] for event in found["events"]]
    hashes = [metadata["args_hash"] for metadata in newest]
    for mark in marks:
        assert hashes.count(args_hash(dict(mark))) == 1
    ours = found["events"][hashes.index(args_hash(dict(marks[0])))]
    assert ours["event_type"] == "mcp_tool_invoked"
    assert ours["actor"] == operator.email
    assert ours["outcome"] == "success"
    assert ours["metadata"]["tool_name"] == "monsys_list_agents"


async def test_every_outcome_is_a_row(claude: Connector, reader: Connector, owner_url: str) -> None:
    mark = str(uuid4())
    calls: list[tuple[Connector, str, dict[str, object]]] = [
        (claude, "monsys_list_agents", {"search": mark}),
        (claude, "monsys_list_agents", {"search": mark, "limit": 0}),
        (claude, "monsys_get_agent", {"agent": mark}),
        (claude, "monsys_no_such_tool", {"tool": mark}),
        (reader, article.WRITE_TOOL, {"id": "DEV-2026-0441", "note": mark}),
    ]
    for client, tool, arguments in calls:
        await client.request("tools/call", name=tool, arguments=arguments)

    log = table("mcp_call_log", column("args_hash"), column("tool_name"), column("result_status"))
    hashes = [args_hash(arguments) for _, _, arguments in calls]
    async with as_owner(owner_url) as connection:
        rows = await connection.execute(select(log).where(log.c.args_hash.in_(hashes)))
        by_hash = {row.args_hash: (row.tool_name, row.result_status) for row in rows}

    assert [by_hash[digest] for digest in hashes] == [
        ("monsys_list_agents", "success"),
        ("monsys_list_agents", "invalid_arguments"),
        ("monsys_get_agent", "not_found"),
        ("monsys_no_such_tool", "unknown_tool"),
        (article.WRITE_TOOL, "refused"),
    ]


async def test_arguments_are_stored_nowhere(claude: Connector, owner_url: str) -> None:
    mark = f"jane.doe-{uuid4().hex}"
    await claude.call("monsys_list_agents", search=mark)
    await claude.request("tools/call", name="monsys_get_agent", arguments={"agent": mark})
    await claude.request("tools/call", name="monsys_list_agents", arguments={mark: mark})
    await claude.request("tools/call", name="monsys_list_alerts", arguments=[mark])

    async with as_owner(owner_url) as connection:
        assert await tables_that_hold(connection, mark) == []


@pytest.mark.usefixtures("demo_url")  # told by now, whoever else is in this database
async def test_the_search_through_all_tables_would_find_a_word(
    operator: Account, owner_url: str
) -> None:
    async with as_owner(owner_url) as connection:
        assert "users" in await tables_that_hold(connection, operator.email)


async def test_a_search_never_returns_bodies(claude: Connector) -> None:
    found = await claude.call("monsys_audit_log_search", since="30d", limit=100)

    assert found["events"]
    keys = {key for event in found["events"] for key in event}
    assert keys & {"body", "reason", "note"} == set()
