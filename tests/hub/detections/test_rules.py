"""Each rule: what fires it, what is just not enough, and what looks like it and is harmless."""

from collections import Counter

import pytest

from hub.detections.events import EventKind
from hub.detections.foreign import rules_that_see, wazuh_event_kind
from hub.detections.models import RuleKind
from hub.detections.rule import thresholds_of
from hub.detections.rules import RULES
from tests.hub.detections.rule_cases import CASES, Case
from tests.hub.detections.scene import Host, seen


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
async def test_a_rule_fires_when_it_should_and_only_then(case: Case, host: Host) -> None:
    await host.take(*case.events)
    found = [one for one in await host.detections() if one.rule_kind is case.rule]
    if case.subject is None:
        assert found == []
        return
    (detection,) = found
    assert detection.subject == case.subject
    assert detection.event_count == sum(event.count for event in case.events)
    assert case.severity in {None, detection.severity}
    assert detection.technique == ",".join(RULES[case.rule].guidance.techniques)
    assert detection.description == RULES[case.rule].meaning


def test_every_rule_has_its_three_cases() -> None:
    positive = Counter(case.rule for case in CASES if case.subject is not None)
    negative = Counter(case.rule for case in CASES if case.subject is None)
    assert set(positive) == set(RuleKind) == set(RULES)
    assert all(negative[kind] >= 2 for kind in RuleKind), negative


@pytest.mark.parametrize("kind", RuleKind)
def test_every_number_of_a_rule_has_bounds_a_unit_and_a_meaning(kind: RuleKind) -> None:
    for one in thresholds_of(RULES[kind].settings):
        assert one.low <= one.default <= one.high
        assert one.unit
        assert one.meaning.endswith(".")


def test_every_kind_of_event_is_read_by_a_rule() -> None:
    assert {kind for rule in RULES.values() for kind in rule.reads} == set(EventKind)


@pytest.mark.parametrize(
    ("rule_id", "path", "kind"),
    [
        ("5712", "", EventKind.AUTH_FAILURE),
        ("40112", "", EventKind.AUTH_SUCCESS),
        ("550", "/etc/crontab", EventKind.CRON_CHANGED),
        ("550", "/root/.ssh/authorized_keys", EventKind.AUTHORIZED_KEYS_CHANGED),
        ("554", "/etc/hosts", EventKind.FILE_CHANGED),
        ("1002", "", None),
        ("not a number", "", None),
        ("٥٧١٢", "", None),
    ],
)
def test_wazuhs_rules_have_a_meaning(rule_id: str, path: str, kind: EventKind | None) -> None:
    assert wazuh_event_kind(rule_id, path=path) is kind


def test_what_no_rule_sees_is_known_to_be_unseen() -> None:
    assert rules_that_see(seen(EventKind.PORT_OPENED)) == []
    assert rules_that_see(seen(EventKind.PORT_OPENED, port=80)) == [RuleKind.NEW_LISTENING_PORT]
