"""However events are shuffled, doubled and cut into calls, the detections are the same."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from hub.database import Database
from hub.detections.events import EventKind, SecurityEvent
from hub.detections.models import DetectionState, RuleKind
from hub.detections.rule_settings import RuleChange, change_rule
from tests.factories import make_tenant, person
from tests.hub.detections.scene import ATTACKER, NOW, Host, new_host, seen

_OTHER = "198.51.100.20"
# Close enough to be enough, and with gaps that are just closed or just not.
_SECONDS = st.one_of(
    st.integers(0, 12).map(lambda tens: tens * 10),
    st.sampled_from([200, 240, 241, 360, 361, 480, 4000, 7600, 7601]),
)
_SIGN_INS = st.builds(
    lambda kind, seconds, address, user, count: seen(
        kind, seconds, source_address=address, user=user, count=count, process="sshd"
    ),
    kind=st.sampled_from([EventKind.AUTH_FAILURE] * 6 + [EventKind.AUTH_SUCCESS]),
    seconds=_SECONDS,
    address=st.sampled_from([ATTACKER, ATTACKER, _OTHER]),
    user=st.sampled_from(["root", "deploy"]),
    count=st.integers(1, 2),
)
_OTHERS = st.builds(
    lambda kind, seconds, user: seen(
        kind, seconds, user=user, path="/etc/hosts", port=80, process="x"
    ),
    kind=st.sampled_from(
        [
            EventKind.FILE_CHANGED,
            EventKind.PORT_OPENED,
            EventKind.SUDOERS_CHANGED,
            EventKind.SUDO_COMMAND,
        ]
    ),
    seconds=_SECONDS,
    user=st.sampled_from(["root", "deploy"]),
)


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[SecurityEvent], list[list[SecurityEvent]]]:
    """Return events, and calls that bring all of them: in any order, some of them twice."""
    events = draw(st.lists(_SIGN_INS, min_size=8, max_size=30)) + draw(
        st.lists(_OTHERS, max_size=5)
    )
    doubled = events + draw(st.lists(st.sampled_from(events), max_size=5))
    shuffled = draw(st.permutations(doubled))
    cuts = sorted(draw(st.lists(st.integers(0, len(shuffled)), max_size=6)))
    bounds = [0, *cuts, len(shuffled)]
    return events, [list(shuffled[start:end]) for start, end in pairwise(bounds)]


async def outcome(host: Host) -> list[Any]:
    """Return what people see of a host's detections, apart from their numbers."""
    detections = [
        one for one in await host.detections() if one.state is not DetectionState.RESOLVED
    ]
    return sorted(
        [
            [
                one.rule_kind,
                one.subject,
                one.first_seen_at,
                one.last_seen_at,
                one.event_count,
                one.severity,
                one.title,
                one.source_address or "",
                one.target_user or "",
                sorted(event.summary for event in await host.events_of(one)),
            ]
            for one in detections
        ]
    )


@st.composite
def changes(draw: st.DrawFn) -> list[list[SecurityEvent]]:
    """Return calls that bring changes of more files than have detections of their own."""
    events = draw(
        st.lists(
            st.builds(
                lambda path, seconds, count: seen(
                    EventKind.FILE_CHANGED, seconds, path=path, count=count
                ),
                path=st.sampled_from([*(f"/srv/{each}" for each in range(6)), "/etc/passwd"]),
                seconds=st.sampled_from([0, 60, 3000, 3660, 4000, 7600, 9000, 20_000]),
                count=st.integers(1, 2),
            ),
            min_size=5,
            max_size=30,
        )
    )
    cuts = sorted(draw(st.lists(st.integers(0, len(events)), max_size=6)))
    bounds = [0, *cuts, len(events)]
    return [events[start:end] for start, end in pairwise(bounds)]


@pytest.mark.slow
@settings(max_examples=40, deadline=None, phases=[Phase.reuse, Phase.generate])
@given(changes())
async def test_however_a_crowd_comes_in_every_event_is_counted(
    database: Database, calls: Sequence[Sequence[SecurityEvent]]
) -> None:
    tenant = await make_tenant(database)
    host = await new_host(database, tenant)
    async with database.transaction(tenant_id=tenant.id) as session:
        change = RuleChange(RuleKind.FILE_INTEGRITY, thresholds={"max_subjects": 2})
        await change_rule(session, principal=person(tenant), change=change, now=NOW)
    for call in calls:
        await host.take(*call)
        await host.take(*call)  # sent again
    told = [event for call in calls for event in call]
    found = [one for one in await host.detections() if one.state is not DetectionState.RESOLVED]
    assert sum(one.event_count for one in found) == sum(event.count for event in told)
    assert min(one.first_seen_at for one in found) == min(event.at for event in told)
    assert max(one.last_seen_at for one in found) == max(event.at for event in told)
    assert "/etc/passwd" not in {event.path for event in told} or any(
        one.subject == "/etc/passwd" for one in found
    )


# Without shrinking: each example costs a dozen transactions.
@pytest.mark.slow
@settings(max_examples=30, deadline=None, phases=[Phase.reuse, Phase.generate])
@given(deliveries())
async def test_the_order_of_events_does_not_matter(
    database: Database, delivery: tuple[Sequence[SecurityEvent], Sequence[Sequence[SecurityEvent]]]
) -> None:
    events, calls = delivery
    tenant = await make_tenant(database)
    at_once, in_parts = await new_host(database, tenant), await new_host(database, tenant)
    await at_once.take(*events)
    for call in calls:
        await in_parts.take(*call)
    assert await outcome(in_parts) == await outcome(at_once)
