"""Verifies a tenant's audit chain: every hash recomputed, every row where it belongs."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Text, cast, select
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

    Each head is read after the rows: a chain that grows meanwhile has a head that is ahead of them,
    never one that is behind.
    """
    previous_hash = GENESIS_HASH
    verified = 0
    while True:
        before = verified
        async for row in _rows_after(session, tenant_id, seq=verified):
            damage = _damage_of(row, expected_seq=verified + 1, previous_hash=previous_hash)
            if damage is not None:
                return Verification(verified, Break(verified + 1, damage))
            previous_hash = row.hash
            verified += 1
        head_seq, head_hash = await _head(session, tenant_id)
        if head_seq > verified > before:  # it grew; go on
            continue
        return Verification(
            verified,
            _damage_of_tail(verified, previous_hash, head_seq=head_seq, head_hash=head_hash),
        )


async def _head(session: AsyncSession, tenant_id: UUID) -> tuple[int, str]:
    statement = select(col(AuditHead.seq), col(AuditHead.hash)).where(
        col(AuditHead.tenant_id) == tenant_id
    )
    head = (await session.execute(statement)).one_or_none()
    return (head.seq, head.hash) if head else (0, GENESIS_HASH)


async def _rows_after(session: AsyncSession, tenant_id: UUID, *, seq: int) -> AsyncIterator[Any]:
    """Yield the rows of the chain in batches, so that a long trail needs little memory."""
    after = seq
    columns = AuditRow.__table__.c  # type: ignore[attr-defined]
    # As text: a number that was tampered with may be one that no float holds.
    details_text = cast(columns.details, Text).label("details_text")
    while True:
        statement = (
            select(*(one for one in columns if one.key != "details"), details_text)
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


def _damage_of_tail(
    verified: int, last_hash: str, *, head_seq: int, head_hash: str
) -> Break | None:
    if head_seq > verified:
        return Break(verified + 1, Damage.TAIL_MISSING)
    if (head_seq, head_hash) != (verified, last_hash):
        return Break(verified, Damage.HEAD_CHANGED)
    return None


def _damage_of(row: Any, *, expected_seq: int, previous_hash: str) -> Damage | None:
    if row.seq != expected_seq:
        return Damage.ROW_MISSING
    if row.previous_hash != previous_hash:
        return Damage.ROW_UNCHAINED
    return None if _recomputed_hash(row) == row.hash else Damage.ROW_CHANGED


def _recomputed_hash(row: Any) -> str | None:
    """Return the hash of what the row says now; None when that cannot even be canonical JSON."""
    details = json.loads(row.details_text, parse_int=_integer_as_written)
    event = AuditEvent(
        # A row of a later version may be of a type that is unknown here; its hash still counts.
        event_type=row.event_type if row.event_type not in EventType else EventType(row.event_type),
        actor=row.actor,
        actor_kind=row.actor_kind,
        outcome=row.outcome,
        user_id=row.user_id,
        details=details,
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


def _integer_as_written(digits: str) -> int | float:
    """Return the number as it was hashed.

    `jsonb` keeps 1e17 as 100000000000000000. An integer of that size is refused when a row is
    written, so one that is read was a float.
    """
    value = float(digits)
    return value if abs(value) > _MAX_EXACT_INTEGER else int(digits)
