"""Wazuh's parser never fails in a way of its own."""

from hub.clock import utc_now
from hub.ingest.foreign.wazuh import parse_wazuh
from tests.fuzz.budget import fuzz
from tests.fuzz.refusals import bodies, outcome_of
from tests.fuzz.seen import check_seen
from tests.hub.ingest.test_falco_and_wazuh import wazuh

GOOD = wazuh(
    rule={"id": "550", "level": 7, "description": "changed", "groups": ["syscheck"]},
    data={"srcip": "203.0.113.7", "dstuser": "root", "command": "id"},
    syscheck={"path": "/etc/passwd", "sha256_after": "a" * 64},
    predecoder={"program_name": "sshd"},
)


def test_each_body_is_read_or_refused() -> None:
    def check(body: bytes) -> None:
        read = outcome_of(lambda told: parse_wazuh(told, now=utc_now()), body)
        check_seen(read.seen if read else ())

    fuzz(bodies(GOOD), check)
