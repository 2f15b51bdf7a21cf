"""Service-level targets through GraphQL: made, changed, removed, each by who may and logged."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from hub.audit.models import AuditRow
from hub.clock import utc_now
from hub.database import Database
from hub.principal import Principal, Role
from hub.sla.models import SlaMaintenance, SlaProbe, SlaSettings, SlaTarget
from hub.tenancy.models import Tenant
from tests.factories import make_agent, person
from tests.schema.graphql_client import GraphQLClient, signed_in

PROMISE = {"name": "Shop answers", "indicator": "alert_free", "objectivePercent": 99.5}
DOOR = {"url": "https://shop.example.com/health"}
ADDRESS = {
    "name": "Shop's door",
    "indicator": "http_probe",
    "objectivePercent": 99.9,
    "probe": DOOR,
}


async def run(client: GraphQLClient, mutation: str, told: dict[str, Any]) -> dict[str, Any]:
    """Run one mutation; return its payload, or the one error's extensions and message."""
    kind = mutation[0].upper() + mutation[1:] + "Input"
    document = f"mutation M($input: {kind}!) {{ {mutation}(input: $input) {{ id }} }}"
    answer = (await client.post(query=document, variables={"input": told})).json()
    if "errors" not in answer:
        payload: dict[str, Any] = answer["data"][mutation]
        return payload
    [error] = answer["errors"]
    return {**error["extensions"], "message": error["message"]}


def confirmed(tenant: Tenant) -> Principal:
    """Return an admin who showed a one-time code a moment ago."""
    return replace(person(tenant, role=Role.ADMIN), second_factor_at=utc_now())


async def targets(database: Database, tenant: Tenant) -> list[SlaTarget]:
    async with database.transaction(tenant_id=tenant.id) as session:
        return list(await session.scalars(select(SlaTarget).order_by(col(SlaTarget.name))))


async def logged(database: Database, tenant: Tenant) -> list[str]:
    async with database.transaction(tenant_id=tenant.id) as session:
        rows = await session.scalars(select(col(AuditRow.event_type)).order_by(col(AuditRow.seq)))
        return [str(row) for row in rows]


async def test_an_admin_makes_changes_and_removes_a_target(
    database: Database, tenant: Tenant
) -> None:
    async with signed_in(database, confirmed(tenant)) as client:
        made = await run(client, "createSlaTarget", PROMISE)
        [target] = await targets(database, tenant)
        assert (str(target.id), target.objective) == (made["id"], 0.995)
        assert target.observed_until is not None  # the hub's own jobs observe it
        change = {"id": made["id"], "name": "Shop", "objectivePercent": 99}
        assert await run(client, "changeSlaTarget", change) == {"id": made["id"]}
        [target] = await targets(database, tenant)
        assert (target.name, target.objective, target.minimum_data) == ("Shop", 0.99, 0.95)
        assert await run(client, "removeSlaTarget", {"id": made["id"]}) == {"id": made["id"]}
    assert await targets(database, tenant) == []
    assert await logged(database, tenant) == [
        "sla_target_created",
        "sla_target_changed",
        "sla_target_removed",
    ]


