"""Falco's parser never fails in a way of its own."""

from hub.clock import utc_now
from hub.ingest.foreign.falco import parse_falco
from tests.fuzz.budget import fuzz
from tests.fuzz.refusals import bodies, outcome_of
from tests.fuzz.seen import check_seen
from tests.hub.ingest.test_falco_and_wazuh import falco

GOOD = falco(
    rule="Read sensitive file untrusted",
    tags=["T1555"],
    uuid="ec834826-90c1-458a-8eec-a014e7266754",
    output_fields={
        "evt.time": 1_793_692_800_123_456_789,
        "fd.name": "/etc/shadow",
        "fd.rip": "203.0.113.7",
        "fd.rport": 443,
        "fd.l4proto": "tcp",
        "proc.name": "less",
        "proc.cmdline": "less /etc/shadow",
        "user.name": "root",
    },
)


def test_each_body_is_read_or_refused() -> None:
    def check(body: bytes) -> None:
        read = outcome_of(lambda told: parse_falco(told, now=utc_now()), body)
        check_seen(read.seen if read else ())

    fuzz(bodies(GOOD), check)
