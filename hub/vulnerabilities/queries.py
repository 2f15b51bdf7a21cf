"""Reads of vulnerabilities: findings grouped by what is vulnerable. Each is one SQL statement.

Both lists show the unfixed findings of the fleet, worst severity first; the tie-break is the
advisory's id, newest first, and it is what pages continue from. The number of hosts is not part of
the order: it changes between two pages, and a host that reports would make rows skip.

The fleet's lists are read from summaries, which cost the same in a large fleet as in a small one;
one agent's list is grouped from its own findings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast
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
from hub.paging import Page, check_page_size, decode_cursor, encode_cursor
from hub.severity import Severity, severity_of
from hub.vulnerabilities.matching_models import AgentInventory, FeedState, VulnerabilitySummary
from hub.vulnerabilities.models import Advisory, Finding, FindingKind, FindingState
from hub.vulnerabilities.risk import Circumstances, Risk, assess_risk
from hub.vulnerabilities.summaries import MAX_HOSTS, MAX_VERSIONS, UNFIXED

MAX_SUMMARY = 200
_LISTENS = AgentInventory.__table__.c.listens_publicly  # type: ignore[attr-defined]
_SUMMARY = VulnerabilitySummary.__table__.c  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cve:
    """What both lists say of an advisory."""

    advisory_id: str
    aliases: Sequence[str]
    summary: str
    cvss_score: float | None
    severity: Severity
    affected_hosts: int
    fixed_versions: Sequence[str]
    known_since: datetime
    epss: float | None = None
    exploited_since: date | None = None
    exposed_hosts: int = 0

    def risk(self, *, now: datetime) -> Risk:
        """Return how urgent it is."""
        return assess_risk(
            Circumstances(
                severity=self.severity,
                cvss=self.cvss_score,
                epss=self.epss,
                exploited_since=self.exploited_since,
                exposed_hosts=self.exposed_hosts,
                known_since=self.known_since,
            ),
            now=now,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelCve(_Cve):
    """One advisory that hits running kernels."""

    reboot_pending_hosts: int
    kernels: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageCve(_Cve):
    """One advisory that hits one installed package."""

    package_name: str
    ecosystem: str
    installed_versions: Sequence[str]
    first_hosts: Sequence[str]


@dataclass(frozen=True, slots=True)
class AdvisedPage[Row](Page[Row]):
    """A page with how fresh the advisories are: the oldest source's last check; None for never."""

    advisories_as_of: datetime | None = None


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
) -> AdvisedPage[KernelCve]:
    """Return unfixed kernel vulnerabilities with the hosts they affect, worst first.

    `severity` is the worst that the advisory has on any of the hosts asked about.
    """
    check_page_size(first)
    groups = _groups(FindingKind.KERNEL, ("advisory_id",), severity, agent_id)
    key = decode_cursor(KERNEL_CVES.name, after, int, str) if after is not None else None
    statement = _page_of(groups, identity=("advisory_id",), key=key, first=first)
    rows = (await session.execute(statement)).mappings().all()
    return _page(KernelCve, rows, first=first, rename={"installed_versions": "kernels"})


async def os_cves_page(
    session: AsyncSession,
    *,
    ecosystem: str | None = None,
    severity: Severity | None = None,
    package: str | None = None,
    agent_id: UUID | None = None,
    first: int,
    after: str | None = None,
) -> AdvisedPage[PackageCve]:
    """Return unfixed package vulnerabilities with the hosts they affect, worst first.

    `ecosystem` is a family such as `npm` or `debian`, which holds `Debian:12`, or one release.
    """
    check_page_size(first)
    identity = ("advisory_id", "package_name", "ecosystem")
    groups = _groups(FindingKind.PACKAGE, identity, severity, agent_id)
    if ecosystem is not None:
        groups = groups.where(_is_in_ecosystem(groups.selected_columns["ecosystem"], ecosystem))
    if package is not None:
        name = func.lower(groups.selected_columns["package_name"])
        groups = groups.where(name == package.strip().lower())
    key = decode_cursor(OS_CVES.name, after, int, str, str, str) if after is not None else None
    statement = _page_of(groups, identity=identity, key=key, first=first)
    rows = (await session.execute(statement)).mappings().all()
    return _page(PackageCve, rows, first=first)


async def advisories_as_of(session: AsyncSession) -> datetime | None:
    """Return when the source that waits longest was last brought up to date."""
    return cast("datetime | None", await session.scalar(select(_as_of())))


def _groups(
    kind: FindingKind, identity: Sequence[str], severity: Severity | None, agent_id: UUID | None
) -> Select[Any]:
    if agent_id is None:
        return _groups_of_fleet(kind, identity, severity)
    return _groups_of_agent(kind, identity, severity, agent_id)


def _groups_of_fleet(
    kind: FindingKind, identity: Sequence[str], severity: Severity | None
) -> Select[Any]:
    names = (
        *identity,
        "affected_hosts",
        "reboot_pending_hosts",
        "exposed_hosts",
        "installed_versions",
        "fixed_versions",
        "first_hosts",
        "known_since",
    )
    groups = select(_SUMMARY.severity_rank.label("rank"), *(_SUMMARY[name] for name in names))
    if severity is not None:
        groups = groups.where(_SUMMARY.severity_rank == severity.rank)
    return groups.where(_SUMMARY.kind == kind)


