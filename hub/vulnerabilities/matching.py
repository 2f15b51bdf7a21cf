"""Matching: distinct package versions against what records say, in one statement.

Where an order has byte keys, PostgreSQL decides by comparing them: exactly, and without moving a
row. The rest (Maven, NuGet, RubyGems, listed versions, versions that have no place in their order)
is narrowed down there and decided in Python. Hosts play no part in this; see `fanout`.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    case,
    cast,
    delete,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from hub.fleet.array_rows import array_rows
from hub.vulnerabilities.ecosystems import KERNEL_ECOSYSTEM, ecosystem_of
from hub.vulnerabilities.matching_models import (
    AdvisoryRange,
    PackageMatch,
    PackageSubject,
    UndecidedMatch,
)
from hub.vulnerabilities.models import KERNEL_FEED, Advisory
from hub.vulnerabilities.ranges import Decision, Interval, Verdict, decide, is_listed

_SUBJECTS = PackageSubject.__table__  # type: ignore[attr-defined]
_RANGES = AdvisoryRange.__table__  # type: ignore[attr-defined]
_ADVISORIES = Advisory.__table__  # type: ignore[attr-defined]
_MATCHES = PackageMatch.__table__  # type: ignore[attr-defined]
_UNDECIDED = UndecidedMatch.__table__  # type: ignore[attr-defined]
_FOUND = ("package_version_id", "advisory_id", "kind", "severity", "fixed_version")
_FOUND_TYPES = {name: Uuid() if name == "package_version_id" else Text() for name in _FOUND}
_QUESTIONS_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Scope:
    """What to match: these versions, these groups, or (None) all there are."""

    versions: Collection[UUID] | None = None
    groups: Collection[str] | None = None

    def on(self, version: Any, group: Any) -> list[ColumnElement[bool]]:
        """Return the conditions on a version's and on a group's column."""
        conditions: list[ColumnElement[bool]] = []
        if self.versions is not None:
            conditions.append(version == any_(literal(sorted(self.versions), ARRAY(Uuid))))
        if self.groups is not None:
            conditions.append(group == any_(literal(sorted(self.groups), ARRAY(Text))))
        return conditions


class _Question(NamedTuple):
    """A subject and a row of a record that bytes do not decide."""

    package_version_id: UUID
    group_id: str
    kind: str
    severity: str
    version: str
    subject_problem: str | None
    ecosystem: str
    range_problem: str | None
    introduced: str | None
    ends_at: str | None
    includes_end: bool
    fixed: str | None
    versions: Sequence[str]


@dataclass(slots=True)
class _Answers:
    """What Python decided: matches, and what stays open with the reason."""

    affected: dict[tuple[UUID, str], tuple[UUID, str, str, str, str | None]] = field(
        default_factory=dict
    )
    undecided: dict[tuple[UUID, str], str] = field(default_factory=dict)


async def match(session: AsyncSession, *, tenant_id: UUID, scope: Scope) -> set[UUID]:
    """Bring the matches in scope up to date; return the versions whose matches changed."""
    answers = await _ask(session, scope)
    changed = set(await session.scalars(_replace_matches(tenant_id, scope, answers)))
    await _replace_undecided(session, tenant_id, scope, answers)
    return changed


async def _ask(session: AsyncSession, scope: Scope) -> _Answers:
    answers = _Answers()
    rows = await session.stream(_questions(scope).execution_options(yield_per=_QUESTIONS_AT_ONCE))
    async for row in rows:
        question = _Question(*row)
        key = (question.package_version_id, question.group_id)
        decision = _answer(question)
        if decision.verdict is Verdict.AFFECTED:
            answers.affected.setdefault(
                key,
                (*key, question.kind, question.severity, decision.fixed),
            )
        elif decision.verdict is Verdict.UNDECIDED and decision.reason is not None:
            answers.undecided.setdefault(key, decision.reason)
    for key in answers.affected:
        answers.undecided.pop(key, None)
    return answers


def _answer(question: _Question) -> Decision:
    order = ecosystem_of(question.ecosystem).order
    if question.range_problem is not None:
        return Decision(Verdict.UNDECIDED, reason=question.range_problem)
    if question.versions:
        if is_listed(order, question.version, question.versions):
            return Decision(Verdict.AFFECTED)
        return Decision(Verdict.NOT_AFFECTED)
    if question.subject_problem is not None:
        return Decision(Verdict.UNDECIDED, reason=f"the version: {question.subject_problem}")
    interval = Interval(
        question.introduced, question.ends_at, question.includes_end, question.fixed
    )
    return decide(order, question.version, intervals=[interval], versions=())


def _met() -> ColumnElement[bool]:
    s, r = _SUBJECTS.c, _RANGES.c
    return and_(r.ecosystem == s.ecosystem, r.name == s.name, r.is_binary == s.is_binary)


def _pairs(*columns: Any, scope: Scope) -> Select[Any]:
    """Select subjects with the rows of records that speak of them, unless another outweighs."""
    s, r, a = _SUBJECTS.c, _RANGES.c, _ADVISORIES.c
    decisive = _RANGES.alias("decisive")
    outweighed = (
        select(literal(1))
        .where(
            decisive.c.advisory_id == r.advisory_id,
            decisive.c.ecosystem == s.yields_to,
            decisive.c.name == r.name,
        )
        .exists()
    )
    return (
        select(*columns)
        .select_from(_SUBJECTS)
        .join(_RANGES, _met())
        .join(_ADVISORIES, a.id == r.advisory_id)
        .where(
            a.withdrawn_at.is_(None),
            or_(s.yields_to.is_(None), ~outweighed),
            or_(r.ecosystem != KERNEL_ECOSYSTEM, a.feed == KERNEL_FEED, ~_kernels_own_word()),
            *scope.on(s.package_version_id, a.group_id),
        )
    )


def _kernels_own_word() -> ColumnElement[bool]:
    """Return whether the kernel's own record speaks of it, be it to reject it.

    Others' copies chain the stable branches too widely.
    """
    own = _ADVISORIES.alias("own")
    return (
        select(literal(1))
        .where(own.c.group_id == _ADVISORIES.c.group_id, own.c.feed == KERNEL_FEED)
        .exists()
    )


def _severity() -> ColumnElement[str]:
    return cast(func.coalesce(_RANGES.c.severity, _ADVISORIES.c.severity), Text)


def _questions(scope: Scope) -> CompoundSelect[Any]:
    s, r = _SUBJECTS.c, _RANGES.c
    statement = _pairs(
        s.package_version_id,
        _ADVISORIES.c.group_id,
        cast(s.kind, Text),
        _severity(),
        s.version,
        s.problem,
        s.ecosystem,
        r.problem,
        r.introduced,
        r.ends_at,
        r.includes_end,
        r.fixed,
        r.versions,
        scope=scope,
    )
    # Two parts, each with an index of its own.
    return union_all(
        statement.where(~r.is_exact),
        statement.where(r.is_exact, s.version_key.is_(None)),
    )


def _exact(scope: Scope) -> Select[Any]:
    s, r = _SUBJECTS.c, _RANGES.c
    return _pairs(
        s.package_version_id,
        _ADVISORIES.c.group_id.label("advisory_id"),
        cast(s.kind, Text).label("kind"),
        _severity().label("severity"),
        r.fixed.label("fixed_version"),
        scope=scope,
    ).where(r.is_exact, r.lower_key <= s.version_key, s.version_key < r.upper_key)


def _replace_matches(tenant_id: UUID, scope: Scope, answers: _Answers) -> Select[Any]:
    """Return the statement that stores what is found and drops what is found no more."""
    told = array_rows("told", _FOUND_TYPES, answers.affected.values())
    both = union_all(_exact(scope), select(*(told.c[name] for name in _FOUND))).subquery("both")
    worst = case({"critical": 4, "high": 3, "medium": 2, "low": 1}, value=both.c.severity, else_=0)
    found = (
        select(*(both.c[name] for name in _FOUND))
        .ext(distinct_on(both.c.package_version_id, both.c.advisory_id))
        .order_by(
            both.c.package_version_id,
            both.c.advisory_id,
            worst.desc(),
            both.c.fixed_version.nulls_last(),
        )
        .cte("found")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    m = _MATCHES.c
    gone = (
        delete(_MATCHES)
        .where(
            *scope.on(m.package_version_id, m.advisory_id),
            ~select(literal(1))
            .where(
                found.c.package_version_id == m.package_version_id,
                found.c.advisory_id == m.advisory_id,
            )
            .exists(),
        )
        .returning(m.package_version_id)
        .cte("gone")
    )
    insert = postgresql.insert(_MATCHES).from_select(
        ["tenant_id", *_FOUND],
        select(literal(tenant_id, Uuid), *(found.c[name] for name in _FOUND)),
        include_defaults=False,
    )
    told_anew = {name: insert.excluded[name] for name in _FOUND[2:]}
    stored = (
        insert.on_conflict_do_update(
            index_elements=[m.tenant_id, m.package_version_id, m.advisory_id],
            set_=told_anew,
            where=or_(*(m[name].is_distinct_from(new) for name, new in told_anew.items())),
        )
        .returning(m.package_version_id)
        .cte("stored")
    )
    return select(stored.c.package_version_id).union(select(gone.c.package_version_id))  # type: ignore[return-value]


async def _replace_undecided(
    session: AsyncSession, tenant_id: UUID, scope: Scope, answers: _Answers
) -> None:
    await session.execute(
        delete(_UNDECIDED).where(
            *scope.on(_UNDECIDED.c.package_version_id, _UNDECIDED.c.advisory_id)
        )
    )
    rows: Iterable[tuple[UUID, str, str]] = [
        (version, group, reason) for (version, group), reason in answers.undecided.items()
    ]
    if not rows:
        return
    types: dict[str, TypeEngine[Any]] = {
        "package_version_id": Uuid(),
        "advisory_id": Text(),
        "reason": Text(),
    }
    told = array_rows("told", types, rows)
    await session.execute(
        postgresql.insert(_UNDECIDED)
        .from_select(
            ["tenant_id", *types],
            select(literal(tenant_id, Uuid), *told.c),
            include_defaults=False,
        )
        .on_conflict_do_nothing()
    )
