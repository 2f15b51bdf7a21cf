"""Alertmanager's parser never fails in a way of its own."""

from hub.clock import utc_now
from hub.ingest.foreign.alertmanager import parse_notification
from tests.fuzz.budget import fuzz
from tests.fuzz.refusals import bodies, check_text, outcome_of
from tests.hub.ingest.test_alertmanager import alert, group

GOOD = group(alert(), alert(status="resolved", fingerprint="b", endsAt="2026-11-03T08:00:00Z"))


def test_each_body_is_read_or_refused() -> None:
    def check(body: bytes) -> None:
        read = outcome_of(lambda told: parse_notification(told, now=utc_now()), body)
        for one in read.told if read else ():
            check_text(one.title, one.description, one.host.name if one.host else None)
            assert one.title
            assert len(one.title) <= 200
            assert len(one.description) <= 2000
            assert one.ended_at is None or one.ended_at >= one.started_at

    fuzz(bodies(GOOD), check)
