"""The keys that agents sign with, as this process last read them.

Remembering one is safe: a key never changes its bytes, its agent or its tenant, and whether it is
still trusted is asked again by the statement that stores what it signed.

When the hub starts, ten thousand hosts come with keys that it does not remember yet. While one
statement reads keys, further ones gather; the next statement reads them all.
"""

import asyncio
from collections import OrderedDict
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    Boolean,
    LargeBinary,
    Select,
    String,
    Uuid,
    bindparam,
    column,
    func,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.database import Database
from hub.errors import Conflict, Forbidden, Unauthenticated
from hub.fleet.models import AgentKey
from hub.fleet.signatures import LAST_SEQUENCE_HEADER, SEQUENCE_HEADER, Seal
from hub.lean import LeanTransaction
from hub.prepared import PreparedRead

CHALLENGE = {"WWW-Authenticate": "Monsys-Signature"}
_MAX_REMEMBERED = 50_000  # about 20 MB
_MAX_READ_AT_ONCE = 500


def _presented_keys() -> Select[*tuple[Any, ...]]:
    digests = bindparam("digests", type_=ARRAY(String()), required=True)
    asked = func.unnest(digests).table_valued(column("digest", String())).render_derived("asked")
    key = (
        func.monsys_agent_key(asked.c.digest)
        .table_valued(
            column("tenant_id", Uuid()),
            column("agent_id", Uuid()),
            column("public_key", LargeBinary()),
            column("is_revoked", Boolean()),
        )
        .lateral("presented_key")
    )
    return select(asked.c.digest, *key.c).select_from(asked.join(key, true()))


_FIND = PreparedRead(_presented_keys())


class TrustedKey(NamedTuple):
    """A pinned key, and whose it is."""

    tenant_id: UUID
    agent_id: UUID
    public_key: bytes


class TrustedKeys:
    """Finds keys by their digest; one for the process's life."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._remembered: OrderedDict[str, TrustedKey] = OrderedDict()
        self._asked: dict[str, asyncio.Future[TrustedKey]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def find(self, digest: str) -> TrustedKey:
        """Return the key; Unauthenticated or Forbidden when it is not trusted."""
        key = self._remembered.get(digest)
        if key is None:
            key = await self._read(digest)
            self._remembered[digest] = key
            if len(self._remembered) > _MAX_REMEMBERED:
                self._remembered.popitem(last=False)
        else:
            self._remembered.move_to_end(digest)
        return key

    def forget(self, digest: str) -> None:
        """Ask the database the next time: what was signed with this key was not taken."""
        self._remembered.pop(digest, None)

    async def _read(self, digest: str) -> TrustedKey:
        asked = self._asked.get(digest)
        if asked is None:
            asked = self._asked[digest] = asyncio.get_running_loop().create_future()
            if self._reading is None:
                self._reading = asyncio.create_task(self._read_asked(), name="trusted-keys")
        return await asyncio.shield(asked)  # another request may wait for the same key

    async def _read_asked(self) -> None:
        try:
            while self._asked:
                digests = list(islice(self._asked, _MAX_READ_AT_ONCE))
                asked = {digest: self._asked.pop(digest) for digest in digests}
                try:
                    found = await self._found(digests)
                except Exception as error:  # noqa: BLE001 - who asked is told, each for itself
                    found = dict.fromkeys(digests, error)
                for digest, answer in asked.items():
                    _answer(answer, found.get(digest) or unknown_key())
        finally:
            self._reading = None

    async def _found(self, digests: list[str]) -> dict[str, TrustedKey | Exception]:
        async with self._database.lean.connection() as connection:
            rows = await _FIND.rows(LeanTransaction(connection), digests=digests)
        return {
            # asyncpg has a UUID of its own, which JSON serialisers do not know.
            digest: TrustedKey(UUID(int=tenant_id.int), UUID(int=agent_id.int), public_key)
            if not is_revoked
            else revoked_key()
            for digest, tenant_id, agent_id, public_key, is_revoked in rows
        }


def _answer(asked: asyncio.Future[TrustedKey], found: TrustedKey | Exception) -> None:
    if asked.done():
        return
    if isinstance(found, TrustedKey):
        asked.set_result(found)
    else:
        asked.set_exception(found)
        asked.exception()  # a host that hung up does not collect it


async def accept_seal(session: AsyncSession, seal: Seal, *, identity: str | None = None) -> UUID:
    """Take this sequence number for good, in the transaction of what was signed; return the agent.

    The update locks the key's row, so of two requests with one number the second finds it taken.
    """
    taken: UUID | None = await session.scalar(
        update(AgentKey)
        .where(
            col(AgentKey.digest) == seal.key_digest,
            col(AgentKey.revoked_at).is_(None),
            col(AgentKey.last_sequence) < seal.sequence,
        )
        .values(
            last_sequence=seal.sequence,
            identity_digest=func.coalesce(identity, col(AgentKey.identity_digest)),
        )
        .returning(col(AgentKey.agent_id)),
        execution_options={"synchronize_session": False},
    )
    if taken is None:
        raise await _refusal(session, seal)
    return taken


async def _refusal(session: AsyncSession, seal: Seal) -> Unauthenticated | Forbidden | Conflict:
    found = (
        await session.execute(
            select(col(AgentKey.last_sequence), col(AgentKey.revoked_at)).where(
                col(AgentKey.digest) == seal.key_digest
            )
        )
    ).one_or_none()
    if found is None:
        return unknown_key()
    if found.revoked_at is not None:
        return revoked_key()
    return Conflict(
        f"Sequence {seal.sequence} is not new: the last one of this key is {found.last_sequence}."
        " What was sent again was taken the first time; what is new is to be signed with a larger"
        " sequence.",
        field=SEQUENCE_HEADER,
        headers={LAST_SEQUENCE_HEADER: str(found.last_sequence)},
    )


def unknown_key() -> Unauthenticated:
    """Return the refusal of a key that nobody enrolled."""
    return Unauthenticated(
        "No host is enrolled with this key. Enrol it with `monsys agent enroll` and a token from"
        " `monsys agent token` or the dashboard.",
        headers=CHALLENGE,
    )


def revoked_key() -> Forbidden:
    """Return the refusal of a key that was trusted once."""
    return Forbidden(
        "This key is trusted no more: the host was retired or enrolled again. Enrol it with"
        " `monsys agent enroll` and a new token."
    )