def _groups_of_agent(
    kind: FindingKind, identity: Sequence[str], severity: Severity | None, agent_id: UUID
) -> Select[Any]:
    f = Finding.__table__.c  # type: ignore[attr-defined]
    rank = func.max(f.severity_rank)
    pending = case((f.state == FindingState.REBOOT_PENDING, f.agent_id))
    exposed = case((_LISTENS, f.agent_id))
    groups = (
        select(
            rank.label("rank"),
            *(f[name] for name in identity),
            func.count(distinct(f.agent_id)).label("affected_hosts"),
            func.count(distinct(pending)).label("reboot_pending_hosts"),
            func.count(distinct(exposed)).label("exposed_hosts"),
            _distinct_sorted(f.installed_version, MAX_VERSIONS).label("installed_versions"),
            _distinct_sorted(f.fixed_version, MAX_VERSIONS).label("fixed_versions"),
            _distinct_sorted(col(Agent.name), MAX_HOSTS).label("first_hosts"),
            func.min(f.first_seen_at).label("known_since"),
        )
        .join(Agent, (col(Agent.tenant_id) == f.tenant_id) & (col(Agent.id) == f.agent_id))
        .outerjoin(
            AgentInventory,
            (col(AgentInventory.tenant_id) == f.tenant_id)
            & (col(AgentInventory.agent_id) == f.agent_id),
        )
        .where(f.kind == kind, f.state.in_(UNFIXED), f.agent_id == agent_id)
        .group_by(*(f[name] for name in identity))
    )
    return groups if severity is None else groups.having(rank == severity.rank)


def _page_of(
    groups: Select[Any], *, identity: Sequence[str], key: tuple[Any, ...] | None, first: int
) -> Select[Any]:
    """Select one page of the groups with the advisories' own words, and how many groups match.

    There is always a row, so that the total and the freshness are known of an empty list too.
    """
    found = groups.cte("found")
    names = ("rank", *identity)
    page = select(found).order_by(*(found.c[name].desc() for name in names)).limit(first + 1)
    if key is not None:
        page = page.where(tuple_(*(found.c[name] for name in names)) < key)
    rows = page.subquery("page")
    around = select(
        select(func.count()).select_from(found).scalar_subquery().label("total"),
        _as_of().label("advisories_as_of"),
    ).subquery("around")
    columns = [column for column in rows.c if column.key != "rank"]
    advised = rows.join(Advisory, col(Advisory.id) == rows.c["advisory_id"])
    return (
        select(
            *around.c,
            *columns,
            type_coerce(severity_of(rows.c["rank"]), enum_by_value(Severity)).label("severity"),
            _all_names(rows.c["advisory_id"]).label("aliases"),
            func.left(col(Advisory.summary), MAX_SUMMARY).label("summary"),
            col(Advisory.cvss_score),
            col(Advisory.epss),
            col(Advisory.exploited_since),
        )
        .select_from(around.outerjoin(advised, literal(True)))  # noqa: FBT003
        .order_by(*(rows.c[name].desc() for name in names))
    )


def _all_names(advisory_id: ColumnElement[str]) -> Any:
    """Return the other names of a vulnerability: aliases, and the records that share them."""
    member = Advisory.__table__.alias("member")  # type: ignore[attr-defined]
    names = (
        select(func.unnest(func.array_append(member.c.aliases, member.c.id)).label("name"))
        .where((member.c.group_id == advisory_id) | (member.c.id == advisory_id))
        .correlate_except(member)
        .subquery("names")
    )
    name = names.c.name
    return (
        select(func.array_agg(distinct(aggregate_order_by(name, name)), type_=ARRAY(Text)))
        .where(name != advisory_id)
        .correlate_except(names)
        .scalar_subquery()
    )


def _as_of() -> Any:
    return select(func.min(col(FeedState.checked_at))).scalar_subquery()


def _page[Row](
    kind: type[Row],
    rows: Sequence[Mapping[Any, Any]],
    *,
    first: int,
    rename: Mapping[str, str] | None = None,
) -> AdvisedPage[Row]:
    names = {**{name: name for name in kind.__dataclass_fields__}, **(rename or {})}  # type: ignore[attr-defined]
    found = [
        kind(**{names[key]: value or () if key == "aliases" else value
                for key, value in row.items() if key in names})
        for row in rows
        if row["advisory_id"] is not None
    ]  # fmt: skip
    return AdvisedPage(
        rows=found[:first],
        has_next=len(found) > first,
        total=rows[0]["total"],
        advisories_as_of=rows[0]["advisories_as_of"],
    )


def _is_in_ecosystem(column: Any, ecosystem: str) -> ColumnElement[bool]:
    wanted = ecosystem.strip().lower()
    known = func.lower(column)
    return known == wanted if ":" in wanted else func.split_part(known, ":", 1) == wanted


def _distinct_sorted(column: Any, how_many: int) -> Any:
    """Return the first few values of a group: an answer names some and counts the rest."""
    values: Any = func.array_agg(distinct(aggregate_order_by(column, column)), type_=ARRAY(Text))
    return func.array_remove(values, literal(None, Text), type_=ARRAY(Text))[1:how_many]
