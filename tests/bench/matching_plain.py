"""The plain loop: every distinct version against every advisory of its name, with `univers`."""

from collections import defaultdict
from typing import Any

from univers.versions import (
    AlpineLinuxVersion,
    DebianVersion,
    PypiVersion,
    RpmVersion,
    SemverVersion,
)

from tests.bench.matching_data import World

_CLASSES: dict[str, Any] = {
    "Debian:12": DebianVersion,
    "Rocky Linux:9": RpmVersion,
    "Alpine:v3.20": AlpineLinuxVersion,
    "npm": SemverVersion,
    "PyPI": PypiVersion,
}


def plain_match(world: World) -> tuple[int, int]:
    """Return how many pairs there are, and how many of them are affected."""
    by_name: dict[tuple[str, str], list[str]] = defaultdict(list)
    for known in world.advisories:
        by_name[known.ecosystem, known.name].append(known.fixed)
    pairs = affected = 0
    for installed in world.versions:
        version_class = _CLASSES[installed.ecosystem]
        version = version_class(installed.version)
        for fixed in by_name[installed.ecosystem, installed.name]:
            pairs += 1
            affected += version < version_class(fixed)
    return pairs, affected
