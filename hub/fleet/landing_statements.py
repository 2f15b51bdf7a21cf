"""The statements with which measurements land: few round trips, however many hosts.

Rows travel as one array a column, so the text is the same for one report and for two hundred.

Reports of agents and exports of collectors are about the same hosts, and arrive at once. So each of
them locks in one order: what is newest of hosts (`agent_latest`), then the hosts themselves, and of
both by id. Who is second then waits for the first, and never the first for the second as well.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    DateTime,
    Float,
    FromClause,
    String,
    Table,
    Text,
    Uuid,
    any_,
    bindparam,
    cast,
    column,
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import TypeEngine

from hub.fleet.metric_models import LateMetricHour
from hub.fleet.models import Agent, AgentKey, AgentLatest, MetricSample
from hub.fleet.reports import Sample
from hub.prepared import PreparedWrite

_AGENTS: Table = Agent.__table__  # type: ignore[attr-defined]
_KEYS: Table = AgentKey.__table__  # type: ignore[attr-defined]
_LATEST: Table = AgentLatest.__table__  # type: ignore[attr-defined]
_SAMPLES: Table = MetricSample.__table__  # type: ignore[attr-defined]
_LATE_HOURS: Table = LateMetricHour.__table__  # type: ignore[attr-defined]

_INSTANT = DateTime(timezone=True)
SAMPLE_FIGURES: dict[str, TypeEngine[Any]] = dict.fromkeys(Sample._fields[2:], Float())
LATEST_FIGURES: dict[str, TypeEngine[Any]] = {
    **SAMPLE_FIGURES,
    "load5": Float(),
    "load15": Float(),
    "details": Text(),
}
SAMPLE_COLUMNS = ("tenant_id", "agent_id", "at", *SAMPLE_FIGURES)


def _told(name: str, types: Mapping[str, TypeEngine[Any]]) -> FromClause:
    """Return rows whose columns travel as one array each; the parameters are the columns' names."""
    arrays = (bindparam(f"{key}s", type_=ARRAY(kind), required=True) for key, kind in types.items())
    columns = (column(key, kind) for key, kind in types.items())
    return func.unnest(*arrays).table_valued(*columns, name=name).render_derived()


_TENANT = bindparam("tenant_id", type_=Uuid(), required=True)
_NOW = bindparam("now", type_=_INSTANT, required=True)
_REPORTS = _told(
    "told",
    {
        "key_digest": String(),
        "sequence": BigInteger(),
        "identity_digest": String(),
        "at": _INSTANT,
        **LATEST_FIGURES,
    },
)
_ROWS = _told("told", {"agent_id": Uuid(), "at": _INSTANT, **SAMPLE_FIGURES})
_NEWEST = _told("told", {"agent_id": Uuid(), "at": _INSTANT, **LATEST_FIGURES})


def _accepted() -> CTE:
    """Move on each key that is trusted, whose sequence is new and whose host is as it was."""
    return (
        update(_KEYS)
        .where(
            _KEYS.c.digest == _REPORTS.c.key_digest,
            _KEYS.c.revoked_at.is_(None),
            _KEYS.c.last_sequence < _REPORTS.c.sequence,
            _REPORTS.c.identity_digest.is_(None)
            | (_KEYS.c.identity_digest == _REPORTS.c.identity_digest),
        )
        .values(last_sequence=_REPORTS.c.sequence)
        .returning(_KEYS.c.digest, _KEYS.c.agent_id)
        .cte("accepted")
    )


def _after(cte: CTE) -> ColumnElement[bool]:
    """Return what is always true, but not known before the other part of the statement is done."""
    return select(func.count()).select_from(cte).scalar_subquery().is_not(None)


def _among(agent_id: Any, source: FromClause, *conditions: Any) -> ColumnElement[bool]:
    """Return the condition that an agent is one of these.

    They are gathered first, and found by the index then: of a join with what an array holds,
    PostgreSQL does not know how many rows it has, and may compare each with each.
    """
    ids = select(func.array_agg(agent_id)).select_from(source).where(*conditions)
    among: ColumnElement[bool] = _AGENTS.c.id == any_(cast(ids.scalar_subquery(), ARRAY(Uuid())))
    return among


