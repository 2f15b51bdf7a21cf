"""A process that synchronises an archive and tells on standard output how far it is."""

import asyncio
import sys
from pathlib import Path

from hub.database import Database
from hub.vulnerabilities.feeds.osv import sync_osv


def tell(step: str, done: int, _total: int | None) -> None:
    """Say how many records were handled; whoever reads it may kill us now."""
    sys.stdout.write(f"{step} {done}\n")
    sys.stdout.flush()


async def main() -> None:
    """Synchronise npm's records, once."""
    database, source, downloads = sys.argv[1:]
    await sync_osv(
        Database(database, pool_size=2),
        source=source,
        ecosystems=["npm"],
        downloads=Path(downloads),
        report=tell,
    )


if __name__ == "__main__":
    asyncio.run(main())
