"""A year of security events that leads up to one night, and what people did about them."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from hub.detections.commands import (
    NewDetection,
    NewEvent,
    RecordedDetection,
    record_detections,
    resolve_detection,
)
from hub.detections.models import RuleKind
from hub.severity import Severity
from seed.acts import Act
from seed.fleet import agent_id_in
from seed.hosts import NORTHWIND_HOSTS
from seed.people import ADMIN, ANALYST, NORTHWIND_ID, OPERATOR, Person

STORY_YEAR = 2026
STORY_NUMBER = 441  # `DEV-2026-0441`: the night's first detection
_OLDEST = timedelta(days=290)
_QUIET_BEFORE = timedelta(hours=20)


@dataclass(frozen=True, slots=True)
class _Everyday:
    """Something that happens on any fleet: a rule, its title, on which roles, and its end."""

    rule: RuleKind
    title: str
    roles: frozenset[str]
    note: str


# fmt: off
_EVERYDAY = (
    _Everyday(RuleKind.SSH_BRUTEFORCE, "{count} failed SSH sign-ins from {address}",
              frozenset({"web", "gateway", "bastion"}), "No sign-in succeeded; address blocked."),
    _Everyday(RuleKind.SSH_LOGIN_NEW_SOURCE, "First sign-in of {user} from {address}",
              frozenset({"bastion", "gateway"}), "Asked {user}: travelling. Fine."),
    _Everyday(RuleKind.NEW_LISTENING_PORT, "Port 9187 is open",
              frozenset({"database", "queue", "cache", "search"}),
              "Metrics exporter of the rollout; reachable from inside only."),
    _Everyday(RuleKind.FILE_INTEGRITY, "/etc/nginx/nginx.conf changed",
              frozenset({"web", "loadbalancer"}), "Configuration management, change is in git."),
    _Everyday(RuleKind.PROCESS_FROM_TMP, "A program ran from /tmp",
              frozenset({"ci", "worker"}), "Build job that unpacks its tools there."),
    _Everyday(RuleKind.CRON_PERSISTENCE, "New file in /etc/cron.d",
              frozenset({"backup", "database"}), "Installed by a package."),
    _Everyday(RuleKind.NEW_USER, "Account {user} created",
              frozenset({"api", "ci", "scanner"}), "Onboarding; there is a ticket."),
)
# fmt: on
_USERS = ("deploy", "jonas", "priya", "svc-report", "tomas")


async def plant_detections(
    session: AsyncSession, *, detections: Sequence[NewDetection], tenant_id: UUID
) -> list[RecordedDetection]:
    """Store detections in the order in which they were first seen: it is how they are numbered."""
    in_order = sorted(detections, key=lambda detection: detection.first_seen_at)
    return await record_detections(session, tenant_id=tenant_id, detections=in_order)


def everyday_detections(now: datetime, story_start: datetime, *, seed: int) -> list[NewDetection]:
    """Return what happened before the story: exactly as much as makes it start at its number.

    Numbers count up within a year. Told in another year, the history itself reaches the number.
    """
    count, end = STORY_NUMBER - 1, story_start - _QUIET_BEFORE
    if story_start.year != STORY_YEAR:
        count, end = STORY_NUMBER, datetime(STORY_YEAR, 12, 31, tzinfo=UTC)
    start = max(end - _OLDEST, datetime(end.year, 1, 1, tzinfo=UTC))
    chance = random.Random(f"{seed}/detections")  # noqa: S311 - a tale, not a secret
    moments = sorted(start + (end - start) * chance.random() for _ in range(count))
    return [_everyday(min(at, now), chance) for at in moments]


def triage_of_everyday(
    detections: Sequence[NewDetection], recorded: Sequence[RecordedDetection]
) -> Iterator[Act]:
    """Yield who dealt with what, some hours after it was seen. The story's number stays open."""
    for detection, name in zip(detections, recorded, strict=True):
        if name.number == f"DEV-{STORY_YEAR}-{STORY_NUMBER:04}":
            continue
        words = next(one for one in _EVERYDAY if one.rule is detection.rule_kind)
        person = (OPERATOR, OPERATOR, ANALYST, ADMIN)[int(name.number[-2:]) % 4]
        note = words.note.format(user=detection.target_user or "the team")
        yield _resolve(name, _may_triage(person), note, at=detection.last_seen_at + _REACTION)


_REACTION = timedelta(hours=3)


def _may_triage(person: Person) -> Person:
    """Return who acts: analysts look, and ask the operator to close."""
    return OPERATOR if person is ANALYST else person


def _resolve(name: RecordedDetection, person: Person, note: str, *, at: datetime) -> Act:
    async def do(session: AsyncSession) -> None:
        await resolve_detection(
            session, principal=person.principal, number=name.number, note=note, now=at
        )

    return Act(at, do)


def _everyday(at: datetime, chance: random.Random) -> NewDetection:
    kind = chance.choice(_EVERYDAY)
    host = chance.choice([host for host in NORTHWIND_HOSTS if host.role in kind.roles])
    is_ssh = kind.rule in {RuleKind.SSH_BRUTEFORCE, RuleKind.SSH_LOGIN_NEW_SOURCE}
    has_user = kind.rule in {RuleKind.SSH_LOGIN_NEW_SOURCE, RuleKind.NEW_USER}
    address = f"203.0.113.{chance.randrange(10, 90)}" if is_ssh else None
    user = chance.choice(_USERS) if has_user else None
    count = chance.randrange(20, 400) if kind.rule is RuleKind.SSH_BRUTEFORCE else 1
    title = kind.title.format(address=address, user=user, count=count)
    return NewDetection(
        agent_id=agent_id_in(NORTHWIND_ID, host.name),
        rule_kind=kind.rule,
        severity=Severity.LOW if kind.rule is RuleKind.SSH_LOGIN_NEW_SOURCE else None,
        title=title,
        subject=address or user or kind.rule.value,
        first_seen_at=at,
        last_seen_at=at + timedelta(minutes=count // 10),
        event_count=count,
        events=(NewEvent(at=at, summary=title, source_address=address, target_user=user),),
        source_address=address,
        target_user=user,
    )
