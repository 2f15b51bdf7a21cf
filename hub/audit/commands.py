"""Writes of the audit trail: rows are appended, never changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import orjson

from hub.audit.events import AuditEvent, EventType, row_hash
from hub.audit.statements import APPEND_CALLS, APPEND_ROWS, LOCK_HEAD, MAKE_HEAD
from hub.audit.storable import MAX_TOOL_NAME_CHARACTERS, storable_event, storable_text
from hub.clock import utc_now
from hub.prepared import Transaction


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One invocation of a tool, as `mcp_call_log` and the audit trail keep it."""

    tenant_id: UUID
    user_id: UUID
    actor: str
    tool_name: str
    args_hash: str
    result_status: str
    duration_ms: int
    client_id: str | None = None
    request_id: str | None = None

    def event(self) -> AuditEvent:
        """Return the call as an event of the chain."""
        return AuditEvent(
            event_type=EventType.MCP_TOOL_INVOKED,
            actor=self.actor,
            actor_kind="connector",
            outcome=self.result_status,
            user_id=self.user_id,
            details={
                "tool_name": self.tool_name[:MAX_TOOL_NAME_CHARACTERS],
                "args_hash": self.args_hash,
                "duration_ms": self.duration_ms,
                "client_id": self.client_id,
            },
            request_id=self.request_id,
        )


async def append_events(
    session: Transaction,
    *,
    tenant_id: UUID,
    events: Sequence[AuditEvent],
    at: datetime | None = None,
) -> None:
    """Append events to the tenant's chain, inside the caller's transaction.

    The head's row lock holds until that transaction ends: two writers of one tenant take turns, so
    the chain never forks. Call it last in a transaction, to keep the turn short.
    """
    if events:
        await APPEND_ROWS.run(session, **await _chained(session, tenant_id, events, at))


async def append_tool_calls(
    session: Transaction, calls: Sequence[ToolCall], *, at: datetime | None = None
) -> None:
    """Write the call-log rows and the audit events of calls that one tenant's people made."""
    called_at = at or utc_now()
    rows = [
        {
            "id": uuid4(),
            "tenant_id": call.tenant_id,
            "user_id": call.user_id,
            "tool_name": storable_text(call.tool_name, max_characters=MAX_TOOL_NAME_CHARACTERS),
            "args_hash": call.args_hash,
            "result_status": call.result_status,
            "duration_ms": call.duration_ms,
            "called_at": called_at,
        }
        for call in calls
    ]
    events = [call.event() for call in calls]
    chained = await _chained(session, calls[0].tenant_id, events, called_at)
    await APPEND_CALLS.run(session, mcp_calls=orjson.dumps(rows, default=str).decode(), **chained)


async def _chained(
    session: Transaction, tenant_id: UUID, events: Sequence[AuditEvent], at: datetime | None
) -> dict[str, object]:
    """Lock the end of the chain; return the rows that go on from it, and where they end."""
    seq, previous_hash = await _lock_head(session, tenant_id)
    rows = []
    for event in map(storable_event, events):
        seq += 1
        moment = at or utc_now()
        digest = row_hash(
            event, tenant_id=tenant_id, seq=seq, at=moment, previous_hash=previous_hash
        )
        rows.append(
            {
                "tenant_id": tenant_id,
                "seq": seq,
                "at": moment,
                "event_type": event.event_type.value,
                "actor": event.actor,
                "actor_kind": event.actor_kind,
                "user_id": event.user_id,
                "outcome": event.outcome,
                "details": event.details,
                "body": event.body,
                "request_id": event.request_id,
                "previous_hash": previous_hash,
                "hash": digest,
            }
        )
        previous_hash = digest
    return {
        "of_tenant_id": tenant_id,
        "audit_rows": orjson.dumps(rows, default=str).decode(),
        "last_seq": seq,
        "last_hash": previous_hash,
    }


async def _lock_head(session: Transaction, tenant_id: UUID) -> tuple[int, str]:
    """Return the end of the chain, locked; the first event of a tenant makes it."""
    heads = await LOCK_HEAD.rows(session, tenant_id=tenant_id)
    if not heads:
        await MAKE_HEAD.run(session, tenant_id=tenant_id)
        heads = await LOCK_HEAD.rows(session, tenant_id=tenant_id)
    seq, last_hash = heads[0]
    return seq, last_hash
