"""Detections are numbered when recorded; people close and reopen them, and all of it is audited."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from hub.audit.models import AuditRow
from hub.clock import utc_now
from hub.database import Database
from hub.detections.commands import (
    NewDetection,
    NewEvent,
    RecordedDetection,
    Triage,
    acknowledge_detection,
    record_detection,
    record_detections,
    reopen_detection,
    resolve_detection,
)
from hub.detections.guidance import GUIDANCE, WHO_ACTS
from hub.detections.models import (
    Detection,
    DetectionEvent,
    DetectionHistory,
    DetectionState,
    RuleKind,
)
from hub.errors import InvalidInput, NotFound
from hub.principal import Principal
from hub.severity import Severity
from hub.tenancy.models import Tenant
from tests.conftest import Statements
from tests.factories import connector, make_agent, person

NOW = utc_now().replace(microsecond=0)
IN_2026 = datetime(2026, 5, 1, 8, tzinfo=UTC)


def new_detection(agent_id: Any, at: datetime = NOW, **fields: Any) -> NewDetection:
    defaults: dict[str, Any] = {
        "agent_id": agent_id,
        "rule_kind": RuleKind.SSH_BRUTEFORCE,
        "title": "SSH password guessing",
        "first_seen_at": at,
        "last_seen_at": at,
    }
    return NewDetection(**(defaults | fields))


async def recorded(database: Database, tenant: Tenant) -> RecordedDetection:
    agent = await make_agent(database, tenant)
    async with database.transaction(tenant_id=tenant.id) as session:
        return await record_detection(
            session, tenant_id=tenant.id, detection=new_detection(agent.id)
        )


async def triage(
    database: Database,
    command: Callable[..., Awaitable[Triage]],
    principal: Principal,
    number: str,
    note: str | None = None,
) -> Triage:
    async with database.transaction(tenant_id=principal.tenant_id) as session:
        return await command(
            session,
            principal=principal,
            number=number,
            note=note,
            now=NOW,
            request_id="req-1",
        )


async def detection_of(database: Database, tenant: Tenant) -> Detection:
    async with database.transaction(tenant_id=tenant.id) as session:
        return (await session.scalars(select(Detection))).one()


async def audited(database: Database, tenant: Tenant) -> list[AuditRow]:
    async with database.transaction(tenant_id=tenant.id) as session:
        return list(await session.scalars(select(AuditRow).order_by(col(AuditRow.seq))))


async def test_numbers_count_up_per_year_and_tenant(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    numbers = []
    for each in (tenant, other_tenant):
        agent = await make_agent(database, each)
        times = [IN_2026, IN_2026.replace(year=2025), IN_2026]
        async with database.transaction(tenant_id=each.id) as session:
            names = await record_detections(
                session,
                tenant_id=each.id,
                detections=[new_detection(agent.id, at) for at in times],
            )
            last = await record_detection(
                session, tenant_id=each.id, detection=new_detection(agent.id, IN_2026)
            )
        numbers.append([name.number for name in (*names, last)])
    assert numbers == [["DEV-2026-0001", "DEV-2025-0001", "DEV-2026-0002", "DEV-2026-0003"]] * 2


async def test_numbers_given_out_at_once_differ(database: Database, tenant: Tenant) -> None:
    agent = await make_agent(database, tenant)

    async def record() -> str:
        async with database.transaction(tenant_id=tenant.id) as session:
            detection = new_detection(agent.id, IN_2026)
            return (
                await record_detection(session, tenant_id=tenant.id, detection=detection)
            ).number

    numbers = await asyncio.gather(*(record() for _ in range(6)))
    assert sorted(numbers) == [f"DEV-2026-{number:04}" for number in range(1, 7)]


async def test_a_detection_keeps_its_events_and_takes_its_rules_severity(
    database: Database, tenant: Tenant, statements: Statements
) -> None:
    agent = await make_agent(database, tenant)
    events = [NewEvent(at=NOW, summary=f"Failed password {number}", raw="x") for number in range(8)]
    statements.clear()
    async with database.transaction(tenant_id=tenant.id) as session:
        await record_detections(
            session,
            tenant_id=tenant.id,
            detections=[
                new_detection(agent.id, events=events),
                new_detection(agent.id, severity=Severity.LOW, technique="T1", event_count=90),
            ],
        )
    assert len(statements) == 3
    async with database.transaction(tenant_id=tenant.id) as session:
        rows = await session.scalars(select(Detection).order_by(col(Detection.number)))
        first, second = rows.all()
        assert await session.scalar(select(func.count()).select_from(DetectionEvent)) == 8
    assert (first.severity, first.technique, first.event_count) == (
        Severity.MEDIUM,
        "T1110.001",
        8,
    )
    assert (second.severity, second.technique, second.event_count) == (Severity.LOW, "T1", 90)


async def test_acknowledging_is_stored_kept_in_the_history_and_audited(
    database: Database, tenant: Tenant
) -> None:
    name = await recorded(database, tenant)
    claude = connector(tenant)
    done = await triage(database, acknowledge_detection, claude, name.number, " A drill. ")
    assert done == Triage(detection_id=name.id, has_changed=True)
    detection = await detection_of(database, tenant)
    assert (detection.state, detection.acknowledged_by, detection.acknowledged_at) == (
        DetectionState.ACKNOWLEDGED,
        "operator@example.com",
        NOW,
    )
    assert (detection.acknowledged_note, detection.acknowledged_via) == ("A drill.", "connector")
    async with database.transaction(tenant_id=tenant.id) as session:
        (entry,) = await session.scalars(select(DetectionHistory))
    assert (entry.action, entry.user_id, entry.via, entry.note) == (
        "acknowledged",
        claude.user_id,
        "connector",
        "A drill.",
    )
    (row,) = await audited(database, tenant)
    assert (row.event_type, row.actor, row.actor_kind, row.outcome, row.request_id) == (
        "detection_acknowledged",
        "operator@example.com",
        "connector",
        "success",
        "req-1",
    )
    assert row.details == {"detection": name.number, "rule_kind": "ssh_bruteforce"}
    assert row.body == "A drill."


async def test_acknowledging_twice_keeps_the_first_acknowledgement(
    database: Database, tenant: Tenant
) -> None:
    name = await recorded(database, tenant)
    await triage(database, acknowledge_detection, connector(tenant), name.number, "first")
    again = await triage(database, acknowledge_detection, person(tenant), name.number, "second")
    assert again == Triage(detection_id=name.id, has_changed=False)
    detection = await detection_of(database, tenant)
    assert (detection.acknowledged_note, detection.acknowledged_via) == ("first", "connector")
    assert len(await audited(database, tenant)) == 1


async def test_of_two_who_acknowledge_at_once_one_changes_it(
    database: Database, tenant: Tenant
) -> None:
    name = await recorded(database, tenant)
    done = await asyncio.gather(
        *(
            triage(database, acknowledge_detection, person(tenant), name.number, note)
            for note in "abc"
        )
    )
    assert sorted(each.has_changed for each in done) == [False, False, True]
    assert len(await audited(database, tenant)) == 1


async def test_reopening_undoes_an_acknowledgement_and_keeps_its_trace(
    database: Database, tenant: Tenant
) -> None:
    name = await recorded(database, tenant)
    await triage(database, acknowledge_detection, connector(tenant), name.number, "closed")
    assert (await triage(database, reopen_detection, person(tenant), name.number)).has_changed
    assert not (await triage(database, reopen_detection, person(tenant), name.number)).has_changed
    detection = await detection_of(database, tenant)
    assert detection.state is DetectionState.OPEN
    assert (detection.acknowledged_by, detection.acknowledged_at) == (None, None)
    assert (detection.acknowledged_note, detection.acknowledged_via) == (None, None)
    async with database.transaction(tenant_id=tenant.id) as session:
        actions = await session.scalars(select(col(DetectionHistory.action)))
        assert sorted(actions) == ["acknowledged", "reopened"]
    assert [row.event_type for row in await audited(database, tenant)] == [
        "detection_acknowledged",
        "detection_reopened",
    ]


async def test_resolving_keeps_an_earlier_acknowledgement(
    database: Database, tenant: Tenant
) -> None:
    name = await recorded(database, tenant)
    await triage(database, acknowledge_detection, connector(tenant), name.number, "seen")
    await triage(database, resolve_detection, person(tenant), name.number, "cleaned up")
    detection = await detection_of(database, tenant)
    assert (detection.state, detection.acknowledged_note, detection.acknowledged_via) == (
        DetectionState.RESOLVED,
        "seen",
        "connector",
    )
    assert (await triage(database, reopen_detection, person(tenant), name.number)).has_changed


async def test_an_open_detection_can_be_resolved_at_once(
    database: Database, tenant: Tenant
) -> None:
    name = await recorded(database, tenant)
    await triage(database, resolve_detection, person(tenant), name.number)
    detection = await detection_of(database, tenant)
    assert (detection.state, detection.acknowledged_via) == (DetectionState.RESOLVED, "session")


@pytest.mark.parametrize("spelling", ["{number}", "  {lower}\n", "{id}", "{ID}"])
async def test_a_detection_is_named_in_any_case_or_by_its_id(
    spelling: str, database: Database, tenant: Tenant
) -> None:
    name = await recorded(database, tenant)
    words = {"number": name.number, "lower": name.number.lower(), "id": name.id}
    spelt = spelling.format(**words, ID=str(name.id).upper())
    assert (await triage(database, acknowledge_detection, person(tenant), spelt)).has_changed


@pytest.mark.parametrize(
    "number", ["", "DEV-2026-9999", "DEV-26-1", "%", "a\0b", "'; --", "DEV-٢٠٢٦-0001"]
)
async def test_an_unknown_detection_is_refused_in_plain_words(
    number: str, database: Database, tenant: Tenant
) -> None:
    with pytest.raises(NotFound) as refusal:
        await triage(database, acknowledge_detection, person(tenant), number)
    assert refusal.value.field == "id"
    assert refusal.value.message == (
        "No detection has this id. An id looks like DEV-2026-0441; monsys_list_detections shows"
        " those there are."
    )


@pytest.mark.parametrize("note", ["x" * 2001, "a\0b", "\ud800"])
async def test_a_note_that_cannot_be_kept_is_refused(
    note: str, database: Database, tenant: Tenant
) -> None:
    name = await recorded(database, tenant)
    with pytest.raises(InvalidInput) as refusal:
        await triage(database, acknowledge_detection, person(tenant), name.number, note)
    assert refusal.value.field == "note"
    assert (await detection_of(database, tenant)).state is DetectionState.OPEN


async def test_a_detection_of_another_tenant_is_unknown_and_unchanged(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    foreign = await recorded(database, other_tenant)
    for name in (foreign.number, str(foreign.id)):
        for command in (acknowledge_detection, reopen_detection, resolve_detection):
            with pytest.raises(NotFound):
                await triage(database, command, person(tenant), name)
    assert (await detection_of(database, other_tenant)).state is DetectionState.OPEN
    assert await audited(database, other_tenant) == await audited(database, tenant) == []


@pytest.mark.parametrize("kind", RuleKind)
def test_every_rule_says_what_a_person_checks_and_who_acts(kind: RuleKind) -> None:
    guidance = GUIDANCE[kind]
    assert 2 <= len(guidance.checks) <= 4
    assert guidance.next_steps[-1] == WHO_ACTS
    assert all(step.endswith((".", "?")) for step in guidance.next_steps)
    assert all(technique.startswith("T1") for technique in guidance.techniques)


def test_who_acts_names_the_person_the_proof_and_the_reason() -> None:
    for word in ("person", "dashboard", "TOTP", "reason"):
        assert word in WHO_ACTS
