"""Rules, mutes, maintenance and webhooks over GraphQL: who may, what is refused, what is shown."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlmodel import col

from hub.alerts.webhooks.models import Webhook
from hub.audit.models import AuditRow
from hub.clock import utc_now
from hub.database import Database, UnitOfWork
from hub.paging import encode_cursor
from hub.principal import Principal, Role
from hub.secret_box import SecretBox
from hub.sla.commands import create_target
from hub.sla.models import SlaIndicator, SlaMaintenance
from hub.sla.probing import allow_private_addresses
from hub.tenancy.models import Tenant
from hub_schema.context import Context
from hub_schema.execution import run_operation
from hub_schema.operations import operations
from tests.factories import connector, make_agent, person

BOX = SecretBox(bytes(32))
RULE = {
    "name": "CPU is busy",
    "metric": "cpu_pct",
    "operator": "gt",
    "threshold": 80,
    "severity": "high",
}
HOOK = {"name": "Chat", "url": "http://127.0.0.1:9/secret-path", "events": ["alert_opened"]}


async def run(
    database: Database, principal: Principal, operation: str, **variables: Any
) -> tuple[Any, list[dict[str, Any]]]:
    """Run an operation file; return what stands under its root field, and its errors."""
    async with database.transaction(tenant_id=principal.tenant_id) as session:
        context = Context(UnitOfWork(session), principal, request_id="req-1", secret_box=BOX)
        page = operations("dashboard")[f"dashboard_{operation}"]
        result = await run_operation(page, variables, context)
    errors = [
        {**(error.extensions or {}), "message": error.message} for error in result.errors or []
    ]
    [answer] = (result.data or {"": None}).values()
    return answer, errors


async def done(database: Database, principal: Principal, operation: str, **variables: Any) -> Any:
    answer, errors = await run(database, principal, operation, **variables)
    assert errors == []
    return answer


@pytest.fixture
def admin(tenant: Tenant) -> Principal:
    return person(tenant, role=Role.ADMIN)


async def audited(database: Database, tenant: Tenant) -> list[str]:
    async with database.transaction(tenant_id=tenant.id) as session:
        rows = await session.scalars(select(col(AuditRow.event_type)).order_by(col(AuditRow.seq)))
        return [str(row) for row in rows]


async def test_a_rule_is_made_changed_shown_and_deleted(
    database: Database, tenant: Tenant, admin: Principal
) -> None:
    await make_agent(database, tenant, name="web-1")
    made = await done(
        database,
        admin,
        "create_alert_rule",
        input=RULE | {"target": "agents", "agents": ["web-1"], "durationSeconds": 60},
    )
    await done(
        database,
        admin,
        "update_alert_rule",
        input={"id": "CPU is busy", "threshold": 90.5, "target": "tag", "tag": "env:prod"},
    )
    shown = await done(database, admin, "alert_rules")
    [rule] = shown["nodes"]
    assert shown["totalCount"] == 1
    assert rule["id"] == made["id"]
    assert (rule["threshold"], rule["target"], rule["tag"], rule["agentIds"]) == (
        90.5,
        "tag",
        "env:prod",
        [],
    )
    assert (rule["durationSeconds"], rule["category"], rule["openAlertCount"]) == (
        60,
        "performance",
        0,
    )
    await done(database, admin, "delete_alert_rule", input={"id": rule["id"]})
    assert (await done(database, admin, "alert_rules"))["nodes"] == []
    assert await audited(database, tenant) == [
        "alert_rule_created",
        "alert_rule_updated",
        "alert_rule_deleted",
    ]


@pytest.mark.slow
async def test_templates_are_installed_once_and_rules_are_paged_by_name(
    database: Database, admin: Principal
) -> None:
    first = await done(database, admin, "install_alert_templates", input={})
    again = await done(database, admin, "install_alert_templates", input={})
    assert len(first["rules"]) == 4
    assert again["rules"] == []
    await done(
        database, admin, "install_alert_templates", input={"templates": ["load_high", "disk_full"]}
    )
    names, after = [], None
    while True:
        page = await done(database, admin, "alert_rules", first=2, after=after)
        names += [rule["name"] for rule in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if after is None:
            break
    assert len(names) == len(set(names)) == page["totalCount"] == 5
    templates = await done(database, admin, "alert_templates")
    assert [one["key"] for one in templates if one["isInstalled"]] == [
        "host_offline",
        "cpu_high",
        "memory_high",
        "disk_full",
        "load_high",
    ]


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"metric": "process_running"}, "metric", "no agent reports processes"),
        ({"metric": "container_status"}, "metric", "would never open"),
        ({"threshold": 101}, "threshold", "0 to 100"),
        ({"threshold": 100}, "threshold", "never crossed"),
        ({"threshold": -1}, "threshold", "0 to 100"),
        ({"hysteresis": 81}, "hysteresis", "cannot"),
        ({"hysteresis": -1}, "hysteresis", "0 or more"),
        ({"operator": "eq", "hysteresis": 1}, "hysteresis", "leave it out"),
        ({"operator": "gte", "threshold": 0}, "hysteresis", "cannot"),
        ({"metric": "agent_offline", "threshold": 5}, "threshold", "60 or more"),
        ({"metric": "agent_offline", "operator": "lt"}, "threshold", "silence"),
        ({"metric": "tag_offline_pct"}, "target", "must be tag"),
        ({"target": "tag"}, "tag", "env:prod"),
        ({"tag": "env:prod"}, "tag", "left out"),
        ({"target": "agents"}, "agents", "1 to 500"),
        ({"target": "agents", "agents": ["nobody"]}, "agents", "does not have"),
        ({"durationSeconds": 700_000}, "duration_seconds", "a week"),
        ({"name": "  "}, "name", "1 to 100"),
        ({"name": "a\u202eb"}, "name", "printable"),
    ],
)
async def test_a_rule_that_cannot_work_is_refused_with_the_way_out(
    database: Database, admin: Principal, change: dict[str, Any], field: str, words: str
) -> None:
    answer, [error] = await run(database, admin, "create_alert_rule", input=RULE | change)
    assert answer is None
    assert error["field"] == field
    assert words in error["message"]


async def test_names_are_taken_once(database: Database, admin: Principal) -> None:
    await done(database, admin, "create_alert_rule", input=RULE)
    await done(database, admin, "create_alert_rule", input=RULE | {"name": "Other"})
    _, [made] = await run(database, admin, "create_alert_rule", input=RULE)
    _, [renamed] = await run(
        database, admin, "update_alert_rule", input={"id": "Other", "name": RULE["name"]}
    )
    assert [error["code"] for error in (made, renamed)] == ["CONFLICT", "CONFLICT"]


async def test_mutes_are_listed_with_what_they_are_about(
    database: Database, tenant: Tenant
) -> None:
    operator = person(tenant, role=Role.OPERATOR)
    await make_agent(database, tenant, name="web-1")
    made = await done(
        database,
        operator,
        "mute_alerts",
        input={"agent": "web-1", "length": "four_hours", "reason": "Being moved."},
    )
    [mute] = (await done(database, operator, "alert_mutes"))["nodes"]
    assert (mute["agentName"], mute["ruleName"], mute["reason"]) == ("web-1", None, "Being moved.")
    _, [error] = await run(database, operator, "mute_alerts", input={"length": "one_hour"})
    assert error["field"] == "alert"
    await done(database, operator, "unmute_alerts", input={"id": made["id"]})
    assert (await done(database, operator, "alert_mutes"))["nodes"] == []
    assert await audited(database, tenant) == ["alerts_muted", "alerts_unmuted"]


async def test_one_declaration_of_maintenance_serves_alerts_and_service_levels(
    database: Database, tenant: Tenant, admin: Principal
) -> None:
    agent = await make_agent(database, tenant, name="web-1", tags=["env:prod"])
    async with database.transaction(tenant_id=tenant.id) as session:
        target = await create_target(
            session,
            tenant_id=tenant.id,
            name="Up",
            indicator=SlaIndicator.AGENT_UP,
            objective=0.99,
            agent_id=agent.id,
        )
    now = utc_now()
    told = {
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "reason": "A new disk.",
        "tag": "env:prod",
    }
    made = await done(database, admin, "declare_maintenance_window", input=told)
    [window] = (await done(database, admin, "maintenance_windows"))["nodes"]
    assert (window["tag"], window["agentName"], window["countsInSla"]) == ("env:prod", None, False)
    async with database.transaction(tenant_id=tenant.id) as session:
        targets = await session.scalars(select(col(SlaMaintenance.target_id)))
        assert list(targets) == [target.id]
    await done(database, admin, "withdraw_maintenance_window", input={"id": made["id"]})
    async with database.transaction(tenant_id=tenant.id) as session:
        assert list(await session.scalars(select(SlaMaintenance))) == []
    backwards = told | {"endsAt": (now - timedelta(hours=1)).isoformat()}
    _, [error] = await run(database, admin, "declare_maintenance_window", input=backwards)
    assert error["field"] == "ends_at"


async def test_a_window_for_a_tag_with_blanks_around_it_covers_its_hosts(
    database: Database, admin: Principal
) -> None:
    now = utc_now()
    told = {
        "startsAt": (now - timedelta(minutes=1)).isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "reason": "Kernel update",
        "tag": " env:prod ",
    }
    await done(database, admin, "declare_maintenance_window", input=told)
    [window] = (await done(database, admin, "maintenance_windows"))["nodes"]
    assert window["tag"] == "env:prod"
    _, [error] = await run(
        database, admin, "declare_maintenance_window", input=told | {"tag": "  "}
    )
    assert (error["code"], error["field"]) == ("INVALID_INPUT", "tag")


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
async def test_names_that_cannot_be_are_names_that_nothing_has(
    database: Database, admin: Principal, name: str
) -> None:
    for operation, given, field in (
        ("delete_alert_rule", {"id": name}, "id"),
        ("update_alert_rule", {"id": name, "threshold": 1}, "id"),
        ("mute_alerts", {"length": "one_hour", "rule": name}, "rule"),
        ("create_alert_rule", RULE | {"target": "agents", "agents": [name]}, "agents"),
    ):
        _, [error] = await run(database, admin, operation, input=given)
        assert (error["code"], error["field"]) == ("NOT_FOUND", field), operation
    cursor = encode_cursor("alert_rules", "a\0b")
    _, [error] = await run(database, admin, "alert_rules", after=cursor)
    assert (error["code"], error["field"]) == ("INVALID_INPUT", "after")


async def test_more_hosts_than_a_rule_may_name_are_not_even_looked_for(
    database: Database, admin: Principal
) -> None:
    given = RULE | {"target": "agents", "agents": [f"host-{each}" for each in range(501)]}
    _, [error] = await run(database, admin, "create_alert_rule", input=given)
    assert (error["code"], error["field"]) == ("INVALID_INPUT", "agents")


async def test_a_webhook_takes_another_address_when_it_is_a_good_one(
    database: Database, tenant: Tenant, admin: Principal
) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        await allow_private_addresses(session, principal=admin, is_allowed=True, now=utc_now())
    made = await done(database, admin, "create_webhook", input=HOOK)
    for url in ("https://169.254.169.254/", "https://nowhere.invalid/", "https://[x", ""):
        _, [error] = await run(
            database, admin, "update_webhook", input={"id": made["id"], "url": url}
        )
        assert (error["code"], error["field"]) == ("INVALID_INPUT", "url"), url
    moved = {"id": made["id"], "url": "http://127.0.0.1:10/other"}
    await done(database, admin, "update_webhook", input=moved)
    [webhook] = await done(database, admin, "webhooks")
    assert webhook["url"] == "http://127.0.0.1:10"
    for nobody in ("nothing", str(uuid4())):
        _, [error] = await run(database, admin, "update_webhook", input=moved | {"id": nobody})
        assert (error["code"], error["field"]) == ("NOT_FOUND", "id")
    await done(database, admin, "delete_webhook", input={"id": made["id"]})


async def test_a_webhook_shows_its_secret_once_and_its_path_never(
    database: Database, tenant: Tenant, admin: Principal
) -> None:
    _, [refused] = await run(database, admin, "create_webhook", input=HOOK)
    assert refused["field"] == "url"
    async with database.transaction(tenant_id=tenant.id) as session:
        await allow_private_addresses(session, principal=admin, is_allowed=True, now=utc_now())
    made = await done(database, admin, "create_webhook", input=HOOK)
    rotated = await done(database, admin, "rotate_webhook_secret", input={"id": made["id"]})
    assert made["secret"].startswith("whsec_")
    assert made["secret"] != rotated["secret"]
    await done(
        database, admin, "update_webhook", input={"id": made["id"], "minSeverity": "critical"}
    )
    tested = await done(database, admin, "test_webhook", input={"id": made["id"]})
    [webhook] = await done(database, admin, "webhooks")
    assert (webhook["url"], webhook["minSeverity"]) == ("http://127.0.0.1:9", "critical")
    assert not {made["secret"], rotated["secret"], "secret-path"} & set(map(str, webhook.values()))
    page = await done(database, admin, "webhook_deliveries", webhook=made["id"], state="pending")
    assert [(one["id"], one["event"]) for one in page["nodes"]] == [(tested["id"], "test")]
    _, [error] = await run(database, admin, "resend_webhook_delivery", input={"id": tested["id"]})
    assert error["code"] == "CONFLICT"
    await done(database, admin, "update_webhook", input={"id": made["id"], "isEnabled": False})
    page = await done(database, admin, "webhook_deliveries")
    assert [one["state"] for one in page["nodes"]] == ["cancelled"]
    await done(database, admin, "delete_webhook", input={"id": made["id"]})
    async with database.transaction(tenant_id=tenant.id) as session:
        assert list(await session.scalars(select(Webhook))) == []
    events = [one for one in await audited(database, tenant) if one.startswith("webhook")]
    assert events == [
        "webhook_created",
        "webhook_secret_rotated",
        "webhook_updated",
        "webhook_updated",
        "webhook_deleted",
    ]


NOTHING = {"input": {"id": "nothing"}}
MUTE = {"input": {"length": "one_hour", "agent": "nobody"}}
WINDOW = {
    "input": {
        "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "2026-01-01T00:00:00Z",
        "reason": "",
    }
}
READERS = set(Role)
OPERATORS = {Role.OWNER, Role.ADMIN, Role.OPERATOR}
ADMINS = {Role.OWNER, Role.ADMIN}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    ("operation", "variables", "allowed"),
    [
        ("alert_rules", {}, READERS),
        ("alert_templates", {}, READERS),
        ("alert_mutes", {}, READERS),
        ("maintenance_windows", {}, READERS),
        ("mute_alerts", MUTE, OPERATORS),
        ("unmute_alerts", NOTHING, OPERATORS),
        ("create_alert_rule", {"input": RULE}, ADMINS),
        ("update_alert_rule", NOTHING, ADMINS),
        ("delete_alert_rule", NOTHING, ADMINS),
        ("install_alert_templates", {"input": {}}, ADMINS),
        ("declare_maintenance_window", WINDOW, ADMINS),
        ("withdraw_maintenance_window", NOTHING, ADMINS),
        ("webhooks", {}, ADMINS),
        ("webhook_deliveries", {}, ADMINS),
        ("create_webhook", {"input": HOOK}, ADMINS),
        ("update_webhook", NOTHING, ADMINS),
        ("rotate_webhook_secret", NOTHING, ADMINS),
        ("delete_webhook", NOTHING, ADMINS),
        ("test_webhook", NOTHING, ADMINS),
        ("resend_webhook_delivery", NOTHING, ADMINS),
    ],
)
async def test_who_may(
    database: Database,
    tenant: Tenant,
    role: Role,
    operation: str,
    variables: dict[str, Any],
    allowed: set[Role],
) -> None:
    _, errors = await run(database, person(tenant, role=role), operation, **variables)
    assert ("FORBIDDEN" not in {error["code"] for error in errors}) is (role in allowed)
    _, errors = await run(database, connector(tenant, role=role), operation, **variables)
    is_open_to_connectors = allowed is READERS  # yet no tool selects it
    assert ("FORBIDDEN" not in {error["code"] for error in errors}) is is_open_to_connectors
