"""`monsys serve`: the hub."""

import asyncio
from typing import Annotated

import typer
import uvicorn

from hub.cli.listener import open_listener
from hub.cli.readiness import check_database
from hub.cli.setting_options import check_data_dir, settings_from
from hub.configuration_table import configuration_table
from hub.database import Database
from hub.logging import configure_logging
from hub.provision import database_urls
from hub.settings import Settings

GRACEFUL_SECONDS = 3
MAX_SOCKET_MESSAGE_BYTES = 65_536  # a subscription's document; only the hub sends more

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")

_EPILOG = f"""
**Examples**

`monsys serve` · `monsys serve --port 9000` · `MONSYS_DATABASE_URL=postgresql://… monsys serve`

**Environment variables**

| variable | default | meaning |
|---|---|---|
{configuration_table()}
"""


@app.command(epilog=_EPILOG)
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 finds a free one.", min=0)] = None,
) -> None:
    """Run the hub: API, MCP, OAuth, dashboard.

    Refuses to start on a database that is not migrated (run `monsys migrate`), or as a database
    role that could read across tenants.
    """
    settings = settings_from(host=host, port=port)
    configure_logging(settings.log_format)
    listener = open_listener(settings.host, settings.port)
    settings = settings_from(host=host, port=listener.getsockname()[1])
    if settings.database_url is None:
        check_data_dir(settings)
    urls = database_urls(settings)
    asyncio.run(check_database(urls.hub))
    database = Database(urls.hub, pool_size=settings.database_pool_size)
    server = uvicorn.Server(hub_config(settings, database))
    with listener:
        server.run(sockets=[listener])


def hub_config(settings: Settings, database: Database) -> uvicorn.Config:
    """Return uvicorn's configuration with the hub in it."""
    # Imported when the port and the database are known to be fine: it takes a second.
    from hub.app import create_app  # noqa: PLC0415

    return uvicorn.Config(
        create_app(settings, database=database),
        log_config=None,  # hub.logging has configured everything
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
        lifespan="on",
        ws="websockets-sansio",
        ws_max_size=MAX_SOCKET_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # compressing what others wrote beside secrets leaks them
    )
