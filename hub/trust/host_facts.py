"""What hosts tell of themselves that speaks for or against a tenant."""

from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Float,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import INTERVAL, JSONB
from sqlmodel import col

from hub.fleet.fact_models import FactKind, HostFact
from hub.fleet.models import Agent
from hub.fleet.status import is_in_service
from hub.severity import Severity, severity_of

_NOW = bindparam("now", type_=DateTime(timezone=True))
_MAX_TITLE = 200
_MAX_KEY = 200
# How soon a certificate expires, and how loudly that is said.
_EXPIRY = (
    (timedelta(0), Severity.HIGH),
    (timedelta(days=7), Severity.MEDIUM),
    (timedelta(days=30), Severity.LOW),
)
_SECONDS_AN_HOUR = 3600.0
_LONG_OVERDUE = 3.0  # times the age that a backup may have


def certificates() -> Select[*tuple[Any, ...]]:
    """Select the certificates that expire soon or did, and the hosts that watch any."""
    item = _items()
    not_after = cast(item["not_after"].astext, DateTime(timezone=True))
    severity = case(
        *((not_after <= _NOW + soon, literal(loudness.rank)) for soon, loudness in _EXPIRY)
    )
    longest = max(soon for soon, _ in _EXPIRY)
    found = _found(
        FactKind.CERTIFICATES,
        item,
        key=item["place"].astext,
        title=func.concat("Certificate expires: ", item["place"].astext),
        severity=severity,
        since=not_after - longest,
        condition=not_after <= _NOW + longest,
    )
    return _with_looked_at(FactKind.CERTIFICATES, found)


def backups() -> Select[*tuple[Any, ...]]:
    """Select the backups that are too old or missing, and the hosts that watch any."""
    item = _items()
    newest = cast(item["newest_at"].astext, DateTime(timezone=True))
    hours = cast(item["max_age_hours"].astext, Float)
    allowed = _interval(hours)
    is_mild = and_(newest.is_not(None), newest + _interval(hours * _LONG_OVERDUE) >= _NOW)
    found = _found(
        FactKind.BACKUPS,
        item,
        key=item["name"].astext,
        title=func.concat("Backup is not fresh: ", item["name"].astext),
        severity=case((is_mild, literal(Severity.MEDIUM.rank)), else_=literal(Severity.HIGH.rank)),
        since=func.coalesce(newest + allowed, col(HostFact.changed_at)),
        condition=func.coalesce(newest + allowed < _NOW, literal(value=True)),
    )
    return _with_looked_at(FactKind.BACKUPS, found)


def identities() -> Select[*tuple[Any, ...]]:
    """Select second roots and sudo for everything without a password; hosts that told accounts."""
    account, rule = _items(), _items()
    roots = _found(
        FactKind.ACCOUNTS,
        account,
        key=func.concat("root ", account["name"].astext),
        title=func.concat("A second account is root: ", account["name"].astext),
        severity=literal(Severity.HIGH.rank),
        since=col(HostFact.changed_at),
        condition=and_(account["uid"].astext == "0", account["name"].astext != "root"),
    )
    sudo = _found(
        FactKind.SUDOERS,
        rule,
        key=func.concat("sudo ", rule["who"].astext),
        title=func.concat("Everything without a password through sudo: ", rule["who"].astext),
        severity=literal(Severity.MEDIUM.rank),
        since=col(HostFact.changed_at),
        condition=and_(
            rule["is_passwordless"].astext == "true",
            rule["allows_all"].astext == "true",
            rule["who"].astext != "root",
        ),
    )
    return _with_looked_at(FactKind.ACCOUNTS, roots, sudo)


def _interval(hours: ColumnElement[float]) -> ColumnElement[timedelta]:
    return func.make_interval(0, 0, 0, 0, 0, 0, hours * _SECONDS_AN_HOUR, type_=INTERVAL())


def _items() -> Any:
    """Return one item of a host's facts; each call is a row source of its own."""
    items = func.jsonb_array_elements(col(HostFact.items)).table_valued(
        "value", joins_implicitly=True
    )
    return cast(items.c.value, JSONB)


def _found(
    kind: FactKind,
    item: Any,
    *,
    key: ColumnElement[str],
    title: ColumnElement[str],
    severity: ColumnElement[int],
    since: Any,
    condition: ColumnElement[bool],
) -> Select[*tuple[Any, ...]]:
    """Select what is wrong as the Trust Score takes it; the same key of a host once, at its worst.

    Servers that were retired count nowhere, whatever they told last.
    """
    short_key = func.left(key, _MAX_KEY)
    return (
        select(
            col(Agent.name).label("subject"),
            short_key.label("key"),
            func.min(func.left(title, _MAX_TITLE)).label("title"),
            severity_of(func.max(severity)).label("severity"),
            func.min(since).label("since"),
        )
        .select_from(HostFact)
        .join(Agent, col(Agent.id) == col(HostFact.agent_id))
        .where(col(HostFact.kind) == kind, item.is_not(None), condition, is_in_service())
        .group_by(col(Agent.name), short_key)
    )


def _with_looked_at(kind: FactKind, *found: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """Add an info signal for each host that told this kind of fact at all."""
    has_told = exists(
        select(1).where(
            col(HostFact.tenant_id) == col(Agent.tenant_id),
            col(HostFact.agent_id) == col(Agent.id),
            col(HostFact.kind) == kind,
        )
    )
    looked_at: Select[*tuple[Any, ...]] = select(
        col(Agent.name).label("subject"),
        literal("looked_at", Text).label("key"),
        literal("Looked at", Text).label("title"),
        literal(Severity.INFO.value, Text).label("severity"),
        _NOW.label("since"),
    ).where(has_told, is_in_service())
    return select(union_all(*found, looked_at).subquery())
