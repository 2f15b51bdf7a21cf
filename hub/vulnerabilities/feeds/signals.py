"""What others know of exploitation: EPSS (CSV, also packed) and CISA's KEV catalogue (JSON)."""

import csv
import gzip
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import batched
from pathlib import Path

import orjson
from sqlalchemy import Date, Float, Text, func, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.fleet.array_rows import array_rows
from hub.vulnerabilities.feeds.archives import MAX_RECORD_BYTES, SourceDamaged
from hub.vulnerabilities.feeds.state import note_success
from hub.vulnerabilities.matching_models import CveSignal
from hub.vulnerabilities.models import Advisory
from hub.vulnerabilities.rematching import EVERYBODY

_ROWS_AT_ONCE = 20_000
_MAX_LINE = 1_000
_ADVISORIES = Advisory.__table__  # type: ignore[attr-defined]


async def sync_epss(database: Database, path: Path) -> int:
    """Store the scores of a CSV with the columns `cve` and `epss`; return how many there are."""
    rows = list(_epss_rows(path))
    async with database.transaction(presented=EVERYBODY) as session:
        for batch in batched(rows, _ROWS_AT_ONCE):
            told = array_rows("told", {"cve_id": Text(), "epss": Float()}, batch)
            await _store(session, told, "epss")
        await apply_signals(session)
        await note_success(session, name="epss", checked_at=utc_now(), records=len(rows))
    return len(rows)


async def sync_kev(database: Database, path: Path) -> int:
    """Store CISA's catalogue; return how many entries it has."""
    rows = sorted(_kev_rows(path))
    async with database.transaction(presented=EVERYBODY) as session:
        await record_exploited(session, rows)
        await note_success(session, name="kev", checked_at=utc_now(), records=len(rows))
    return len(rows)


async def record_exploited(session: AsyncSession, entries: Sequence[tuple[str, date]]) -> None:
    """Store on which day CISA listed each CVE as exploited, and write it onto the advisories."""
    told = array_rows("told", {"cve_id": Text(), "exploited_since": Date()}, entries)
    await _store(session, told, "exploited_since")
    await apply_signals(session)


def _epss_rows(path: Path) -> Iterator[tuple[str, float]]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as file:
            lines = (line for line in file if not line.startswith("#") and len(line) < _MAX_LINE)
            for row in csv.DictReader(lines):
                score = float(row["epss"])
                if not 0 <= score <= 1:
                    raise SourceDamaged(f"{path.name}: {row['cve'][:32]} has no score from 0 to 1.")
                yield row["cve"][:32], score
    except (OSError, EOFError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise SourceDamaged(
            f"{path.name} is no EPSS table with the columns cve and epss; nothing was changed."
        ) from error


def _kev_rows(path: Path) -> set[tuple[str, date]]:
    try:
        if path.stat().st_size > 4 * MAX_RECORD_BYTES:
            raise SourceDamaged(f"{path.name} is too large for CISA's catalogue.")
        entries = orjson.loads(path.read_bytes())["vulnerabilities"]
        return {(str(e["cveID"])[:32], date.fromisoformat(e["dateAdded"])) for e in entries}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceDamaged(
            f"{path.name} is not CISA's catalogue in JSON; nothing was changed."
        ) from error


async def _store(session: AsyncSession, told: object, column: str) -> None:
    columns = told.c  # type: ignore[attr-defined]
    statement = postgresql.insert(CveSignal).from_select(
        ["cve_id", column], select(*columns).distinct(), include_defaults=False
    )
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["cve_id"], set_={column: statement.excluded[column]}
        )
    )


async def apply_signals(session: AsyncSession) -> None:
    """Write onto every advisory what is known of it under any of its names."""
    named = _ADVISORIES.alias("named")
    names = (
        select(
            named.c.id,
            func.unnest(func.array_append(named.c.aliases + named.c.upstream, named.c.id)).label(
                "name"
            ),
        )
    ).subquery("names")
    known = (
        select(
            names.c.id,
            func.max(col(CveSignal.epss)).label("epss"),
            func.min(col(CveSignal.exploited_since)).label("exploited_since"),
        )
        .join(CveSignal, col(CveSignal.cve_id) == names.c.name)
        .group_by(names.c.id)
        .subquery("known")
    )
    await session.execute(
        update(_ADVISORIES)
        .values(epss=known.c.epss, exploited_since=known.c.exploited_since)
        .where(
            _ADVISORIES.c.id == known.c.id,
            or_(
                _ADVISORIES.c.epss.is_distinct_from(known.c.epss),
                _ADVISORIES.c.exploited_since.is_distinct_from(known.c.exploited_since),
            ),
        )
    )