def _locked(among: ColumnElement[bool], latest: CTE) -> CTE:
    """Lock agents in the order of their ids, after what is newest of them is stored."""
    return (
        select(_AGENTS.c.id)
        .where(_AGENTS.c.tenant_id == _TENANT, among, _after(latest))
        .order_by(_AGENTS.c.id)
        .with_for_update(key_share=True)
        .cte("locked")
    )


def _seen(which: ColumnElement[bool], locked: CTE, at: ColumnElement[datetime]) -> CTE:
    """Note that these agents were alive at this moment."""
    return (
        update(_AGENTS)
        .where(_AGENTS.c.tenant_id == _TENANT, which, _after(locked))
        .values(last_seen_at=func.greatest(_AGENTS.c.last_seen_at, at))
        .cte("seen")
    )


def _upsert_latest(agent_id: Any, told: FromClause, source: FromClause) -> CTE:
    """Store what is the newest of each agent, unless what is there is newer."""
    figures = [
        cast(told.c[name], JSONB) if name == "details" else told.c[name] for name in LATEST_FIGURES
    ]
    rows = (
        select(_TENANT, agent_id, told.c.at, *figures)
        .select_from(source)
        .where(told.c.at.is_not(None))
        .order_by(agent_id)
    )
    statement = postgresql.insert(_LATEST).from_select(
        ["tenant_id", "agent_id", "at", *LATEST_FIGURES], rows, include_defaults=False
    )
    return (
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "agent_id"],
            set_={name: statement.excluded[name] for name in ("at", *LATEST_FIGURES)},
            where=_LATEST.c.at <= statement.excluded["at"],
        )
        .returning(_LATEST.c.agent_id)
        .cte("latest")
    )


def _insert_samples(agent_id: Any, told: FromClause, source: FromClause) -> Any:
    rows = (
        select(_TENANT, agent_id, told.c.at, *(told.c[name] for name in SAMPLE_FIGURES))
        .select_from(source)
        .where(told.c.at.is_not(None))
        .order_by(agent_id, told.c.at)
    )
    statement = postgresql.insert(_SAMPLES).from_select(
        [*SAMPLE_COLUMNS], rows, include_defaults=False
    )
    return statement.on_conflict_do_nothing()


def _land_reports(*, with_samples: bool) -> PreparedWrite:
    accepted = _accepted()
    source = _REPORTS.join(accepted, accepted.c.digest == _REPORTS.c.key_digest)
    latest = _upsert_latest(accepted.c.agent_id, _REPORTS, source)
    # Whose newest figures are stored here is locked by that already, and locks are not for free.
    alone = _among(accepted.c.agent_id, source, _REPORTS.c.at.is_(None))
    everybody = _among(accepted.c.agent_id, accepted)
    parts = [_seen(everybody, _locked(alone, latest), _NOW)]
    if with_samples:
        parts.append(_insert_samples(accepted.c.agent_id, _REPORTS, source).cte("samples"))
    return PreparedWrite(select(accepted.c.digest, accepted.c.agent_id).add_cte(*parts))


def _latest_and_seen() -> PreparedWrite:
    latest = _upsert_latest(_NEWEST.c.agent_id, _NEWEST, _NEWEST)
    locked = _locked(_among(_NEWEST.c.agent_id, _NEWEST), latest)
    seen = _seen(_AGENTS.c.id == _NEWEST.c.agent_id, locked, _NEWEST.c.at)
    return PreparedWrite(select(func.count()).add_cte(seen))


def _mark_late_hours() -> PreparedWrite:
    told = _told("told", {"agent_id": Uuid(), "at": _INSTANT})
    rows = select(_TENANT, told.c.agent_id, told.c.at)
    statement = postgresql.insert(_LATE_HOURS).from_select(
        ["tenant_id", "agent_id", "at"], rows, include_defaults=False
    )
    return PreparedWrite(statement)


REPORTS_ALONE = _land_reports(with_samples=False)
REPORTS_WITH_SAMPLES = _land_reports(with_samples=True)
SAMPLES_ALONE = PreparedWrite(_insert_samples(_ROWS.c.agent_id, _ROWS, _ROWS))
# An agent that others measure is as alive as its newest figures are new.
LATEST_AND_SEEN = _latest_and_seen()
LATE_HOURS = _mark_late_hours()
