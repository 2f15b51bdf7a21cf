"""Severities that a record does not say itself: taken from its aliases, or from its upstream.

Aliases come first, as they speak of the same vulnerability; the upstream's word is better than
none. What nobody rated stays medium, with nobody as the one who rated it.
"""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Text, any_, func, literal, or_, select, union, update
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.vulnerabilities.models import Advisory
from hub.vulnerabilities.rating import UNRATED

_MAX_STEPS = 4  # upstream is transitive, and may be a circle
_ADVISORIES = Advisory.__table__  # type: ignore[attr-defined]


async def borrow_ratings(session: AsyncSession, *, ids: Collection[str]) -> set[str]:
    """Rate what these records left unrated, and what is rated after them; return what changed."""
    told = literal(sorted(ids), ARRAY(Text))
    await session.execute(
        update(Advisory)
        .values(severity=UNRATED, cvss_score=None, cvss_vector=None, rated_by=None)
        .where(col(Advisory.rated_by) == any_(told), col(Advisory.id) != col(Advisory.rated_by)),
        execution_options={"synchronize_session": False},
    )
    changed: set[str] = set()
    for _ in range(_MAX_STEPS):
        scope = literal(sorted({*ids, *changed}), ARRAY(Text))
        step = set(await session.scalars(_step(scope)))
        changed |= step
        if not step:
            break
    return changed


def _step(scope: Any):  # type: ignore[no-untyped-def] # noqa: ANN202 - an UPDATE … RETURNING
    target, source = _ADVISORIES.alias("target"), _ADVISORIES.alias("source")
    member = _ADVISORIES.alias("member")
    names = union(
        select(func.unnest(target.c.aliases + target.c.upstream).label("name")).correlate(target),
        select(member.c.id.label("name"))
        .where(member.c.group_id == target.c.group_id)
        .correlate(target),
    ).lateral("names")
    is_alias = source.c.group_id == target.c.group_id
    best = (
        select(
            target.c.id.label("id"),
            source.c.severity,
            source.c.cvss_score,
            source.c.cvss_vector,
            source.c.rated_by,
        )
        .ext(distinct_on(target.c.id))
        .select_from(target)
        .join(names, onclause=literal(True))  # noqa: FBT003
        .join(source, source.c.id == names.c.name)
        .where(
            target.c.rated_by.is_(None),
            source.c.rated_by.is_not(None),
            source.c.withdrawn_at.is_(None),
            or_(
                target.c.id == any_(scope),
                target.c.aliases.overlap(scope),
                target.c.upstream.overlap(scope),
            ),
        )
        .order_by(target.c.id, is_alias.desc().nulls_last(), source.c.severity_rank.desc())
        .subquery("best")
    )
    return (
        update(_ADVISORIES)
        .values(
            severity=best.c.severity,
            cvss_score=best.c.cvss_score,
            cvss_vector=best.c.cvss_vector,
            rated_by=best.c.rated_by,
        )
        .where(_ADVISORIES.c.id == best.c.id)
        .returning(_ADVISORIES.c.id)
    )
