"""Reads of vulnerabilities: findings grouped by what is vulnerable. Each is one SQL statement.

Both lists group the unfixed findings of the fleet, worst severity first; the tie-break is the
advisory's id, newest first, and it is what pages continue from. The number of hosts is not part of
the order: it changes between two pages, and a host that reports would make rows skip.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    case,
    distinct,
    func,
    literal,
    select,
    tuple_,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.columns import enum_by_value
from hub.fleet.models import Agent
from hub.paging import Page, check_page_size, counted_page, decode_cursor, encode_cursor
from hub.severity import Severity, severity_of
from hub.vulnerabilities.commands import UNFIXED
from hub.vulnerabilities.models import Advisory, Finding, FindingKind, FindingState

MAX_SUMMARY = 200
MAX_VERSIONS = 5
MAX_HOSTS = 3
_RANK = func.max(col(Finding.severity_rank))
_HOSTS = func.count(distinct(col(Finding.agent_id)))


@dataclass(frozen=True, slots=True)
class KernelCve:
    """One advisory that hits running kernels."""

    advisory_id: str
    aliases: Sequence[str]
    summary: str
    cvss_score: float | None
    severity: Severity
    affected_hosts: int
    reboot_pending_hosts: int
    kernels: Sequence[str]
    fixed_versions: Sequence[str]
    known_since: datetime


@dataclass(frozen=True, slots=True)
class PackageCve:
    """One advisory that hits one installed package."""

    advisory_id: str
    aliases: Sequence[str]
    summary: str
    cvss_score: float | None
    package_name: str
    ecosystem: str
    severity: Severity
    installed_versions: Sequence[str]
    fixed_versions: Sequence[str]
    affected_hosts: int
    first_hosts: Sequence[str]
    known_since: datetime


class KERNEL_CVES:  # noqa: N801 - reads as the list it names, like ALERTS
    """The list's order: worst first, then the advisory's id, newest first."""

    name = "kernel_cves"

    @classmethod
    def cursor_at(cls, row: KernelCve) -> str:
        """Return the cursor after this row."""
        return encode_cursor(cls.name, row.severity.rank, row.advisory_id)


class OS_CVES:  # noqa: N801
    """The list's order: worst first, then the advisory's id, newest first, then the package."""

    name = "os_cves"

    @classmethod
    def cursor_at(cls, row: PackageCve) -> str:
        """Return the cursor after this row."""
        return encode_cursor(
            cls.name, row.severity.rank, row.advisory_id, row.package_name, row.ecosystem
        )


async def kernel_cves_page(
    session: AsyncSession,
    *,
    severity: Severity | None = None,
    agent_id: UUID | None = None,
    first: int,
    after: str | None = None,
) -> Page[KernelCve]:
    """Return unfixed kernel vulnerabilities with the hosts they affect, worst first.

    `severity` is the worst that the advisory has on any of the hosts asked about.
    """
    check_page_size(first)
    pending = case((col(Finding.state) == FindingState.REBOOT_PENDING, col(Finding.agent_id)))
    groups = (
        select(
            col(Finding.advisory_id),
            _RANK.label("rank"),
            _HOSTS.label("affected_hosts"),
            func.count(distinct(pending)).label("reboot_pending_hosts"),
            _distinct_sorted(col(Finding.installed_version), MAX_VERSIONS).label("kernels"),
            _distinct_sorted(col(Finding.fixed_version), MAX_VERSIONS).label("fixed_versions"),
            func.min(col(Finding.first_seen_at)).label("known_since"),
        )
        .where(*_unfixed(FindingKind.KERNEL, agent_id))
        .group_by(col(Finding.advisory_id))
        .having(*_of_severity(severity))
    )
    key = decode_cursor(KERNEL_CVES.name, after, int, str) if after is not None else None
    statement = _page_of(groups, identity=("advisory_id",), key=key, first=first)
    rows = (await session.execute(statement)).mappings().all()
    return counted_page(KernelCve, rows, first=first)


async def os_cves_page(
    session: AsyncSession,
    *,
    ecosystem: str | None = None,
    severity: Severity | None = None,
    package: str | None = None,
    agent_id: UUID | None = None,
    first: int,
    after: str | None = None,
) -> Page[PackageCve]:
    """Return unfixed package vulnerabilities with the hosts they affect, worst first.

    `ecosystem` is a family such as `npm` or `debian`, which holds `Debian:12`, or one release.
    """
    check_page_size(first)
    filters = _unfixed(FindingKind.PACKAGE, agent_id)
    if ecosystem is not None:
        filters.append(_is_in_ecosystem(ecosystem))
    if package is not None:
        filters.append(func.lower(col(Finding.package_name)) == package.strip().lower())
    identity = (col(Finding.advisory_id), col(Finding.package_name), col(Finding.ecosystem))
    groups = (
        select(
            *identity,
            _RANK.label("rank"),
            _HOSTS.label("affected_hosts"),
            _distinct_sorted(col(Finding.installed_version), MAX_VERSIONS).label(
                "installed_versions"
            ),
            _distinct_sorted(col(Finding.fixed_version), MAX_VERSIONS).label("fixed_versions"),
            _distinct_sorted(col(Agent.name), MAX_HOSTS).label("first_hosts"),
            func.min(col(Finding.first_seen_at)).label("known_since"),
        )
        .join(
            Agent,
            (col(Agent.tenant_id) == col(Finding.tenant_id))
            & (col(Agent.id) == col(Finding.agent_id)),
        )
        .where(*filters)
        .group_by(*identity)
        .having(*_of_severity(severity))
    )
    key = decode_cursor(OS_CVES.name, after, int, str, str, str) if after is not None else None
    statement = _page_of(
        groups, identity=("advisory_id", "package_name", "ecosystem"), key=key, first=first
    )
    rows = (await session.execute(statement)).mappings().all()
    return counted_page(PackageCve, rows, first=first)


def _page_of(
    groups: Any, *, identity: Sequence[str], key: tuple[Any, ...] | None, first: int
) -> Select[Any]:
    """Select one page of the groups with the advisories' own words, and how many groups match."""
    # Grouped once and counted from the same pass; only the page's advisories are then read.
    found = groups.cte("found")
    names = ("rank", *identity)
    page = select(found).order_by(*(found.c[name].desc() for name in names)).limit(first + 1)
    if key is not None:
        page = page.where(tuple_(*(found.c[name] for name in names)) < key)
    rows = page.subquery("page")
    total = select(func.count()).select_from(found).scalar_subquery()
    columns = [column for column in rows.c if column.key != "rank"]
    return (
        select(
            *columns,
            type_coerce(severity_of(rows.c["rank"]), enum_by_value(Severity)).label("severity"),
            col(Advisory.aliases),
            func.left(col(Advisory.summary), MAX_SUMMARY).label("summary"),
            col(Advisory.cvss_score),
            total.label("total"),
        )
        .join(Advisory, col(Advisory.id) == rows.c["advisory_id"])
        .order_by(*(rows.c[name].desc() for name in names))
    )


def _unfixed(kind: FindingKind, agent_id: UUID | None) -> list[ColumnElement[bool]]:
    filters = [col(Finding.kind) == kind, col(Finding.state).in_(UNFIXED)]
    if agent_id is not None:
        filters.append(col(Finding.agent_id) == agent_id)
    return filters


def _of_severity(severity: Severity | None) -> list[ColumnElement[bool]]:
    return [_RANK.in_([severity.rank])] if severity is not None else []


def _is_in_ecosystem(ecosystem: str) -> ColumnElement[bool]:
    wanted = ecosystem.strip().lower()
    known = func.lower(col(Finding.ecosystem))
    return known == wanted if ":" in wanted else func.split_part(known, ":", 1) == wanted


def _distinct_sorted(column: Any, how_many: int) -> Any:
    """Return the first few values of a group: an answer names some and counts the rest."""
    values: Any = func.array_agg(distinct(aggregate_order_by(column, column)), type_=ARRAY(Text))
    return func.array_remove(values, literal(None, Text), type_=ARRAY(Text))[1:how_many]
