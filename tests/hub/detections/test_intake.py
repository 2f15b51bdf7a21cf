"""Events come in once or often, late, in any order and at once; the detections are the same."""

import asyncio
import time
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from hub.database import Database
from hub.detections.commands import acknowledge_detection, reopen_detection, resolve_detection
from hub.detections.events import EventKind, SecurityEvent
from hub.detections.growth import KEPT_FIRST, KEPT_LAST
from hub.detections.intake import RefusedEvent, TakenEvents, take_events_by_agent
from hub.detections.intake_models import DetectionBaseline, DetectionWindow, StoredEvent
from hub.detections.models import Detection, DetectionState, RuleKind
from hub.detections.pruning import forget_old_events
from hub.severity import Severity
from hub.tenancy.models import Tenant
from tests.conftest import Statements
from tests.factories import person
from tests.hub.detections.scene import (
    ATTACKER,
    NOW,
    START,
    Host,
    new_host,
    refusals,
    seen,
    sign_in,
)

_TRIAGE = {
    "acknowledge": acknowledge_detection,
    "reopen": reopen_detection,
    "resolve": resolve_detection,
}


async def triage(host: Host, verb: str, detection: Detection) -> None:
    async with host.database.transaction(tenant_id=host.tenant.id) as session:
        await _TRIAGE[verb](
            session, principal=person(host.tenant), number=detection.number, now=NOW
        )


async def stored(host: Host, table: Any) -> int:
    async with host.database.transaction(tenant_id=host.tenant.id) as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_a_brute_force_of_five_thousand_lines_is_one_detection(
    host: Host, statements: Statements
) -> None:
    events = refusals(5000, every=1)
    statements.clear()
    started = time.perf_counter()
    taken = await host.take(*events)
    took = time.perf_counter() - started
    assert taken == TakenEvents(new=5000)
    assert len(statements) <= 10
    detection = await host.detection()
    assert (detection.rule_kind, detection.subject) == (RuleKind.SSH_BRUTEFORCE, ATTACKER)
    assert detection.event_count == 5000
    assert detection.first_seen_at == START
    assert detection.last_seen_at == START + timedelta(seconds=4999)
    assert (detection.source_address, detection.target_user) == (ATTACKER, "root")
    assert detection.severity is Severity.HIGH
    kept = [event.summary for event in await host.events_of(detection)]
    summaries = [event.summary for event in events]
    assert kept == summaries[:KEPT_FIRST] + summaries[-KEPT_LAST:]
    assert took < 5, took  # about 0.5 s where nobody else is at work


async def test_a_brute_force_that_comes_in_parts_is_one_detection_too(host: Host) -> None:
    events = refusals(600, every=1)
    for start in range(0, 600, 60):
        await host.take(*events[start : start + 60])
    detection = await host.detection()
    assert detection.event_count == 600
    kept = [event.summary for event in await host.events_of(detection)]
    summaries = [event.summary for event in events]
    assert kept == summaries[:KEPT_FIRST] + summaries[-KEPT_LAST:]


async def test_events_sent_again_change_nothing(host: Host) -> None:
    events = refusals(9)
    assert await host.take(*events, events[0]) == TakenEvents(new=9, repeated=1)
    before = await host.detection()
    assert await host.take(*events) == TakenEvents(repeated=9)
    assert await host.detection() == before
    assert await stored(host, StoredEvent) == 9


async def test_the_same_id_of_two_hosts_is_two_events(
    host: Host, database: Database, tenant: Tenant
) -> None:
    other = await new_host(database, tenant)
    event = seen(EventKind.HONEYPOT_TOUCHED, path="/root/passwords.txt")
    assert await host.take(event) == await other.take(event) == TakenEvents(new=1)
    assert (await host.detection()).id != (await other.detection()).id


async def test_nothing_to_take_is_taken_at_once(host: Host, statements: Statements) -> None:
    statements.clear()
    assert await host.take() == TakenEvents()
    assert statements == []


