"""Events come in once or often, in any order and at once, and lead to the same detections."""

import time
from datetime import timedelta

from hub.detections.growth import KEPT_FIRST, KEPT_LAST
from hub.detections.intake import TakenEvents
from hub.detections.models import RuleKind
from hub.severity import Severity
from tests.hub.detections.scene import ATTACKER, START, Host, refusals


async def test_a_brute_force_of_five_thousand_lines_is_one_detection(host: Host) -> None:
    events = refusals(5000, every=1)
    started = time.perf_counter()
    taken = await host.take(*events)
    took = time.perf_counter() - started
    assert taken == TakenEvents(new=5000)
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
    assert took < 5, took
