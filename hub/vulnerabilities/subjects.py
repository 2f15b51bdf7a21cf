"""What the fleet's packages are called in advisories: worked out once per distinct version."""

from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Integer, LargeBinary, Text, Uuid, literal, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine
from sqlmodel import col

from hub.fleet.array_rows import array_rows
from hub.fleet.models import PackageVersion
from hub.fleet.reports import InstalledPackage
from hub.vulnerabilities.kernel import as_kernel_source, is_kernel
from hub.vulnerabilities.matching_models import PackageSubject
from hub.vulnerabilities.models import FindingKind
from hub.vulnerabilities.packages import Installed, subjects_of

MAX_VERSIONS_AT_ONCE = 20_000
_TYPES: dict[str, TypeEngine[Any]] = {
    "package_version_id": Uuid(),
    "position": Integer(),
    "ecosystem": Text(),
    "name": Text(),
    "version": Text(),
    "version_key": LargeBinary(),
    "is_binary": Boolean(),
    "problem": Text(),
    "kind": Text(),
    "yields_to": Text(),
}
type SubjectRow = tuple[UUID, int, str, str, str, bytes | None, bool, str | None, str, str | None]


async def name_subjects(session: AsyncSession, *, tenant_id: UUID) -> list[UUID]:
    """Work out the subjects of package versions that have none yet; return these versions.

    At most `MAX_VERSIONS_AT_ONCE` of them, so that memory stays bounded: call it until it returns
    none.
    """
    fresh = await _unnamed(session)
    if fresh:
        rows = array_rows("told", _TYPES, _rows(fresh))
        statement = postgresql.insert(PackageSubject).from_select(
            ["tenant_id", *_TYPES],
            select(literal(tenant_id, Uuid), *rows.c),
            include_defaults=False,
        )
        await session.execute(statement.on_conflict_do_nothing())
    return [identity for identity, _ in fresh]


async def _unnamed(session: AsyncSession) -> list[tuple[UUID, InstalledPackage]]:
    is_named = (
        select(literal(1))
        .where(
            col(PackageSubject.tenant_id) == col(PackageVersion.tenant_id),
            col(PackageSubject.package_version_id) == col(PackageVersion.id),
        )
        .exists()
    )
    rows = await session.execute(
        select(
            col(PackageVersion.id),
            *(col(getattr(PackageVersion, name)) for name in InstalledPackage._fields),
        )
        .where(~is_named)
        .order_by(col(PackageVersion.id))
        .limit(MAX_VERSIONS_AT_ONCE)
    )
    return [(row[0], InstalledPackage(*row[1:])) for row in rows]


def _rows(versions: Iterable[tuple[UUID, InstalledPackage]]) -> Iterator[SubjectRow]:
    for identity, package in versions:
        kind = FindingKind.KERNEL if is_kernel(package) else FindingKind.PACKAGE
        subjects = subjects_of(Installed.of(as_kernel_source(package)))
        decisive = subjects[-1].ecosystem
        for position, subject in enumerate(subjects):
            yields_to = decisive if subject.ecosystem != decisive else None
            yield (
                identity,
                position,
                subject.ecosystem,
                subject.name,
                subject.version,
                subject.key,
                subject.is_binary,
                subject.problem,
                kind.value,
                yields_to,
            )