async def test_what_is_too_old_or_from_the_future_is_refused_with_a_reason(host: Host) -> None:
    old = seen(EventKind.HONEYPOT_TOUCHED, path="/a", at=NOW - timedelta(days=30, seconds=1))
    early = seen(EventKind.HONEYPOT_TOUCHED, path="/b", at=NOW + timedelta(minutes=5, seconds=1))
    fine = seen(EventKind.HONEYPOT_TOUCHED, path="/c", at=NOW + timedelta(minutes=5))
    taken = await host.take(old, early, fine)
    assert taken == TakenEvents(
        new=1,
        refused=(
            RefusedEvent(old.id, "It is older than 30 days."),
            RefusedEvent(
                early.id,
                "It is more than 5 minutes ahead of the hub's clock; set the host's clock (NTP).",
            ),
        ),
    )
    assert (await host.detection()).subject == "/c"


async def test_text_that_the_database_cannot_hold_is_made_to_fit(host: Host) -> None:
    event = seen(
        EventKind.FILE_CHANGED,
        path="/etc/" + "x" * 2000,
        summary="a\0b" + "y" * 600,
        user="\ud800" * 100,
        raw="\0" + "z" * 9000,
        source_address="::ffff:203.0.113.7",
        details={"k\0": "\ud800"},
        count=10**12,
    )
    assert await host.take(event) == TakenEvents(new=1)
    detection = await host.detection()
    assert len(detection.subject) == 300
    assert detection.event_count == 1_000_000_000
    (kept,) = await host.events_of(detection)
    assert kept.summary == "ab" + "y" * 498
    assert kept.source_address == ATTACKER


async def test_a_window_that_goes_on_lets_its_detection_grow(host: Host) -> None:
    await host.take(*refusals(8))
    await host.take(*refusals(1, first=70 + 120))
    detection = await host.detection()
    assert detection.event_count == 9
    assert detection.last_seen_at == START + timedelta(seconds=190)


async def test_after_a_longer_silence_it_is_another_detection(host: Host) -> None:
    await host.take(*refusals(8))
    await host.take(*refusals(8, first=70 + 121))
    assert [one.event_count for one in await host.detections()] == [8, 8]


async def test_late_events_open_no_second_detection(host: Host) -> None:
    late = refusals(5, first=5)
    await host.take(*refusals(20))
    await host.take(*late)
    assert (await host.detection()).event_count == 25


async def test_failures_of_several_calls_add_up_to_a_detection(host: Host) -> None:
    for one in refusals(8):
        assert await host.detections() == []
        await host.take(one)
    assert (await host.detection()).event_count == 8


async def test_a_late_event_that_closes_a_gap_makes_two_detections_one(host: Host) -> None:
    await host.take(*refusals(8))
    await host.take(*refusals(8, first=270))
    first, second = await host.detections()
    await host.take(*refusals(1, first=170))
    first, second = await host.detections()
    assert (first.event_count, first.state) == (17, DetectionState.OPEN)
    assert first.last_seen_at == START + timedelta(seconds=340)
    assert second.state is DetectionState.RESOLVED
    assert second.acknowledged_by == "monsys hub"
    assert second.acknowledged_note == (
        f"It is one with {first.number}, where its events are counted."
    )
    assert len(await host.events_of(first)) == 17
    assert await host.events_of(second) == []
    assert await stored(host, DetectionWindow) == 2  # one of each rule that reads refusals


async def test_an_acknowledged_detection_grows_and_stays_acknowledged(host: Host) -> None:
    await host.take(*refusals(8))
    await triage(host, "acknowledge", await host.detection())
    await host.take(*refusals(8, first=80))
    detection = await host.detection()
    assert (detection.event_count, detection.state) == (16, DetectionState.ACKNOWLEDGED)


async def test_what_follows_a_resolved_detection_is_a_new_one(host: Host) -> None:
    await host.take(*refusals(8))
    await triage(host, "resolve", await host.detection())
    await host.take(*refusals(7, first=80))
    assert (await host.detection()).event_count == 8  # not enough for another one by itself
    await host.take(*refusals(1, first=150))
    resolved, new = await host.detections()
    assert (resolved.event_count, resolved.state) == (8, DetectionState.RESOLVED)
    assert (new.event_count, new.state) == (8, DetectionState.OPEN)


async def test_a_resolved_detection_that_is_reopened_keeps_apart_from_what_followed(
    host: Host,
) -> None:
    await host.take(*refusals(8))
    await triage(host, "resolve", await host.detection())
    await host.take(*refusals(8, first=80))
    await triage(host, "reopen", (await host.detections())[0])
    await host.take(*refusals(1, first=155), *refusals(1, first=45))
    assert [one.event_count for one in await host.detections()] == [9, 9]


