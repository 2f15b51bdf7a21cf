"""One loud host: beyond so many subjects the rest are one detection, and nothing is lost."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from hub.detections.commands import resolve_detection
from hub.detections.events import EventKind, SecurityEvent
from hub.detections.growth import KEPT_FIRST, KEPT_LAST
from hub.detections.intake_models import DetectionWindow
from hub.detections.models import Detection, DetectionState, RuleKind
from hub.detections.rule_settings import RuleChange, change_rule
from hub.detections.rules import RULES
from hub.detections.windows import OTHERS
from hub.severity import Severity
from tests.factories import person
from tests.hub.detections.scene import NOW, START, Host, refusals, seen

LIMIT = RULES[RuleKind.FILE_INTEGRITY].settings().max_subjects
HOUR = 3600


def changes(
    number: int, *, first: int = 0, at: float = 0, every: float = 0.1, **fields: Any
) -> list[SecurityEvent]:
    """Return changes of so many files, each of another one."""
    return [
        seen(
            EventKind.FILE_CHANGED,
            at + each * every,
            path=f"/srv/data/{first + each:05}",
            summary="A file changed",
            **fields,
        )
        for each in range(number)
    ]


async def limit_to(host: Host, number: int, kind: RuleKind = RuleKind.FILE_INTEGRITY) -> None:
    async with host.database.transaction(tenant_id=host.tenant.id) as session:
        change = RuleChange(kind, thresholds={"max_subjects": number})
        await change_rule(session, principal=person(host.tenant), change=change, now=NOW)


async def own_and_others(host: Host) -> tuple[list[Detection], list[Detection]]:
    """Return the detections of one subject each, and those of other subjects."""
    found = await host.detections()
    others = [one for one in found if one.subject == OTHERS]
    return [one for one in found if one.subject != OTHERS], others


async def test_as_many_as_the_limit_have_a_detection_each(host: Host) -> None:
    await host.take(*changes(LIMIT))
    own, others = await own_and_others(host)
    assert (len(own), others) == (50, [])


async def test_one_more_than_the_limit_is_about_other_subjects(host: Host) -> None:
    events = changes(LIMIT + 1)
    await host.take(*events)
    own, (others,) = await own_and_others(host)
    assert sorted(one.subject for one in own) == [event.path for event in events[:LIMIT]]
    assert (others.title, others.event_count) == ("Watched file changed: other subjects", 1)
    assert "More than 50 subjects of this host" in others.description
    (kept,) = await host.events_of(others)
    assert kept.summary == f"{events[-1].path}: A file changed"


@pytest.mark.slow
async def test_five_thousand_subjects_are_counted_and_none_is_lost(host: Host) -> None:
    events = changes(5000)
    started = time.perf_counter()
    for start in range(0, 5000, 1250):
        await host.take(*events[start : start + 1250])
    took = time.perf_counter() - started
    own, (others,) = await own_and_others(host)
    assert len(own) == LIMIT
    assert sum(one.event_count for one in (*own, others)) == 5000
    assert (others.first_seen_at, others.last_seen_at) == (events[LIMIT].at, events[-1].at)
    paths = [str(event.path) for event in events[LIMIT:]]
    samples = [one.summary.partition(": ")[0] for one in await host.events_of(others)]
    assert samples == paths[:KEPT_FIRST] + paths[-KEPT_LAST:]
    assert took < 20, took  # about 3 s where nobody else is at work
    await host.take(*events)  # sent again
    assert (await own_and_others(host))[1] == [others]


async def test_what_is_counted_with_others_goes_on_to_be(host: Host) -> None:
    await host.take(*changes(LIMIT + 2))
    await host.take(*changes(LIMIT + 2, at=60), *changes(1, first=9000, at=61))
    own, (others,) = await own_and_others(host)
    assert {one.event_count for one in own} == {2}
    assert others.event_count == 5
    assert others.last_seen_at == START + timedelta(seconds=65.1)


async def test_a_host_that_stays_loud_keeps_one_detection_of_others(host: Host) -> None:
    for number in range(6):
        await host.take(*changes(20, first=number * 20, at=number * HOUR * 0.9))
    await limit_to(host, 3)
    for number in range(6, 12):
        await host.take(*changes(20, first=number * 20, at=number * HOUR * 0.9))
    own, (others,) = await own_and_others(host)
    assert (len(own), others.event_count) == (120, 120)


async def test_after_a_silence_subjects_have_detections_of_their_own_again(host: Host) -> None:
    await limit_to(host, 3)
    await host.take(*changes(5))
    await host.take(*changes(5, first=100, at=3 * HOUR))
    own, others = await own_and_others(host)
    assert (len(own), [one.event_count for one in others]) == (6, [2, 2])


async def test_noise_hides_nothing_that_is_worse(host: Host) -> None:
    await limit_to(host, 3)
    await host.take(*changes(10))
    await host.take(seen(EventKind.FILE_CHANGED, 5, path="/etc/passwd"))
    own, (others,) = await own_and_others(host)
    assert [one.subject for one in own if one.severity is Severity.HIGH] == ["/etc/passwd"]
    assert (others.severity, others.event_count) == (Severity.MEDIUM, 7)
    gates = [seen(EventKind.FILE_CHANGED, 6, path=f"/etc/pam.d/{each}") for each in range(3)]
    await host.take(*gates)
    own, (others,) = await own_and_others(host)
    assert len([one for one in own if one.severity is Severity.HIGH]) == 3
    assert (others.severity, others.event_count) == (Severity.HIGH, 8)


async def test_what_follows_resolved_others_is_a_new_detection(host: Host) -> None:
    await limit_to(host, 3)
    await host.take(*changes(5))
    _, (others,) = await own_and_others(host)
    async with host.database.transaction(tenant_id=host.tenant.id) as session:
        await resolve_detection(
            session, principal=person(host.tenant), number=others.number, now=NOW
        )
    await host.take(*changes(5, at=60))
    own, found = await own_and_others(host)
    assert {one.event_count for one in own} == {2}
    assert [(one.event_count, one.state) for one in found] == [
        (2, DetectionState.RESOLVED),
        (2, DetectionState.OPEN),
    ]


async def test_two_detections_of_others_become_one_when_the_gap_between_them_closes(
    host: Host,
) -> None:
    await limit_to(host, 1)
    await host.take(*changes(3, every=1))
    await host.take(*changes(3, every=1, at=1.5 * HOUR))
    await host.take(*changes(1, first=50, at=0.75 * HOUR))
    own, (first, second) = await own_and_others(host)
    assert [one.event_count for one in own] == [1, 1]
    assert (first.event_count, first.state) == (5, DetectionState.OPEN)
    assert second.state is DetectionState.RESOLVED
    async with host.database.transaction(tenant_id=host.tenant.id) as session:
        pointing = await session.scalar(
            select(func.count()).where(col(DetectionWindow.detection_id) == second.id)
        )
    assert pointing == 0


async def test_many_guessing_addresses_are_counted_together_and_none_too_early(host: Host) -> None:
    await limit_to(host, 2, RuleKind.SSH_BRUTEFORCE)
    addresses = [f"198.51.100.{each}" for each in range(1, 6)]
    calls: Sequence[Sequence[SecurityEvent]] = [
        refusals(4, every=1, first=first, source_address=address)
        for first in (0, 30)
        for address in addresses
    ]
    for call in calls[:5]:
        await host.take(*call)
    assert await host.detections() == []  # four times each: nobody has guessed enough
    for call in calls[5:]:
        await host.take(*call)
    own, (others,) = await own_and_others(host)
    assert [(one.subject, one.event_count) for one in own] == [
        (address, 8) for address in addresses[:2]
    ]
    assert (others.event_count, others.source_address, others.target_user) == (24, None, "root")
    await host.take(*refusals(1, first=60, source_address=addresses[4]))
    assert (await own_and_others(host))[1][0].event_count == 25


async def test_one_brute_force_of_five_thousand_lines_stays_one_row_whatever_the_limit(
    host: Host,
) -> None:
    await limit_to(host, 1, RuleKind.SSH_BRUTEFORCE)
    await host.take(*refusals(5000, every=1))
    detection = await host.detection()
    assert (detection.event_count, detection.subject) == (5000, "203.0.113.7")


async def test_a_program_named_like_it_is_a_subject_of_its_own(host: Host) -> None:
    await host.take(seen(EventKind.FILE_CHANGED, path=OTHERS))
    assert (await host.detection()).subject == f"'{OTHERS}'"


@pytest.mark.parametrize("kind", RuleKind)
def test_every_rule_has_the_limit(kind: RuleKind) -> None:
    assert RULES[kind].settings().max_subjects == LIMIT == 50
