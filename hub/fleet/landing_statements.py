"""The statements with which measurements land: few round trips, however many hosts.

Rows travel as one array a column, so the text is the same for one report and for two hundred.
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


def _seen(agents: FromClause, at: ColumnElement[datetime]) -> CTE:
    """Note that these agents were alive at this moment."""
    return (
        update(_AGENTS)
        .where(_AGENTS.c.tenant_id == _TENANT, _AGENTS.c.id == agents.c.agent_id)
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
    )
    statement = postgresql.insert(_LATEST).from_select(
        ["tenant_id", "agent_id", "at", *LATEST_FIGURES], rows, include_defaults=False
    )
    return statement.on_conflict_do_update(
        index_elements=["tenant_id", "agent_id"],
        set_={name: statement.excluded[name] for name in ("at", *LATEST_FIGURES)},
        where=_LATEST.c.at <= statement.excluded["at"],
    ).cte("latest")


def _insert_samples(agent_id: Any, told: FromClause, source: FromClause) -> Any:
    rows = (
        select(_TENANT, agent_id, told.c.at, *(told.c[name] for name in SAMPLE_FIGURES))
        .select_from(source)
        .where(told.c.at.is_not(None))
    )
    statement = postgresql.insert(_SAMPLES).from_select(
        [*SAMPLE_COLUMNS], rows, include_defaults=False
    )
    return statement.on_conflict_do_nothing()


def _land_reports(*, with_samples: bool) -> PreparedWrite:
    accepted = _accepted()
    source = _REPORTS.join(accepted, accepted.c.digest == _REPORTS.c.key_digest)
    parts = [_seen(accepted, _NOW), _upsert_latest(accepted.c.agent_id, _REPORTS, source)]
    if with_samples:
        parts.append(_insert_samples(accepted.c.agent_id, _REPORTS, source).cte("samples"))
    return PreparedWrite(select(accepted.c.digest, accepted.c.agent_id).add_cte(*parts))


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
LATEST_AND_SEEN = PreparedWrite(
    select(func.count()).add_cte(
        _seen(_NEWEST, _NEWEST.c.at), _upsert_latest(_NEWEST.c.agent_id, _NEWEST, _NEWEST)
    )
)
LATE_HOURS = _mark_late_hours()
