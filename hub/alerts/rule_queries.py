"""Reads of alert rules. Each function is one SQL statement."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.models import Alert, AlertState
from hub.alerts.rule_checks import MAX_AGENTS
from hub.alerts.rule_models import AlertRule
from hub.errors import InvalidInput, NotFound
from hub.fleet.models import Agent
from hub.paging import Page, check_page_size, decode_cursor, encode_cursor
from hub.text import is_storable


class RULES:
    """The list's order: by name."""

    name = "alert_rules"

    @classmethod
    def cursor_at(cls, name: str) -> str:
        """Return the cursor after this rule."""
        return encode_cursor(cls.name, name)


async def rules_page(
    session: AsyncSession, *, first: int, after: str | None = None
) -> Page[tuple[AlertRule, int]]:
    """Return rules by name, each with the number of its open alerts."""
    check_page_size(first)
    is_open = (
        select(func.count())
        .where(col(Alert.rule_id) == col(AlertRule.id), col(Alert.state) == AlertState.OPEN)
        .correlate(AlertRule)
        .scalar_subquery()
    )
    total = select(func.count()).select_from(AlertRule).scalar_subquery()
    statement = select(AlertRule, is_open, total).order_by(col(AlertRule.name)).limit(first + 1)
    if after is not None:
        (name,) = decode_cursor(RULES.name, after, str)
        if not is_storable(name):
            raise InvalidInput("`after` is not a cursor of this list.", field="after")
        statement = statement.where(col(AlertRule.name) > name)
    rows = (await session.execute(statement)).all()
    return Page.of([(row[0], row[1]) for row in rows], first=first, total=rows[0][2] if rows else 0)


async def rule_id_of(session: AsyncSession, name_or_id: str, *, field: str = "id") -> UUID:
    """Return the id of the rule that has this id or name; raise NotFound when none does."""
    identity = _uuid(name_or_id)
    if identity is None and not is_storable(name_or_id):
        raise no_such_rule(field)  # the database would not even take the question
    is_it = col(AlertRule.name) == name_or_id if identity is None else col(AlertRule.id) == identity
    found = await session.scalar(select(col(AlertRule.id)).where(is_it))
    if found is None:
        raise no_such_rule(field)
    return found


def no_such_rule(field: str) -> NotFound:
    """Return the refusal of a name or id that no rule has."""
    return NotFound("No alert rule has this name or id.", field=field)


async def agent_ids_of(session: AsyncSession, names: Sequence[str]) -> list[UUID]:
    """Return the ids of the agents with these names or ids; raise NotFound when one is missing."""
    if len(names) > MAX_AGENTS:
        raise InvalidInput(f"`agents` may name at most {MAX_AGENTS} hosts.", field="agents")
    ids = {identity for name in names if (identity := _uuid(name)) is not None}
    storable = [name for name in names if is_storable(name)]
    rows = await session.execute(
        select(col(Agent.id), col(Agent.name)).where(
            or_(col(Agent.id).in_(ids), col(Agent.name).in_(storable))
        )
    )
    found = {key: row[0] for row in rows for key in (str(row[0]), row[1])}
    missing = [name for name in names if name not in found]
    if missing:
        raise NotFound("`agents` names a host that this tenant does not have.", field="agents")
    return list(dict.fromkeys(found[name] for name in names))


async def installed_templates(session: AsyncSession) -> set[str]:
    """Return the templates that rules of the tenant were made from."""
    rows = await session.scalars(
        select(col(AlertRule.template)).where(col(AlertRule.template).is_not(None)).distinct()
    )
    return {key for key in rows if key is not None}


def identity_of(text: str, refusal: str) -> UUID:
    """Return the id that the text is; what is no id names nothing."""
    identity = _uuid(text)
    if identity is None:
        raise NotFound(refusal, field="id")
    return identity


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
