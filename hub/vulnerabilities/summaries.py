"""How many hosts have a vulnerability: kept beside the findings, counted anew where they changed.

One change of a tenant's summaries waits for another, so that no count misses what the other is
about to commit. A host that reports the same as before changes none.
"""

from collections.abc import Collection
from typing import Any, NamedTuple, Self
from uuid import UUID

from sqlalchemy import (
    Select,
    Text,
    Uuid,
    case,
    delete,
    distinct,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncSession

from hub.fleet.array_rows import array_rows
from hub.fleet.models import Agent
from hub.severity import severity_of
from hub.vulnerabilities.matching_models import AgentInventory, VulnerabilitySummary
from hub.vulnerabilities.models import Finding, FindingKind, FindingState

MAX_VERSIONS, MAX_HOSTS = 5, 3
UNFIXED = (FindingState.OPEN, FindingState.REBOOT_PENDING)
_AGENTS = Agent.__table__  # type: ignore[attr-defined]
_FINDINGS = Finding.__table__  # type: ignore[attr-defined]
_INVENTORIES = AgentInventory.__table__  # type: ignore[attr-defined]
_SUMMARIES = VulnerabilitySummary.__table__  # type: ignore[attr-defined]
_KEY = ("kind", "advisory_id", "package_name", "ecosystem")
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('monsys_summaries:' || :tenant_id))")


class SummaryKey(NamedTuple):
    """What makes a row of the lists; a kernel's row is one, whatever its packages are called."""

    kind: FindingKind
    advisory_id: str
    package_name: str
    ecosystem: str

    @classmethod
    def of(cls, kind: FindingKind, advisory_id: str, package_name: str, ecosystem: str) -> Self:
        """Return the key of a finding's row."""
        if kind is FindingKind.KERNEL:
            return cls(kind, advisory_id, "", "")
        return cls(kind, advisory_id, package_name, ecosystem)


async def refresh_summaries(
    session: AsyncSession, *, tenant_id: UUID, keys: Collection[SummaryKey] | None
) -> None:
    """Count these vulnerabilities anew; None for all of the tenant's."""
    await session.execute(_LOCK, {"tenant_id": str(tenant_id)})
    told = None
    if keys is not None:
        rows = sorted((str(key.kind.value), *key[1:]) for key in keys)
        told = array_rows("told", dict.fromkeys(_KEY, Text()), rows)
    s = _SUMMARIES.c
    gone = delete(_SUMMARIES)
    if told is not None:
        gone = gone.where(*(s[name] == told.c[name] for name in _KEY))
    await session.execute(gone)
    columns, statement = _counted(tenant_id, told)
    await session.execute(
        postgresql.insert(_SUMMARIES).from_select(columns, statement, include_defaults=False)
    )


def _counted(tenant_id: UUID, told: Any) -> tuple[list[str], Select[Any]]:
    f, a, i = _FINDINGS.c, _AGENTS.c, _INVENTORIES.c
    pending = case((f.state == FindingState.REBOOT_PENDING, f.agent_id))
    exposed = case((i.listens_publicly, f.agent_id))
    columns = {
        "tenant_id": literal(tenant_id, Uuid),
        **_key_columns(),
        "severity": severity_of(func.max(f.severity_rank)),
        "affected_hosts": func.count(distinct(f.agent_id)),
        "reboot_pending_hosts": func.count(distinct(pending)),
        "exposed_hosts": func.count(distinct(exposed)),
        "installed_versions": _first(f.installed_version, MAX_VERSIONS),
        "fixed_versions": _first(f.fixed_version, MAX_VERSIONS),
        "first_hosts": _first(a.name, MAX_HOSTS),
        "known_since": func.min(f.first_seen_at),
    }
    statement = (
        select(*(column.label(name) for name, column in columns.items()))
        .select_from(_FINDINGS)
        .join(_AGENTS, (a.tenant_id == f.tenant_id) & (a.id == f.agent_id))
        .outerjoin(_INVENTORIES, (i.tenant_id == f.tenant_id) & (i.agent_id == f.agent_id))
        .where(f.state.in_(UNFIXED))
        .group_by(*_key_columns().values())
    )
    if told is not None:
        statement = statement.join(told, _is_told(told))
    return list(columns), statement


def _key_columns() -> dict[str, Any]:
    f = _FINDINGS.c
    is_kernel = f.kind == literal_column("'kernel'")
    nothing: Any = literal_column("''")
    return {
        "kind": f.kind,
        "advisory_id": f.advisory_id,
        "package_name": case((is_kernel, nothing), else_=f.package_name),
        "ecosystem": case((is_kernel, nothing), else_=f.ecosystem),
    }


def _is_told(told: Any) -> Any:
    f, t = _FINDINGS.c, told.c
    return (
        (f.kind == t.kind)
        & (f.advisory_id == t.advisory_id)
        & or_(t.kind == FindingKind.KERNEL.value, f.package_name == t.package_name)
        & or_(t.kind == FindingKind.KERNEL.value, f.ecosystem == t.ecosystem)
    )


def _first(column: Any, how_many: int) -> Any:
    """Return the first few values of a group: an answer names some and counts the rest."""
    values: Any = func.array_agg(distinct(aggregate_order_by(column, column)), type_=ARRAY(Text))
    present = func.array_remove(values, literal(None, Text), type_=ARRAY(Text))
    return present[1:how_many]
