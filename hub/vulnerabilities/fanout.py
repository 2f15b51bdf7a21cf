"""From matched versions to hosts: findings opened, kept, closed and counted, by joins alone.

Findings are recorded for every host that has a matched version, or runs a matched kernel. What no
feed keeps up to date (an advisory that was told by hand) is left as it is.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Select,
    Text,
    Uuid,
    any_,
    case,
    func,
    literal,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from hub.fleet.models import AgentPackage, PackageVersion
from hub.vulnerabilities.matching_models import AgentInventory, PackageMatch
from hub.vulnerabilities.models import Advisory, Finding, FindingKind, FindingState
from hub.vulnerabilities.summaries import SummaryKey, refresh_summaries

_ADVISORIES = Advisory.__table__  # type: ignore[attr-defined]
_FINDINGS = Finding.__table__  # type: ignore[attr-defined]
_INSTALLED = AgentPackage.__table__  # type: ignore[attr-defined]
_INVENTORIES = AgentInventory.__table__  # type: ignore[attr-defined]
_MATCHES = PackageMatch.__table__  # type: ignore[attr-defined]
_VERSIONS = PackageVersion.__table__  # type: ignore[attr-defined]
_TOLD = (
    "agent_id",
    "advisory_id",
    "package_name",
    "kind",
    "ecosystem",
    "installed_version",
    "fixed_version",
    "severity",
    "state",
)
_REFRESHED = _TOLD[3:-1]


@dataclass(frozen=True, slots=True)
class Hosts:
    """Whose findings to bring up to date: these agents', of these groups, or (None) all."""

    agents: Collection[UUID] | None = None
    groups: Collection[str] | None = None

    def on(self, agent: Any, group: Any) -> list[ColumnElement[bool]]:
        """Return the conditions on an agent's and on a group's column."""
        conditions: list[ColumnElement[bool]] = []
        if self.agents is not None:
            conditions.append(agent == any_(literal(sorted(self.agents), ARRAY(Uuid))))
        if self.groups is not None:
            conditions.append(group == any_(literal(sorted(self.groups), ARRAY(Text))))
        return conditions


async def fan_out(session: AsyncSession, *, tenant_id: UUID, hosts: Hosts, at: datetime) -> int:
    """Bring findings in scope up to date with the matches; return how many changed."""
    opened = (await session.execute(_open(tenant_id, hosts, at))).all()
    closed = (await session.execute(_close(hosts, at))).all()
    keys = {SummaryKey.of(*row) for row in (*opened, *closed)}
    if keys:
        everything = hosts.agents is None and hosts.groups is None
        await refresh_summaries(session, tenant_id=tenant_id, keys=None if everything else keys)
    return len(opened) + len(closed)


def _packages(hosts: Hosts) -> Select[Any]:
    """Select the installed packages that are matched."""
    m, v, i = _MATCHES.c, _VERSIONS.c, _INSTALLED.c
    return (
        select(
            i.agent_id,
            m.advisory_id,
            v.name.label("package_name"),
            m.kind,
            v.ecosystem,
            v.version.label("installed_version"),
            m.fixed_version,
            m.severity,
            literal(FindingState.OPEN.value).label("state"),
        )
        .select_from(_MATCHES)
        .join(_VERSIONS, (v.tenant_id == m.tenant_id) & (v.id == m.package_version_id))
        .join(_INSTALLED, (i.tenant_id == v.tenant_id) & (i.package_version_id == v.id))
        .where(m.kind == FindingKind.PACKAGE, *hosts.on(i.agent_id, m.advisory_id))
    )


def _kernels(hosts: Hosts) -> Select[Any]:
    """Select the running kernels that are matched; one that a reboot mends is pending."""
    m, v, k = _MATCHES.c, _VERSIONS.c, _INVENTORIES.c
    after_reboot = _MATCHES.alias("after_reboot")
    is_affected_then = (
        select(literal(1))
        .where(
            after_reboot.c.tenant_id == k.tenant_id,
            after_reboot.c.package_version_id == k.newest_kernel_id,
            after_reboot.c.advisory_id == m.advisory_id,
        )
        .exists()
    )
    waits = k.newest_kernel_id.is_distinct_from(k.running_kernel_id) & ~is_affected_then
    return (
        select(
            k.agent_id,
            m.advisory_id,
            k.kernel_name.label("package_name"),
            m.kind,
            v.ecosystem,
            k.kernel_release.label("installed_version"),
            m.fixed_version,
            m.severity,
            case((waits, FindingState.REBOOT_PENDING.value), else_=FindingState.OPEN.value).label(
                "state"
            ),
        )
        .select_from(_MATCHES)
        .join(
            _INVENTORIES,
            (k.tenant_id == m.tenant_id) & (k.running_kernel_id == m.package_version_id),
        )
        .join(_VERSIONS, (v.tenant_id == m.tenant_id) & (v.id == m.package_version_id))
        .where(m.kind == FindingKind.KERNEL, *hosts.on(k.agent_id, m.advisory_id))
    )


def _seen(hosts: Hosts) -> Any:
    """Return what is to be seen on hosts now: one row a finding."""
    both = union_all(_packages(hosts), _kernels(hosts)).subquery("both")
    names = ("agent_id", "advisory_id", "package_name")
    return (
        select(*(both.c[name] for name in _TOLD))
        .ext(distinct_on(*(both.c[name] for name in names)))
        .order_by(*(both.c[name] for name in (*names, "installed_version")))
        .subquery("seen")
    )


def _open(tenant_id: UUID, hosts: Hosts, at: datetime) -> Any:
    seen, known = _seen(hosts), _FINDINGS.c
    now = literal(at, DateTime(timezone=True))
    insert = postgresql.insert(_FINDINGS).from_select(
        ["tenant_id", "id", *_TOLD, "first_seen_at", "last_seen_at"],
        select(
            literal(tenant_id, Uuid),
            func.gen_random_uuid(),
            *(seen.c[name] for name in _TOLD),
            now,
            now,
        ),
        include_defaults=False,
    )
    new = insert.excluded
    is_accepted = (known.state == FindingState.ACCEPTED) & (
        known.accepted_until.is_(None) | (known.accepted_until > at)
    )
    state = case((is_accepted, known.state), else_=new.state)
    return insert.on_conflict_do_update(
        index_elements=[known.tenant_id, known.agent_id, known.advisory_id, known.package_name],
        set_={
            **{name: new[name] for name in _REFRESHED},
            "state": state,
            "fixed_at": None,
            "last_seen_at": new.last_seen_at,
        },
        # What is as it was is not written again.
        where=or_(
            known.state != state,
            *(known[name].is_distinct_from(new[name]) for name in _REFRESHED),
        ),
    ).returning(known.kind, known.advisory_id, known.package_name, known.ecosystem)


def _close(hosts: Hosts, at: datetime) -> Any:
    known, advisory = _FINDINGS.c, _ADVISORIES.c
    seen = _seen(hosts)
    is_seen = (
        select(literal(1))
        .where(
            seen.c.agent_id == known.agent_id,
            seen.c.advisory_id == known.advisory_id,
            seen.c.package_name == known.package_name,
        )
        .exists()
    )
    is_fed = (
        select(literal(1)).where(advisory.id == known.advisory_id, advisory.feed != "").exists()
    )
    return (
        update(_FINDINGS)
        .values(state=FindingState.FIXED, fixed_at=at)
        .where(
            known.state != FindingState.FIXED,
            *hosts.on(known.agent_id, known.advisory_id),
            is_fed,
            ~is_seen,
        )
        .returning(known.kind, known.advisory_id, known.package_name, known.ecosystem)
    )
