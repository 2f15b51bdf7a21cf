"""A tenant tunes its rules: other numbers, silence about some subjects, rules switched off."""

from typing import Any

import pytest
from sqlalchemy import select

from hub.audit.models import AuditRow
from hub.database import Database
from hub.detections.events import EventKind
from hub.detections.models import RuleKind
from hub.detections.rule_settings import RuleChange, RuleInForce, change_rule, rules_in_force
from hub.errors import InvalidInput
from hub.principal import Role
from hub.tenancy.models import Tenant
from tests.factories import person
from tests.hub.detections.scene import NOW, Host, refusals, seen
from tests.schema.asking import ask, page, refusal

RULES = page("dashboard_detection_rules")
CHANGE = page("dashboard_change_detection_rule")
RESOLVE = page("dashboard_resolve_detection")


async def changed(host: Host, kind: RuleKind, **change: Any) -> RuleInForce:
    async with host.database.transaction(tenant_id=host.tenant.id) as session:
        return await change_rule(
            session, principal=person(host.tenant), change=RuleChange(kind, **change), now=NOW
        )


async def test_a_lower_threshold_holds_from_the_next_event_on(host: Host) -> None:
    await changed(host, RuleKind.SSH_BRUTEFORCE, thresholds={"failures": 3})
    await host.take(*refusals(3))
    assert (await host.detection()).event_count == 3


async def test_a_rule_that_is_switched_off_is_silent(host: Host) -> None:
    await changed(host, RuleKind.FILE_INTEGRITY, is_enabled=False)
    await host.take(seen(EventKind.FILE_CHANGED, path="/etc/hosts"))
    assert await host.detections() == []


async def test_a_rule_says_nothing_about_ignored_subjects(host: Host) -> None:
    await changed(host, RuleKind.FILE_INTEGRITY, ignored_subjects=["/etc/cups/*"])
    await host.take(*(seen(EventKind.FILE_CHANGED, path=p) for p in ("/etc/cups/x", "/etc/hosts")))
    assert (await host.detection()).subject == "/etc/hosts"


async def test_a_change_is_audited_with_before_and_after_and_only_once(host: Host) -> None:
    for _ in range(2):
        await changed(host, RuleKind.SSH_BRUTEFORCE, thresholds={"failures": 3}, is_enabled=False)
    async with host.database.transaction(tenant_id=host.tenant.id) as session:
        (row,) = await session.scalars(select(AuditRow))
    assert (row.event_type, row.actor) == ("detection_rule_changed", "operator@example.com")
    assert row.details == {
        "rule_kind": "ssh_bruteforce",
        "changed": {"failures": [8, 3], "is_enabled": [True, False]},
    }


async def test_a_threshold_of_null_is_the_default_again(host: Host) -> None:
    await changed(host, RuleKind.SSH_BRUTEFORCE, thresholds={"failures": 3, "window_seconds": 60})
    after = await changed(host, RuleKind.SSH_BRUTEFORCE, thresholds={"failures": None})
    assert {one.name: value for one, value in after.thresholds} == {
        "window_seconds": 60,
        "max_subjects": 50,
        "failures": 8,
        "many_failures": 1000,
    }


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"thresholds": {"failures": 1}}, "thresholds"),
        ({"thresholds": {"failures": 10_001}}, "thresholds"),
        ({"thresholds": {"tries": 5}}, "thresholds"),
        ({"ignored_subjects": ["**"]}, "ignoredSubjects"),
        ({"ignored_subjects": [" "]}, "ignoredSubjects"),
        ({"ignored_subjects": ["a\0"]}, "ignoredSubjects"),
        ({"ignored_subjects": ["x" * 301]}, "ignoredSubjects"),
        ({"ignored_subjects": ["x"] * 101}, "ignoredSubjects"),
    ],
)
async def test_what_makes_no_sense_is_refused_and_changes_nothing(
    change: dict[str, Any], field: str, host: Host
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await changed(host, RuleKind.SSH_BRUTEFORCE, **change)
    assert refused.value.field == field
    async with host.database.transaction(tenant_id=host.tenant.id) as session:
        assert (await rules_in_force(session))[RuleKind.SSH_BRUTEFORCE].changed_by is None


async def test_the_dashboard_lists_the_rules_and_changes_one(
    database: Database, tenant: Tenant
) -> None:
    owner = person(tenant, role=Role.OWNER)
    given = {"kind": "ssh_bruteforce", "thresholds": [{"name": "failures", "value": 20}]}
    answer = await ask(database, owner, CHANGE, input=given)
    rules = await ask(database, owner, RULES)
    assert [rule["kind"] for rule in rules] == sorted(kind.value for kind in RuleKind)
    (rule,) = [one for one in rules if one["kind"] == "ssh_bruteforce"]
    assert rule == answer["rule"]
    assert rule["changedBy"] == "operator@example.com"
    assert rule["thresholds"][2] == {
        "name": "failures",
        "value": 20,
        "defaultValue": 8,
        "lowest": 2,
        "highest": 10_000,
        "unit": "failures",
        "meaning": "So many refused sign-ins from one address within the window are guessing.",
    }


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ANALYST, Role.VIEWER])
async def test_who_does_not_manage_the_tenant_changes_no_rule(
    role: Role, database: Database, tenant: Tenant
) -> None:
    given = {"kind": "ssh_bruteforce", "isEnabled": False}
    refused = await refusal(database, person(tenant, role=role), CHANGE, input=given)
    assert refused["code"] == "FORBIDDEN"
    rules = await ask(database, person(tenant, role=role), RULES)
    assert all(rule["isEnabled"] for rule in rules)


async def test_the_dashboard_resolves_a_detection_with_a_note(host: Host) -> None:
    await host.take(seen(EventKind.HONEYPOT_TOUCHED, path="/root/passwords.txt"))
    given = {"id": (await host.detection()).number, "note": "A drill."}
    answer = await ask(host.database, person(host.tenant), RESOLVE, input=given)
    assert answer["hasChanged"]
    assert answer["detection"]["state"] == "resolved"
    (entry,) = answer["detection"]["history"]
    assert (entry["action"], entry["note"]) == ("resolved", "A drill.")
    viewer = person(host.tenant, role=Role.VIEWER)
    assert (await refusal(host.database, viewer, RESOLVE, input=given))["code"] == "FORBIDDEN"