async def test_an_address_is_asked_as_it_was_told(database: Database, tenant: Tenant) -> None:
    async with signed_in(database, person(tenant, role=Role.OWNER)) as client:
        await run(client, "createSlaTarget", ADDRESS)
    async with database.transaction(tenant_id=tenant.id) as session:
        [probe] = await session.scalars(select(SlaProbe))
    assert (probe.url, probe.interval_seconds, probe.verifies_tls) == (
        "https://shop.example.com/health",
        60,
        True,
    )


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"name": "  "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"objectivePercent": 0}, "objectivePercent"),
        ({"objectivePercent": 100.1}, "objectivePercent"),
        ({"minimumDataPercent": 101}, "minimumDataPercent"),
        ({"windowDays": 31}, "windowDays"),
        ({"timeZone": "Mars/Olympus"}, "timeZone"),
        ({"timeZone": "Europe"}, "timeZone"),  # a folder of zones
        ({"timeZone": "posixrules"}, "timeZone"),  # Python has it, the database does not
        ({"timeZone": "x" * 300}, "timeZone"),
        ({"agentId": "7c0e4c1e-6d0b-4c57-9a0e-111111111111"}, "agentId"),
        ({"indicator": "agent_up"}, "agentId"),
        ({"indicator": "http_probe"}, "probe"),
        ({"probe": {"url": "https://shop.example.com"}}, "probe"),
        ({**ADDRESS, "probe": {"url": "file:///etc/passwd"}}, "url"),
        (
            {**ADDRESS, "probe": {"url": "https://a.example", "intervalSeconds": 5}},
            "intervalSeconds",
        ),
        (
            {**ADDRESS, "probe": {"url": "https://a.example", "timeoutSeconds": 31}},
            "timeoutSeconds",
        ),
        ({**ADDRESS, "probe": {**DOOR, "expectedStatus": 7}}, "expectedStatus"),
    ],
)
async def test_a_wrong_promise_is_refused_by_field_and_nothing_is_made(
    database: Database, tenant: Tenant, told: dict[str, Any], field: str
) -> None:
    async with signed_in(database, person(tenant, role=Role.ADMIN)) as client:
        error = await run(client, "createSlaTarget", {**PROMISE, **told})
    assert error["field"] == field
    assert f"`{field}`" in error["message"]
    assert await targets(database, tenant) == []
    assert await logged(database, tenant) == []


async def test_a_name_is_taken_once(database: Database, tenant: Tenant) -> None:
    async with signed_in(database, person(tenant, role=Role.ADMIN)) as client:
        await run(client, "createSlaTarget", PROMISE)
        other = await run(client, "createSlaTarget", {**PROMISE, "name": "Other"})
        again = await run(client, "createSlaTarget", PROMISE)
        renamed = await run(client, "changeSlaTarget", {"id": other["id"], "name": PROMISE["name"]})
        same = await run(client, "changeSlaTarget", {"id": other["id"], "name": "Other"})
    assert (again["code"], again["field"]) == ("CONFLICT", "name")
    assert (renamed["code"], renamed["field"]) == ("CONFLICT", "name")
    assert same == {"id": other["id"]}
    assert [one.name for one in await targets(database, tenant)] == ["Other", "Shop answers"]


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ANALYST])
@pytest.mark.parametrize("mutation", ["createSlaTarget", "removeSlaTarget", "allowPrivateProbes"])
async def test_only_who_manages_the_tenant_may(
    database: Database, tenant: Tenant, role: Role, mutation: str
) -> None:
    told: dict[str, dict[str, Any]] = {
        "createSlaTarget": PROMISE,
        "removeSlaTarget": {"id": "7c0e4c1e-6d0b-4c57-9a0e-111111111111"},
        "allowPrivateProbes": {"isAllowed": True},
    }
    async with signed_in(database, person(tenant, role=role)) as client:
        error = await run(client, mutation, told[mutation])
    assert error["code"] == "FORBIDDEN"
    assert await logged(database, tenant) == []


async def test_removing_needs_a_fresh_one_time_code(database: Database, tenant: Tenant) -> None:
    async with signed_in(database, person(tenant, role=Role.OWNER)) as client:
        made = await run(client, "createSlaTarget", PROMISE)
        error = await run(client, "removeSlaTarget", {"id": made["id"]})
    assert error["code"] == "STEP_UP_REQUIRED"
    assert len(await targets(database, tenant)) == 1


