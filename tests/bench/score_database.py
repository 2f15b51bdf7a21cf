"""An empty, migrated database on an embedded server of its own, for measurements."""

from pathlib import Path

from hub.embedded import EmbeddedPostgres
from tests.databases import new_database, run_alone

_NAME = "monsys_scores"


def prepare_database(folder: Path) -> tuple[str, str]:
    """Start PostgreSQL in this folder; return the URLs of the hub's role and of the owner."""
    server = EmbeddedPostgres.start(folder)
    new_database(server, _NAME)
    return server.hub_url(_NAME), server.owner_url(_NAME)


async def analyse(owner_url: str) -> None:
    """Do what autovacuum would have done by now."""
    await run_alone(owner_url, "VACUUM ANALYZE")
