"""A database for one command: opened, used, closed."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

from hub.cli.readiness import check_database
from hub.cli.setting_options import check_data_dir, settings_from
from hub.database import Database
from hub.provision import database_urls

_POOL_SIZE = 2

# No `type` statement: typer does not look into one, and would lose the help.
DataDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the embedded database, when it is not the usual one. The demo's is the"
        " folder `demo` inside it.",
        show_default=False,
    ),
]


def in_database[Result](
    work: Callable[[Database], Awaitable[Result]], *, data_dir: Path | None
) -> Result:
    """Run some work on the hub's database, and return what it returned."""
    settings = settings_from(data_dir=data_dir)
    if settings.database_url is None:
        check_data_dir(settings)
    # Before the loop runs: the embedded server may have to be started.
    urls = database_urls(settings)

    async def run() -> Result:
        await check_database(urls.hub, is_embedded=urls.is_embedded)
        database = Database(urls.hub, pool_size=_POOL_SIZE)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())