async def test_another_tenants_target_and_agent_do_not_exist(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    agent = await make_agent(database, other_tenant, name="db-1")
    async with signed_in(database, person(other_tenant, role=Role.ADMIN)) as theirs:
        made = await run(theirs, "createSlaTarget", PROMISE)
    async with signed_in(database, confirmed(tenant)) as client:
        removed = await run(client, "removeSlaTarget", {"id": made["id"]})
        changed = await run(client, "changeSlaTarget", {"id": made["id"], "name": "Mine"})
        about = await run(
            client,
            "createSlaTarget",
            {**PROMISE, "indicator": "agent_up", "agentId": str(agent.id)},
        )
    assert [removed["code"], changed["code"], about["code"]] == ["NOT_FOUND"] * 3
    assert [one.name for one in await targets(database, other_tenant)] == ["Shop answers"]


async def test_maintenance_is_declared_and_withdrawn(database: Database, tenant: Tenant) -> None:
    now = utc_now()
    told = {
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "reason": "New disks.",
    }
    async with signed_in(database, person(tenant, role=Role.ADMIN)) as client:
        declared = await run(client, "declareMaintenance", told)
        backwards = await run(client, "declareMaintenance", {**told, "endsAt": told["startsAt"]})
        withdrawn = await run(client, "withdrawMaintenance", {"id": declared["id"]})
        again = await run(client, "withdrawMaintenance", {"id": declared["id"]})
    assert (backwards["code"], backwards["field"]) == ("INVALID_INPUT", "endsAt")
    assert withdrawn == {"id": declared["id"]}
    assert again["code"] == "NOT_FOUND"
    async with database.transaction(tenant_id=tenant.id) as session:
        assert list(await session.scalars(select(SlaMaintenance))) == []
    assert await logged(database, tenant) == [
        "sla_maintenance_declared",
        "sla_maintenance_withdrawn",
    ]


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"startsAt": "2026-11-02T08:00:00"}, "startsAt"),
        ({"endsAt": "2026-11-02T08:00:00"}, "endsAt"),
        ({"endsAt": "9999-12-31T23:59:59Z"}, "endsAt"),
        ({"startsAt": "0001-01-01T00:03:00+14:00"}, "startsAt"),
    ],
)
async def test_maintenance_that_is_at_no_moment_or_far_away_is_refused_by_field(
    database: Database, tenant: Tenant, told: dict[str, str], field: str
) -> None:
    now = utc_now()
    fine = {
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "reason": "New disks.",
    }
    async with signed_in(database, person(tenant, role=Role.ADMIN)) as client:
        error = await run(client, "declareMaintenance", {**fine, **told})
    assert (error["code"], error["field"]) == ("INVALID_INPUT", field)
    assert await logged(database, tenant) == []


async def test_percent_are_kept_in_decimals(database: Database, tenant: Tenant) -> None:
    promised = {"99.9": 0.999, "99.99": 0.9999, "99.95": 0.9995, "100": 1.0}
    async with signed_in(database, person(tenant, role=Role.ADMIN)) as client:
        for name in promised:
            told = {**PROMISE, "name": name, "objectivePercent": float(name)}
            await run(client, "createSlaTarget", told)
    # 99.9 / 100 of floats is 0.9990000000000001: a budget spent to the second would be overspent.
    assert {one.name: one.objective for one in await targets(database, tenant)} == promised


async def test_a_zone_that_people_live_in_is_taken(database: Database, tenant: Tenant) -> None:
    told = {**PROMISE, "isCalendarMonth": True, "timeZone": "Europe/Berlin"}
    async with signed_in(database, person(tenant, role=Role.ADMIN)) as client:
        await run(client, "createSlaTarget", told)
    assert [one.time_zone for one in await targets(database, tenant)] == ["Europe/Berlin"]


async def test_private_addresses_are_allowed_by_an_admin(
    database: Database, tenant: Tenant
) -> None:
    async with signed_in(database, person(tenant, role=Role.ADMIN)) as client:
        assert await run(client, "allowPrivateProbes", {"isAllowed": True}) == {"id": None}
    async with database.transaction(tenant_id=tenant.id) as session:
        [settings] = await session.scalars(select(SlaSettings))
    assert settings.may_probe_private_addresses is True
    assert await logged(database, tenant) == ["sla_settings_changed"]
