"""A large fleet and a large catalogue, generated: what the matcher is measured on.

Written with SQL and arrays by the owner, without the checks that the hub's own writes go through:
seven million links would take minutes otherwise, and they are not what is measured.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from hub.vulnerabilities.versions.orders import Order, byte_key, version_key

SEED = 20_261_103
NOW = datetime(2026, 11, 3, tzinfo=UTC)
NAMES_PER_ECOSYSTEM = 1_340
VERSIONS_PER_NAME = 3
ADVISORIES = 200_000
# A host has some thirty open vulnerabilities: most of what was ever published is long fixed.
AFFECTED_SHARE = 0.002
ECOSYSTEMS: dict[str, Order] = {
    "Debian:12": Order.DPKG,
    "Rocky Linux:9": Order.RPM,
    "Alpine:v3.20": Order.APK,
    "npm": Order.SEMVER,
    "PyPI": Order.PEP440,
}
_FORMS = {
    Order.DPKG: "1:{}.{}.{}-{}+deb12u{}",
    Order.RPM: "{}.{}.{}-{}.el9_{}",
    Order.APK: "{}.{}.{}_p{}-r{}",
    Order.SEMVER: "{}.{}.{}-rc.{}.{}",
    Order.PEP440: "{}.{}.{}rc{}.post{}",
}


@dataclass(frozen=True, slots=True)
class Version:
    """One distinct installed version."""

    id: UUID
    ecosystem: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Catalogued:
    """One advisory: affected from the beginning until the fix."""

    id: str
    ecosystem: str
    name: str
    fixed: str


@dataclass(frozen=True, slots=True)
class World:
    """Everything that exists, as far as the benchmark needs it in Python."""

    versions: list[Version]
    advisories: list[Catalogued]


def make_world() -> World:
    """Generate the same world every time."""
    dice = random.Random(SEED)  # noqa: S311 - a benchmark's dice
    versions = [
        Version(UUID(int=dice.getrandbits(128)), ecosystem, f"pkg-{number}", _version(dice, order))
        for ecosystem, order in ECOSYSTEMS.items()
        for number in range(NAMES_PER_ECOSYSTEM)
        for _ in range(VERSIONS_PER_NAME)
    ]
    return World(versions, list(_advisories(dice)))


def _version(dice: random.Random, order: Order) -> str:
    return _FORMS[order].format(
        5, dice.randrange(30), dice.randrange(40), dice.randrange(1, 60), dice.randrange(1, 9)
    )


def _advisories(dice: random.Random) -> Iterator[Catalogued]:
    names = [(e, f"pkg-{n}") for e in ECOSYSTEMS for n in range(NAMES_PER_ECOSYSTEM)]
    for number in range(ADVISORIES):
        ecosystem, name = dice.choice(names)
        major = 5 if dice.random() < AFFECTED_SHARE * 2 else dice.randrange(1, 5)
        version = _version(dice, ECOSYSTEMS[ecosystem])
        fixed = version.replace("5.", f"{major}.", 1)
        yield Catalogued(f"BENCH-{number:06}", ecosystem, name, fixed)


uncached_key = version_key.__wrapped__


def make_keys(world: World) -> None:
    """Make the sort key of every version and of every fix, none of them remembered."""
    for one in world.versions:
        uncached_key(ECOSYSTEMS[one.ecosystem], one.version)
    for known in world.advisories:
        uncached_key(ECOSYSTEMS[known.ecosystem], known.fixed)


async def store_catalogue(engine: AsyncEngine, world: World) -> None:
    """Store the advisories with their index."""
    ids = [known.id for known in world.advisories]
    keys = [byte_key(ECOSYSTEMS[known.ecosystem], known.fixed) for known in world.advisories]
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO advisories (id, aliases, upstream, summary, severity, modified_at,"
                " record, feed, group_id, rated_by)"
                " SELECT id, '{}', '{}', 'An advisory of the benchmark', severity, :now, '{}',"
                " 'osv', id, id FROM unnest(CAST(:ids AS text[]), CAST(:severities AS text[]))"
                " AS t (id, severity)"
            ),
            {"ids": ids, "now": NOW, "severities": _severities(len(ids))},
        )
        await connection.execute(
            text(
                "INSERT INTO advisory_ranges (advisory_id, position, ecosystem, name, is_binary,"
                " is_exact, upper_key, lower_key, includes_end, ends_at, fixed, versions)"
                " SELECT id, 0, ecosystem, name, false, true, key, CAST('' AS bytea), false,"
                " fixed, fixed, '{}'"
                " FROM unnest(CAST(:ids AS text[]), CAST(:ecosystems AS text[]),"
                " CAST(:names AS text[]), CAST(:keys AS bytea[]), CAST(:fixed AS text[]))"
                " AS t (id, ecosystem, name, key, fixed)"
            ),
            {
                "ids": ids,
                "ecosystems": [known.ecosystem for known in world.advisories],
                "names": [known.name for known in world.advisories],
                "keys": keys,
                "fixed": [known.fixed for known in world.advisories],
            },
        )


async def store_fleet(
    engine: AsyncEngine, world: World, *, tenant_id: UUID, hosts: int, packages: int
) -> list[UUID]:
    """Store a tenant's hosts, each with that many of the distinct versions; return their ids."""
    agent_ids = [uuid4() for _ in range(hosts)]
    version_ids = [uuid4() for _ in world.versions]
    async with engine.begin() as connection:
        run: Any = connection.execute
        await run(text("SET LOCAL session_replication_role = replica"))
        await run(
            text(
                "INSERT INTO agents (tenant_id, id, name, tags, os_id, os_name, os_version,"
                " kernel_release, architecture, addresses, agent_version, enrolled_at)"
                " SELECT :tenant, id, 'host-' || n, '{}', 'debian', '', '12', '', '', '{}', '',"
                " :now FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS t (id, n)"
            ),
            {"tenant": tenant_id, "ids": agent_ids, "now": NOW},
        )
        await run(
            text(
                "INSERT INTO package_versions (tenant_id, id, ecosystem, name, version,"
                " source_name, source_version) SELECT :tenant, t.* FROM unnest("
                "CAST(:ids AS uuid[]), CAST(:ecosystems AS text[]), CAST(:names AS text[]),"
                " CAST(:versions AS text[]), CAST(:sources AS text[]),"
                " CAST(:source_versions AS text[])) AS t"
            ),
            _version_columns(world, tenant_id, version_ids),
        )
        # Each host takes a stretch of the shuffled versions: no sorting of random numbers.
        await run(
            text(
                "WITH v AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS n"
                " FROM package_versions WHERE tenant_id = :tenant),"
                " a AS (SELECT id, (row_number() OVER (ORDER BY id) * 7919) % :distinct AS start"
                " FROM agents WHERE tenant_id = :tenant)"
                " INSERT INTO agent_packages (tenant_id, agent_id, package_version_id)"
                " SELECT :tenant, a.id, v.id FROM a, generate_series(0, :packages - 1) AS s (k), v"
                " WHERE v.n = (a.start + s.k) % :distinct"
            ),
            {"tenant": tenant_id, "distinct": len(world.versions), "packages": packages},
        )
    return agent_ids


def _version_columns(world: World, tenant_id: UUID, ids: list[UUID]) -> dict[str, Any]:
    has_source = [":" in version.ecosystem for version in world.versions]
    return {
        "tenant": tenant_id,
        "ids": ids,
        "ecosystems": [version.ecosystem for version in world.versions],
        "names": [version.name for version in world.versions],
        "versions": [version.version for version in world.versions],
        "sources": [v.name if s else "" for v, s in zip(world.versions, has_source, strict=True)],
        "source_versions": [
            v.version if s else "" for v, s in zip(world.versions, has_source, strict=True)
        ],
    }


def _severities(how_many: int) -> list[str]:
    return [("critical", "high", "medium", "low", "medium")[n % 5] for n in range(how_many)]
