"""Reads of alert rules. Each function is one SQL statement."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.models import Alert, AlertState
from hub.alerts.rule_models import AlertRule
from hub.errors import NotFound
from hub.paging import Page, check_page_size, decode_cursor, encode_cursor


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
        statement = statement.where(col(AlertRule.name) > name)
    rows = (await session.execute(statement)).all()
    return Page.of([(row[0], row[1]) for row in rows], first=first, total=rows[0][2] if rows else 0)


async def rule_id_of(session: AsyncSession, name_or_id: str, *, field: str = "id") -> UUID:
    """Return the id of the rule that has this id or name; raise NotFound when none does."""
    identity = _uuid(name_or_id)
    is_it = col(AlertRule.name) == name_or_id if identity is None else col(AlertRule.id) == identity
    found = await session.scalar(select(col(AlertRule.id)).where(is_it))
    if found is None:
        raise NotFound("No alert rule has this name or id.", field=field)
    return found


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
