"""Records come in: stored, indexed, grouped and rated, one batch in one transaction."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

from sqlalchemy import Text, any_, delete, insert, literal, or_, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.vulnerabilities.aliases import regroup
from hub.vulnerabilities.borrowed_ratings import borrow_ratings
from hub.vulnerabilities.index_rows import IndexRow, index_rows
from hub.vulnerabilities.matching_models import AdvisoryRange
from hub.vulnerabilities.models import KERNEL_FEED, Advisory
from hub.vulnerabilities.rating import UNRATED, assess
from hub.vulnerabilities.records import Document

_ADVISORIES = Advisory.__table__  # type: ignore[attr-defined]
_RANGES = AdvisoryRange.__table__  # type: ignore[attr-defined]
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


async def take_in(
    session: AsyncSession, *, feed: str, documents: Iterable[Document]
) -> dict[str, str]:
    """Store the records that are newer than what is known of them.

    Return the groups that this touches: former id to present id. Matching looks at no others.
    """
    newest = {document.id: document for document in _newest_last(documents)}
    known = await _modified_by_id(session, newest, feed=feed)
    fresh = [
        document
        for identity, document in sorted(newest.items())
        if identity not in known or known[identity] < _instant(document.modified)
    ]
    stored = await _store(session, feed, fresh)
    if not stored:
        return {}
    await _index(session, [document for document in fresh if document.id in stored])
    moved = await regroup(session, ids=stored)
    rated = await borrow_ratings(session, ids=stored)
    if rated - stored:
        moved |= await regroup(session, ids=rated - stored)
    return moved


def _newest_last(documents: Iterable[Document]) -> Sequence[Document]:
    return sorted(documents, key=lambda document: (document.id, document.modified))


def _instant(instant: datetime) -> datetime:
    """Return the instant, at least 1970: some records say year 1, and PostgreSQL counts on."""
    return max(instant, _EARLIEST)


async def _modified_by_id(
    session: AsyncSession, ids: Collection[str], *, feed: str
) -> dict[str, datetime]:
    """Return since when records are known; what the kernel's own feed keeps, OSV never replaces."""
    rows = await session.execute(
        select(col(Advisory.id), col(Advisory.modified_at), col(Advisory.feed)).where(
            col(Advisory.id) == any_(literal(sorted(ids), ARRAY(Text))),
            or_(col(Advisory.feed) == feed, col(Advisory.feed) == KERNEL_FEED),
        )
    )
    never = datetime.max.replace(tzinfo=UTC)
    return {identity: modified if of == feed else never for identity, modified, of in rows}


async def _store(session: AsyncSession, feed: str, documents: Sequence[Document]) -> set[str]:
    if not documents:
        return set()
    statement = postgresql.insert(_ADVISORIES)
    rows = [_row(feed, document) for document in documents]
    upsert = statement.on_conflict_do_update(
        index_elements=[_ADVISORIES.c.id],
        set_={name: statement.excluded[name] for name in rows[0] if name != "id"},
        # Another process may have brought a newer one meanwhile.
        where=or_(
            statement.excluded.modified_at >= _ADVISORIES.c.modified_at,
            statement.excluded.feed != _ADVISORIES.c.feed,
        ),
    ).returning(_ADVISORIES.c.id)
    return set(await session.scalars(upsert, rows))


def _row(feed: str, document: Document) -> dict[str, object]:
    rating = assess(document)
    return {
        "id": document.id,
        "aliases": list(document.aliases),
        "upstream": list(document.upstream),
        "summary": document.summary,
        "severity": rating.severity or UNRATED,
        "cvss_score": rating.score,
        "cvss_vector": rating.vector[:256] if rating.vector else None,
        "rated_by": document.id if rating.severity is not None else None,
        "published_at": document.published and _instant(document.published),
        "modified_at": _instant(document.modified),
        "withdrawn_at": document.withdrawn and _instant(document.withdrawn),
        "record": document.record,
        "feed": feed,
    }


async def _index(session: AsyncSession, documents: Sequence[Document]) -> None:
    """Replace what is indexed of the records; a withdrawn one says nothing any more."""
    ids = [document.id for document in documents]
    await session.execute(
        delete(_RANGES).where(_RANGES.c.advisory_id == any_(literal(ids, ARRAY(Text))))
    )
    rows = [
        _range_row(document.id, position, row)
        for document in documents
        if document.withdrawn is None
        for position, row in enumerate(index_rows(document))
    ]
    if rows:
        await session.execute(insert(_RANGES), rows)


def _range_row(advisory_id: str, position: int, row: IndexRow) -> dict[str, object]:
    fields = {name: getattr(row, name) for name in IndexRow.__dataclass_fields__}
    return {
        **fields,
        "versions": list(row.versions),
        "advisory_id": advisory_id,
        "position": position,
    }
