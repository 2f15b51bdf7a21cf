"""Writes of vulnerabilities: advisories come in, findings are recorded and closed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, Text, Uuid, bindparam, case, func, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.errors import InvalidInput
from hub.severity import Severity
from hub.vulnerabilities.models import Advisory, Finding, FindingKind, FindingState
from hub.vulnerabilities.summaries import UNFIXED, SummaryKey, refresh_summaries

_ADVISORIES = Advisory.__table__  # type: ignore[attr-defined]
__all__ = [
    "UNFIXED",
    "AdvisoryRecord",
    "FindingIdentity",
    "FindingRecord",
    "mark_fixed",
    "record_findings",
    "store_advisories",
]

_FINDINGS = Finding.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvisoryRecord:
    """One published advisory, as a feed tells it."""

    id: str
    severity: Severity
    modified_at: datetime
    aliases: Sequence[str] = ()
    summary: str = ""
    cvss_score: float | None = None
    cvss_vector: str | None = None
    published_at: datetime | None = None
    withdrawn_at: datetime | None = None
    record: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRecord:
    """That an advisory was seen to hit a package of an agent; `seen_at` is when."""

    agent_id: UUID
    advisory_id: str
    kind: FindingKind
    ecosystem: str
    package_name: str
    installed_version: str
    severity: Severity
    seen_at: datetime
    fixed_version: str | None = None
    state: FindingState = FindingState.OPEN
    first_seen_at: datetime | None = None  # when it is known to be older than `seen_at`


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingIdentity:
    """What makes two findings the same."""

    agent_id: UUID
    advisory_id: str
    package_name: str


async def store_advisories(session: AsyncSession, records: Sequence[AdvisoryRecord]) -> None:
    """Insert or replace advisories; a record older than the stored one is ignored."""
    if not records:
        return
    statement = postgresql.insert(_ADVISORIES)
    columns = AdvisoryRecord.__dataclass_fields__.keys() - {"id"}
    upsert = statement.on_conflict_do_update(
        index_elements=[_ADVISORIES.c.id],
        set_={name: statement.excluded[name] for name in columns},
        where=statement.excluded.modified_at >= _ADVISORIES.c.modified_at,
    )
    # Feeds overlap, so two writers meet on the same rows: always in one order, never a deadlock.
    ordered = sorted(records, key=lambda record: record.id)
    await session.execute(upsert, [_advisory_row(record) for record in ordered])


async def record_findings(
    session: AsyncSession, *, tenant_id: UUID, findings: Sequence[FindingRecord]
) -> None:
    """Insert findings or refresh the known ones: first seen stays, last seen moves on.

    A finding that a person accepted stays accepted until the acceptance expires. One that was
    fixed opens again. A report older than what is known changes nothing.
    """
    if not findings:
        return
    if any(finding.state not in UNFIXED for finding in findings):
        raise InvalidInput(
            "`state` of a recorded finding is open or reboot_pending; use mark_fixed to close it.",
            field="state",
        )
    statement = postgresql.insert(_FINDINGS)
    new, known = statement.excluded, _FINDINGS.c
    is_accepted = (known.state == FindingState.ACCEPTED) & (
        known.accepted_until.is_(None) | (known.accepted_until > new.last_seen_at)
    )
    refreshed = {
        name: new[name]
        for name in (
            "kind",
            "ecosystem",
            "installed_version",
            "fixed_version",
            "severity",
            "last_seen_at",
        )
    }
    upsert = statement.on_conflict_do_update(
        index_elements=[known.tenant_id, known.agent_id, known.advisory_id, known.package_name],
        set_={
            **refreshed,
            "state": case((is_accepted, known.state), else_=new.state),
            "fixed_at": None,
        },
        where=new.last_seen_at >= func.greatest(known.last_seen_at, known.fixed_at),
    )
    await session.execute(upsert, [_finding_row(tenant_id, finding) for finding in findings])
    keys = {
        SummaryKey.of(one.kind, one.advisory_id, one.package_name, one.ecosystem)
        for one in findings
    }
    await refresh_summaries(session, tenant_id=tenant_id, keys=keys)


async def mark_fixed(
    session: AsyncSession, *, identities: Sequence[FindingIdentity], at: datetime
) -> int:
    """Close the findings with these identities that are not fixed yet; return how many."""
    if not identities:
        return 0
    closed = func.unnest(
        bindparam("agents", [one.agent_id for one in identities], ARRAY(Uuid)),
        bindparam("advisories", [one.advisory_id for one in identities], ARRAY(Text)),
        bindparam("packages", [one.package_name for one in identities], ARRAY(Text)),
    ).table_valued("agent_id", "advisory_id", "package_name", name="closed")
    closed = closed.render_derived()
    statement = (
        update(_FINDINGS)
        .values(state=FindingState.FIXED, fixed_at=at)
        .where(
            col(Finding.agent_id) == closed.c.agent_id,
            col(Finding.advisory_id) == closed.c.advisory_id,
            col(Finding.package_name) == closed.c.package_name,
            col(Finding.state) != FindingState.FIXED,
        )
        .returning(
            _FINDINGS.c.tenant_id,
            _FINDINGS.c.kind,
            _FINDINGS.c.advisory_id,
            _FINDINGS.c.package_name,
            _FINDINGS.c.ecosystem,
        )
    )
    rows = (await session.execute(statement)).all()
    if rows:
        keys = {SummaryKey.of(*row[1:]) for row in rows}
        await refresh_summaries(session, tenant_id=rows[0][0], keys=keys)
    return len(rows)


def _advisory_row(record: AdvisoryRecord) -> dict[str, object]:
    row = {name: getattr(record, name) for name in AdvisoryRecord.__dataclass_fields__}
    return {**row, "aliases": list(record.aliases)}


def _finding_row(tenant_id: UUID, finding: FindingRecord) -> dict[str, object]:
    row = {name: getattr(finding, name) for name in FindingRecord.__dataclass_fields__}
    seen_at = row.pop("seen_at")
    row["first_seen_at"] = finding.first_seen_at or seen_at
    return {**row, "tenant_id": tenant_id, "id": uuid4(), "last_seen_at": seen_at}
