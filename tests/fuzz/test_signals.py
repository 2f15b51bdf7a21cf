"""The parser of signals never fails in a way of its own."""

from hub.clock import utc_now
from hub.ingest.foreign.signals import parse_signals
from tests.fuzz.budget import fuzz
from tests.fuzz.refusals import bodies, check_text, outcome_of
from tests.hub.ingest.test_others import signal


def test_each_body_is_read_or_refused() -> None:
    def check(body: bytes) -> None:
        read = outcome_of(lambda told: parse_signals(told, now=utc_now()), body)
        for one in read.signals if read else ():
            check_text(one.source, one.subject, one.key, one.title)

    fuzz(bodies({"signals": [signal(), signal(key="other")]}), check)
