"""Bringing a source's records in: checked as a whole, then stored batch by batch.

Each batch is one transaction, and a record that is not newer than what is stored costs nothing: a
run that was killed goes on where it stopped.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import orjson

from hub.clock import utc_now
from hub.database import Database
from hub.vulnerabilities.feeds.archives import Entry, check_archive, entries
from hub.vulnerabilities.feeds.signals import apply_signals
from hub.vulnerabilities.feeds.state import mark_stale, match_stale_groups, note_success
from hub.vulnerabilities.index_rows import index_rows
from hub.vulnerabilities.intake import take_in
from hub.vulnerabilities.records import Document, RecordRefused
from hub.vulnerabilities.rematching import EVERYBODY

_DOCUMENTS_AT_ONCE = 500
_BYTES_AT_ONCE = 32 * 2**20  # Ubuntu's records of kernels are large, and ten times that in memory
_MATCH_AFTER_BATCHES = 10
MAX_REFUSALS_KEPT = 100
# `\u0000` is a NUL; after a backslash that is escaped itself it is text that speaks of one.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

type Read = Callable[[object, Entry], Document]
type Wants = Callable[[Document], bool]


@dataclass(slots=True)
class Synchronised:
    """What a run did."""

    feed: str
    files: int = 0
    stored: int = 0
    unwanted: int = 0
    refused: list[RecordRefused] = field(default_factory=list)
    decided: Counter[str] = field(default_factory=Counter)  # records by ecosystem
    undecided: Counter[str] = field(default_factory=Counter)
    findings_changed: int = 0
    as_of: datetime | None = None
    is_unchanged: bool = False


async def synchronise(
    database: Database,
    path: Path,
    *,
    feed: str,
    name: str,
    read: Read,
    wants: Wants,
    etag: str = "",
    report: Callable[[int, int | None], None] = lambda done, total: None,  # noqa: ARG005
) -> Synchronised:
    """Bring in the records of one file, archive or folder."""
    now = utc_now()
    result = Synchronised(name)
    # What a killed run left unmatched comes first.
    result.findings_changed += await match_stale_groups(database, at=now)
    total = check_archive(path)
    for number, batch in enumerate(_batches(path, read, wants, result), start=1):
        async with database.transaction(presented=EVERYBODY) as session:
            moved = await take_in(session, feed=feed, documents=batch)
            await mark_stale(session, moved=moved)
        result.stored += len(moved)
        if number % _MATCH_AFTER_BATCHES == 0:
            result.findings_changed += await match_stale_groups(database, at=now)
        report(result.files, total)
    result.findings_changed += await match_stale_groups(database, at=now)
    report(result.files, total)
    async with database.transaction(presented=EVERYBODY) as session:
        await apply_signals(session)
        await note_success(
            session,
            name=name,
            checked_at=now,
            as_of=result.as_of,
            etag=etag,
            records=result.files - len(result.refused) - result.unwanted,
            refused=len(result.refused),
            details={"refused": [str(each) for each in result.refused[:MAX_REFUSALS_KEPT]]},
        )
    return result


def _batches(
    path: Path, read: Read, wants: Wants, result: Synchronised
) -> Iterator[list[Document]]:
    """Yield documents, as many as one transaction takes and memory holds."""
    batch: list[Document] = []
    size = 0
    for entry, document in _documents(path, read, wants, result):
        batch.append(document)
        size += entry.size
        if len(batch) == _DOCUMENTS_AT_ONCE or size >= _BYTES_AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _documents(
    path: Path, read: Read, wants: Wants, result: Synchronised
) -> Iterator[tuple[Entry, Document]]:
    for entry in entries(path):
        result.files += 1
        try:
            document = _document(entry, read)
        except RecordRefused as refused:
            result.refused.append(refused)
            continue
        if not wants(document):
            result.unwanted += 1
            continue
        _count(document, result)
        yield entry, document


def _document(entry: Entry, read: Read) -> Document:
    if entry.problem is not None:
        raise RecordRefused(entry.name, entry.problem)
    try:
        content = entry.read()
    except OSError as error:
        raise RecordRefused(entry.name, "cannot be read") from error
    if _NUL.search(content):
        raise RecordRefused(entry.name, "holds a NUL character, which no database stores")
    try:
        data = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise RecordRefused(entry.name, "is not JSON") from error
    document = read(data, entry)
    try:
        index_rows(document)
    except (ValueError, RecursionError) as error:
        raise RecordRefused(document.id, f"cannot be indexed: {error}") from error
    try:
        orjson.dumps(document.record)  # it reads deeper than it writes, and the rest is stored
    except orjson.JSONEncodeError as error:
        raise RecordRefused(document.id, "is nested too deeply to be stored") from error
    return document


def _count(document: Document, result: Synchronised) -> None:
    rows = index_rows(document)
    counter = result.undecided if any(row.problem for row in rows) else result.decided
    for ecosystem in {affected.ecosystem.name for affected in document.affected} or {"(none)"}:
        counter[ecosystem.partition(":")[0]] += 1
    modified = min(max(document.modified, datetime(1970, 1, 1, tzinfo=UTC)), utc_now())
    result.as_of = max(result.as_of or modified, modified)
