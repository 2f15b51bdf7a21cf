"""Which records speak of the same vulnerability: union-find over their aliases.

`upstream` is not among them: a distribution's record comes from its upstream's and is about
another package, with its own severity and its own fix.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, any_, literal, or_, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.fleet.array_rows import array_rows
from hub.vulnerabilities.models import Advisory

_ALIASES = Advisory.__table__.c.aliases  # type: ignore[attr-defined]
# The name people search for first.
_PREFERRED = ("CVE-", "GHSA-")


class UnionFind:
    """Sets of names that grow together. Cycles are no special case."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def find(self, name: str) -> str:
        """Return the name that stands for the set, and shorten the way there."""
        root = name
        while (parent := self._parents.setdefault(root, root)) != root:
            root = parent
        while (parent := self._parents[name]) != root:
            self._parents[name], name = root, parent
        return root

    def union(self, one: str, other: str) -> None:
        """Make one set of two."""
        self._parents[self.find(one)] = self.find(other)


@dataclass(frozen=True, slots=True)
class Member:
    """A record, as far as grouping needs it."""

    id: str
    aliases: tuple[str, ...]
    is_withdrawn: bool = False
    group_id: str | None = None


def grouped(members: Iterable[Member]) -> dict[str, list[Member]]:
    """Return the members by the id of the record that speaks for their group."""
    known, sets = list(members), UnionFind()
    for member in known:
        sets.find(member.id)
        for alias in member.aliases:
            sets.union(member.id, alias)
    by_root: defaultdict[str, list[Member]] = defaultdict(list)
    for member in known:
        by_root[sets.find(member.id)].append(member)
    return {min(each, key=_preference).id: each for each in by_root.values()}


def _preference(member: Member) -> tuple[Any, ...]:
    prefixes = (not member.id.startswith(prefix) for prefix in _PREFERRED)
    return (member.is_withdrawn, *prefixes, member.id)


async def regroup(session: AsyncSession, *, ids: Collection[str]) -> dict[str, str]:
    """Group these records anew with all that they are linked to.

    Return every group that was touched, by its former id, with the id it has now.
    """
    members = await _linked(session, set(ids))
    moved: dict[str, str] = {}
    changed = []
    for group_id, group in grouped(members).items():
        moved |= {member.group_id: group_id for member in group if member.group_id}
        moved[group_id] = group_id
        changed += [(member.id, group_id) for member in group if member.group_id != group_id]
    if changed:
        rows = array_rows("told", {"id": Text(), "group_id": Text()}, sorted(changed))
        await session.execute(
            update(Advisory).values(group_id=rows.c.group_id).where(col(Advisory.id) == rows.c.id),
            execution_options={"synchronize_session": False},
        )
    return moved


async def _linked(session: AsyncSession, names: set[str]) -> list[Member]:
    """Return the records that these names lead to, over any number of aliases."""
    found: dict[str, Member] = {}
    frontier = set(names)
    while frontier:
        array = literal(sorted(frontier), ARRAY(Text))
        rows = await session.execute(
            select(
                col(Advisory.id),
                col(Advisory.aliases),
                col(Advisory.withdrawn_at).is_not(None),
                col(Advisory.group_id),
            ).where(or_(col(Advisory.id) == any_(array), _ALIASES.overlap(array)))
        )
        fresh = [
            Member(row[0], tuple(row[1]), row[2], row[3]) for row in rows if row[0] not in found
        ]
        found |= {member.id: member for member in fresh}
        frontier = {name for member in fresh for name in (member.id, *member.aliases)} - names
        names |= frontier
    return list(found.values())
