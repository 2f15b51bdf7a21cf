"""What is handed on from Falco and Wazuh must fit our tables, whatever came in."""

import ipaddress
from collections.abc import Sequence

from hub.ingest.foreign.seen import Seen
from tests.fuzz.refusals import check_text


def check_seen(seen: Sequence[Seen]) -> None:
    """Check lengths, characters and addresses."""
    for one in seen:
        check_text(one.title, one.description, one.rule, one.subject)
        assert 0 < len(one.title) <= 200
        assert len(one.description) <= 2000
        event = one.event
        if event is None:
            continue
        texts = (event.user, event.process, event.path, event.command, event.raw, event.summary)
        check_text(*texts, event.id)
        assert 0 < len(event.id) <= 64
        assert event.count >= 1
        assert event.port is None or 0 <= event.port <= 65_535
        if event.source_address is not None:
            ipaddress.ip_address(event.source_address)