async def test_a_severity_rises_and_never_falls(host: Host) -> None:
    await host.take(*refusals(8))
    assert (await host.detection()).severity is Severity.MEDIUM
    await host.take(*refusals(1, first=80, count=1000))
    assert (await host.detection()).severity is Severity.HIGH
    port: dict[str, Any] = {"port": 22, "details": {"address": "0.0.0.0"}}  # noqa: S104
    await host.take(seen(EventKind.PORT_OPENED, **port))
    await host.take(seen(EventKind.PORT_OPENED, 60, **port))
    assert [one.severity for one in await host.detections()] == [Severity.HIGH, Severity.MEDIUM]


async def test_of_several_accounts_none_is_named(host: Host) -> None:
    await host.take(*refusals(8))
    assert (await host.detection()).target_user == "root"
    await host.take(*refusals(1, first=80, user="admin"))
    detection = await host.detection()
    assert (detection.target_user, detection.source_address) == (None, ATTACKER)


async def test_while_a_host_is_learned_from_nothing_is_new(
    database: Database, tenant: Tenant
) -> None:
    host = await new_host(database, tenant, known_since=START)
    await host.take(*(sign_in(0, user=f"user-{each}") for each in range(30)))
    await host.take(seen(EventKind.PORT_OPENED, 3599, port=80))
    assert await host.detections() == []
    await host.take(
        sign_in(60, user="user-7"),
        seen(EventKind.PORT_OPENED, 3601, port=80),
        seen(EventKind.PORT_OPENED, 3601, port=81),
        seen(EventKind.SUDO_COMMAND, 86_400, user="carol"),
    )
    subjects = {one.rule_kind: one.subject for one in await host.detections()}
    assert subjects == {RuleKind.NEW_LISTENING_PORT: "tcp/81", RuleKind.NEW_SUDO_USER: "carol"}


async def test_something_new_is_new_once(host: Host) -> None:
    await host.take(sign_in(0))
    await host.take(sign_in(60))
    await host.take(sign_in(60 + 86_401))
    detection = await host.detection()
    assert detection.subject == f"deploy from {ATTACKER}"
    assert detection.event_count == 2


async def test_two_who_take_events_of_one_host_at_once_take_turns(host: Host) -> None:
    events = refusals(40)
    taken = await asyncio.gather(
        host.take(*events[:20]), host.take(*events[10:]), host.take(*events[:25])
    )
    assert sum(one.new for one in taken) == 40
    assert (await host.detection()).event_count == 40


async def test_two_who_take_events_of_several_hosts_never_wait_for_each_other(
    database: Database, tenant: Tenant
) -> None:
    hosts = [await new_host(database, tenant) for _ in range(4)]

    async def take(order: list[Host]) -> None:
        events: dict[Any, list[SecurityEvent]] = {one.agent_id: refusals(9) for one in order}
        async with database.transaction(tenant_id=tenant.id) as session:
            await take_events_by_agent(session, tenant_id=tenant.id, events=events, now=NOW)

    await asyncio.gather(*(take(order) for order in (hosts, hosts[::-1]) for _ in range(4)))
    assert [(await host.detection()).event_count for host in hosts] == [72] * 4


async def test_a_tenant_sees_nothing_of_anothers_events(
    host: Host, database: Database, other_tenant: Tenant
) -> None:
    await host.take(*refusals(8))
    stranger = Host(database, other_tenant, host.agent_id)
    assert await stranger.detections() == []
    assert await stored(stranger, StoredEvent) == await stored(stranger, DetectionWindow) == 0


async def test_what_is_no_longer_needed_is_forgotten_and_never_taken_again(host: Host) -> None:
    events = [*refusals(8), *refusals(1, source_address="198.51.100.1"), sign_in(0)]
    await host.take(*events)
    tables = (StoredEvent, DetectionWindow, DetectionBaseline)
    counts = []
    for days in (7, 9, 32, 100):
        async with host.database.transaction(tenant_id=host.tenant.id) as session:
            await forget_old_events(session, now=START + timedelta(days=days))
        counts.append([await stored(host, table) for table in tables])
    # Of the windows those without a detection go first.
    assert counts == [[10, 5, 1], [10, 2, 1], [0, 0, 1], [0, 0, 0]]
    again = await host.take(*events, now=START + timedelta(days=32))
    assert (again.new, len(again.refused)) == (0, 10)
    assert len(await host.detections()) == 2
