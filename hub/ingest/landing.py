"""Durable before the answer leaves: reports that arrive together land in one transaction.

One commit costs a flush to disk and a handful of round trips. While it runs, further reports
gather; the next one takes them all. Who reports waits for its own and no longer, and learns whether
it landed. Nobody waits for a screen here, so a moment of gathering costs nothing, and leaves the
time of the process and of PostgreSQL to the people who do.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Self, override
from uuid import UUID

import structlog

from hub.background import Background
from hub.clock import utc_now
from hub.database import Database
from hub.errors import HubError, Unavailable
from hub.fleet.landing import PlainReport, land_reports
from hub.fleet.partitions import Partitions
from hub.ingest.away import is_worth_sending_again, unavailable
from hub.lean import LeanTransaction
from hub.outage import sqlstate_of

_log = structlog.get_logger(__name__)
MAX_WAITING_REPORTS = 5_000
_MAX_BATCH_REPORTS = 200
_WRITE_TIMEOUT_SECONDS = 10
# Where reports kept each other company, more are on their way: they are worth this wait.
_COMPANY, _GATHER_SECONDS = 3, 0.03
_PLENTY_REPORTS = 50
_ANSWERS_AT_ONCE = 8
_TWICE = "23505"  # unique violation: COPY knows no ON CONFLICT
_GONE = "42P01"  # undefined table: retention dropped a partition
_CROSSED = ("40P01", "40001")  # deadlock, serialization
_REFUSALS = ("22", "23")  # classes of SQLSTATE: data exception, integrity constraint violation


@dataclass(slots=True, eq=False)
class _Item:
    """What waits to be landed, and who waits for it."""

    tenant_id: UUID
    report: PlainReport
    landed: asyncio.Future[bool]


class Landing(Background):
    """Lands reports in shared commits. Use as a context manager for the process's life."""

    name = "landing"

    def __init__(self, database: Database) -> None:
        self._database = database
        self.partitions = Partitions()
        self._waiting: list[_Item] = []
        self._arrived = asyncio.Event()
        self._is_open = False

    @override
    async def __aenter__(self) -> Self:
        self._is_open = True
        return await super().__aenter__()

    @override
    async def __aexit__(self, *raised: object) -> None:
        self._is_open = False
        await super().__aexit__(*raised)
        self._fail(self._waiting, _closing())

    async def report(self, tenant_id: UUID, report: PlainReport) -> bool:
        """Return once the report is durable; False when it is not a plain one and did not land.

        Its key may be retired, its sequence old, or its host another than before: ask one by one.
        """
        self.check_room()
        item = _Item(tenant_id, report, asyncio.get_running_loop().create_future())
        self._waiting.append(item)
        self._arrived.set()
        # Shielded: a host that hangs up still has its report landed.
        return await asyncio.shield(item.landed)

    def check_room(self) -> None:
        """Raise Unavailable while too much waits; best asked before a body is read."""
        if not self._is_open:
            raise _closing()
        if len(self._waiting) >= MAX_WAITING_REPORTS:
            raise Unavailable(
                "More reports are waiting than the hub can store right now; nothing was stored."
                " Keep the report and send it again."
            )

    @override
    async def run(self) -> None:
        """Land what arrives, batch after batch."""
        batch: list[_Item] = []
        while True:
            await self._arrived.wait()
            if len(batch) >= _COMPANY and len(self._waiting) < _PLENTY_REPORTS:
                await asyncio.sleep(_GATHER_SECONDS)
            batch = self._take()
            try:
                await self._settle(batch)
            except asyncio.CancelledError:
                self._fail(batch, _closing())
                raise

    def _take(self) -> list[_Item]:
        """Take what goes into the next commit: of each key one report, in the order they came."""
        batch: list[_Item] = []
        later: list[_Item] = []
        keys: set[str] = set()
        for place, item in enumerate(self._waiting):
            if len(batch) >= _MAX_BATCH_REPORTS:
                later += self._waiting[place:]
                break
            if item.report.key_digest in keys:
                later.append(item)
                continue
            keys.add(item.report.key_digest)
            batch.append(item)
        self._waiting = later
        if not later:
            self._arrived.clear()
        return batch

    async def _settle(
        self, batch: list[_Item], *, is_copied: bool = True, is_again: bool = False
    ) -> None:
        """Land the batch and tell who waits; one bad report must not fail the others.

        What the database refuses is found by halving: the good ones still land.
        """
        try:
            async with asyncio.timeout(_WRITE_TIMEOUT_SECONDS):
                landed = await self._write(batch, is_copied=is_copied)
        except Exception as error:  # noqa: BLE001 - the edge of this task; who waits must learn of it
            state = sqlstate_of(error)
            if state == _TWICE and is_copied:
                await self._settle(batch, is_copied=False, is_again=is_again)
            elif state in {_GONE, *_CROSSED} and not is_again:
                self.partitions.forget()
                await self._settle(batch, is_copied=is_copied, is_again=True)
            elif state[:2] in _REFUSALS:
                await self._settle_refused(batch)
            else:
                self._fail(batch, _told(error, batch))
        else:
            for some in batched(batch, _ANSWERS_AT_ONCE):
                for item in some:
                    if not item.landed.done():
                        item.landed.set_result(item in landed)
                await asyncio.sleep(0)  # people's calls have their turn between the answers

    async def _settle_refused(self, batch: list[_Item]) -> None:
        if len(batch) == 1:
            # Whatever is wrong with it, who asks one by one learns it.
            if not batch[0].landed.done():
                batch[0].landed.set_result(False)
            return
        middle = len(batch) // 2
        await self._settle(batch[:middle])
        await self._settle(batch[middle:])

    async def _write(self, batch: list[_Item], *, is_copied: bool) -> set[_Item]:
        by_tenant: dict[UUID, list[_Item]] = defaultdict(list)
        for item in batch:
            by_tenant[item.tenant_id].append(item)
        landed: set[_Item] = set()
        # Always in the same order, so that two hub processes cannot wait for each other.
        first, *others = sorted(by_tenant)
        async with self._database.lean.transaction(tenant_id=first) as transaction:
            landed |= await self._write_of(transaction, by_tenant[first], is_copied=is_copied)
            for tenant_id in others:
                await transaction.enter(tenant_id)
                landed |= await self._write_of(
                    transaction, by_tenant[tenant_id], is_copied=is_copied
                )
        return landed

    async def _write_of(
        self, transaction: LeanTransaction, items: Sequence[_Item], *, is_copied: bool
    ) -> set[_Item]:
        """Write what one tenant's hosts told; return what landed."""
        keys = await land_reports(
            transaction,
            tenant_id=items[0].tenant_id,
            reports=[item.report for item in items],
            partitions=self.partitions,
            now=utc_now(),
            is_copied=is_copied,
        )
        return {item for item in items if item.report.key_digest in keys}

    @staticmethod
    def _fail(batch: Iterable[_Item], error: HubError) -> None:
        for item in batch:
            if not item.landed.done():
                item.landed.set_exception(Unavailable(error.message))
                item.landed.exception()  # who hung up does not collect it


def _told(error: Exception, batch: Sequence[_Item]) -> HubError:
    if is_worth_sending_again(error):  # a timeout, too: it is an OSError
        _log.warning("landing_failed", error=type(error).__name__, reports=len(batch))
    else:
        _log.error("landing_failed", reports=len(batch), exc_info=error)
    return unavailable(error)


def _closing() -> Unavailable:
    return Unavailable(
        "The hub is shutting down; nothing was stored. Keep the report and send it again."
    )
