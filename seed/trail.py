"""What people did: sign-ins, connections, emergency actions, and what Claude was asked."""

import hashlib
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import rfc8785
from sqlalchemy.ext.asyncio import AsyncSession

from hub.audit.commands import ToolCall, append_events, append_tool_calls
from hub.audit.events import AuditEvent, EventType
from hub.principal import PrincipalKind
from seed.acts import Act
from seed.people import ADMIN, ANALYST, OPERATOR, OWNER, Person
from seed.stable import midnight

_CLIENT_ID = "mcp_demo_claude"
_BRIEFING_DAYS = 21

type _Call = tuple[str, dict[str, Any]]

_BRIEFING: tuple[_Call, ...] = (
    ("monsys_kpi_summary", {}),
    ("monsys_list_detections", {"since": "24h", "ack": "open"}),
)
_QUESTIONS: tuple[_Call, ...] = (
    ("monsys_list_agents", {"tags": ["env:production"]}),
    ("monsys_get_agent", {"agent": "web-edge-01"}),
    ("monsys_trust_score", {}),
    ("monsys_list_alerts", {"severity": "critical", "limit": 10}),
    ("monsys_list_kernel_cves", {}),
    ("monsys_list_os_cves", {"ecosystem": "npm"}),
    ("monsys_list_sla_overview", {}),
    ("monsys_audit_log_search", {"event_type": "emergency_action_run", "since": "7d"}),
)


def trail(now: datetime, *, seed: int) -> Iterator[Act]:
    """Yield everything, in no particular order."""
    chance = random.Random(f"{seed}/trail")  # noqa: S311 - a tale, not a secret
    connected_at = now - timedelta(days=_BRIEFING_DAYS, hours=6)
    yield _event(connected_at, OWNER, EventType.OAUTH_GRANT_CREATED,
                 {"client_id": _CLIENT_ID, "client_name": "Claude",
                  "scope": "mcp.read mcp.acknowledge"})  # fmt: skip
    for days_ago in range(_BRIEFING_DAYS, -1, -1):
        morning = midnight(now) - timedelta(days=days_ago) + timedelta(hours=8)
        yield from (act for act in _day(morning, chance) if act.at < now)
    yield from _emergencies(now)


def _day(morning: datetime, chance: random.Random) -> Iterator[Act]:
    """Yield a day: people sign in, the routine asks its two questions, somebody asks a few more."""
    for index, person in enumerate((OWNER, ADMIN, OPERATOR, ANALYST)):
        if chance.random() < 0.7:  # noqa: PLR2004 - most days
            at = morning + timedelta(minutes=7 * index + chance.randrange(6))
            yield _event(at, person, EventType.SIGNED_IN, {"method": "password+totp"})
    for second, call in enumerate(_BRIEFING):
        yield _call(morning + timedelta(seconds=2 * second), OWNER, call, chance)
    asked_at = morning + timedelta(hours=chance.randrange(1, 9), minutes=chance.randrange(60))
    for index, call in enumerate(chance.sample(_QUESTIONS, 3)):
        yield _call(asked_at + timedelta(minutes=index), OPERATOR, call, chance)
    if chance.random() < 0.15:  # noqa: PLR2004 - now and then
        mistaken: _Call = ("monsys_list_alerts", {"limit": 1000})
        at = asked_at + timedelta(minutes=9)
        yield _call(at, OPERATOR, mistaken, chance, status="invalid_arguments")


def _emergencies(now: datetime) -> Iterator[Act]:
    """Yield what a person ran in the dashboard, with TOTP and a reason; Claude cannot."""
    actions = (
        (now - timedelta(days=5, hours=3), OPERATOR, "StopService", "api-prod-01",
         "Order API 5.2 answers with errors; stopping it until the rollback is out."),
        (now - timedelta(hours=4, minutes=20), ADMIN, "KillProcess", "worker-stg-01",
         "Process .cache-upd mines coins; killed after a copy was taken. It came back."),
    )  # fmt: skip
    for at, person, action, host, reason in actions:
        details = {"action": action, "agent": host, "totp": "verified"}
        yield _event(at, person, EventType.EMERGENCY_ACTION_RUN, details, body=reason)


def _event(
    at: datetime,
    person: Person,
    kind: EventType,
    details: dict[str, Any],
    *,
    body: str | None = None,
) -> Act:
    event = AuditEvent(
        event_type=kind,
        actor=person.email,
        actor_kind=PrincipalKind.SESSION.value,
        user_id=person.id,
        details=details,
        body=body,
    )

    async def do(session: AsyncSession) -> None:
        await append_events(session, tenant_id=person.tenant_id, events=[event], at=at)

    return Act(at, do)


def _call(
    at: datetime,
    person: Person,
    call: _Call,
    chance: random.Random,
    *,
    status: str = "success",
) -> Act:
    tool_name, arguments = call
    made = ToolCall(
        tenant_id=person.tenant_id,
        user_id=person.id,
        actor=person.email,
        tool_name=tool_name,
        args_hash=hashlib.sha256(rfc8785.dumps(arguments)).hexdigest(),
        result_status=status,
        duration_ms=chance.randrange(4, 38),
        client_id=_CLIENT_ID,
    )

    async def do(session: AsyncSession) -> None:
        await append_tool_calls(session, [made], at=at)

    return Act(at, do)
