"""Verifies a tenant's audit chain: every hash recomputed, every row where it belongs."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.audit.events import GENESIS_HASH, AuditEvent, EventType, row_hash
from hub.audit.models import AuditHead, AuditRow

_BATCH_ROWS = 1000
_MAX_EXACT_INTEGER = 2**53 - 1


class Damage(StrEnum):
    """What is wrong with a chain."""

    ROW_CHANGED = "row_changed"  # its content does not have the hash that it carries
    ROW_MISSING = "row_missing"  # the sequence has a gap here
    ROW_UNCHAINED = "row_unchained"  # it does not carry the hash of the row before it
    TAIL_MISSING = "tail_missing"  # the head knows of more rows than there are
    HEAD_CHANGED = "head_changed"  # the head is not the last row


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where a chain is broken."""

    seq: int
    damage: Damage


@dataclass(frozen=True, slots=True)
class Verification:
    """What verifying a chain found: how many rows are intact, and where that ends."""

    verified: int
    first_break: Break | None

    @property
    def is_intact(self) -> bool:
        """Whether the whole chain is as it was written."""
        return self.first_break is None


async def verify_chain(session: AsyncSession, *, tenant_id: UUID) -> Verification:
    """Recompute the tenant's chain from its beginning, and stop at the first broken row.

    The head is read first: rows that are appended meanwhile are beyond it and are left out.
    """
    head = await _head(session, tenant_id)
    end, end_hash = (head.seq, head.hash) if head else (0, GENESIS_HASH)
    previous_hash = GENESIS_HASH
    verified = 0
    async for row in _rows_in_order(session, tenant_id):
        if row.seq > end and verified == end and head is not None:
            break
        damage = _damage_of(row, expected_seq=verified + 1, previous_hash=previous_hash)
        if damage is not None:
            seq = verified + 1 if damage is Damage.ROW_MISSING else row.seq
            return Verification(verified, Break(seq, damage))
        previous_hash = row.hash
        verified += 1
    if verified < end:
        return Verification(verified, Break(verified + 1, Damage.TAIL_MISSING))
    if verified != end or previous_hash != end_hash:
        return Verification(verified, Break(verified, Damage.HEAD_CHANGED))
    return Verification(verified, None)


async def _head(session: AsyncSession, tenant_id: UUID) -> AuditHead | None:
    statement = select(AuditHead).where(col(AuditHead.tenant_id) == tenant_id)
    head: AuditHead | None = await session.scalar(statement)
    return head


async def _rows_in_order(session: AsyncSession, tenant_id: UUID) -> AsyncIterator[Any]:
    """Yield the rows of the chain in batches, so that a long trail needs little memory."""
    after = -1
    columns = AuditRow.__table__.c  # type: ignore[attr-defined]
    while True:
        statement = (
            select(*columns)
            .where(columns.tenant_id == tenant_id, columns.seq > after)
            .order_by(columns.seq)
            .limit(_BATCH_ROWS)
        )
        rows = (await session.execute(statement)).all()
        for row in rows:
            yield row
        if len(rows) < _BATCH_ROWS:
            return
        after = rows[-1].seq


def _damage_of(row: Any, *, expected_seq: int, previous_hash: str) -> Damage | None:
    if row.seq != expected_seq:
        return Damage.ROW_MISSING if row.seq > expected_seq else Damage.ROW_UNCHAINED
    if row.previous_hash != previous_hash:
        return Damage.ROW_UNCHAINED
    return None if _recomputed_hash(row) == row.hash else Damage.ROW_CHANGED


def _recomputed_hash(row: Any) -> str | None:
    """Return the hash of what the row says now; None when that cannot even be canonical JSON."""
    event = AuditEvent(
        # A row of a later version may be of a type that is unknown here; its hash still counts.
        event_type=row.event_type if row.event_type not in EventType else EventType(row.event_type),
        actor=row.actor,
        actor_kind=row.actor_kind,
        outcome=row.outcome,
        user_id=row.user_id,
        details=_as_written(row.details),
        body=row.body,
        request_id=row.request_id,
    )
    try:
        return row_hash(
            event,
            tenant_id=row.tenant_id,
            seq=row.seq,
            at=row.at,
            previous_hash=row.previous_hash,
        )
    except ValueError:
        return None


def _as_written(value: Any) -> Any:
    """Return the JSON value as it was hashed.

    `jsonb` keeps 1e17 as 100000000000000000. An integer of that size is refused when a row is
    written, so one that is read was a float.
    """
    if isinstance(value, dict):
        return {key: _as_written(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_as_written(part) for part in value]
    if type(value) is int and abs(value) > _MAX_EXACT_INTEGER:
        return float(value)
    return value
