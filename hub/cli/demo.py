"""`monsys demo`: everything on this machine, with a story in it."""

import asyncio
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from hub.cli.demo_hub import DemoHub
from hub.cli.demo_sign_in import DemoSignIn
from hub.cli.demo_steps import Steps
from hub.cli.failures import CommandError
from hub.cli.listener import open_listener
from hub.cli.output import answers, progress
from hub.cli.setting_options import check_data_dir, settings_from
from hub.logging import configure_logging
from hub.settings import Settings

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command(
    epilog="**Examples**\n\n`monsys demo` · `monsys demo --port 0 --ready-file ready.json` ·"
    " `monsys demo --data-dir ./demo` · `monsys demo --code`\n\nStop it with Ctrl-C."
    " The next start goes on where this one ended; delete the data folder to begin anew."
)
def demo(
    *,
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on.", show_default="MONSYS_HOST, or 127.0.0.1"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="Port; 0 finds a free one.", show_default="MONSYS_PORT, or 8460", min=0, max=65535
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder that keeps the demo.", show_default="`demo` in MONSYS_DATA_DIR"),
    ] = None,
    ready_file: Annotated[
        Path | None,
        typer.Option(help="Write JSON with URLs and sign-in here once the hub serves."),
    ] = None,
    code: Annotated[
        bool,
        typer.Option("--code", help="Print the one-time code of now, for signing in, and end."),
    ] = False,
) -> None:
    """Start the hub with a living demo fleet, and this machine as one of its hosts.

    Starts PostgreSQL, migrates, tells the story of Northwind Logistics, serves, and prints how to
    sign in and how to connect Claude.
    """
    configure_logging("console", level=30)  # warnings: the screen belongs to the progress
    folder = data_dir or Settings().data_dir / "demo"
    settings = settings_from(host=host, port=port, data_dir=folder)
    check_data_dir(settings)
    if code:
        answers.print(DemoSignIn.code_now(settings), markup=False)
        return
    if ready_file is not None:
        ready_file.unlink(missing_ok=True)
    listener = open_listener(settings.host, settings.port)
    settings = settings_from(host=host, port=listener.getsockname()[1], data_dir=folder)
    # The hub's own code loads while PostgreSQL starts: it takes about as long.
    threading.Thread(target=_load_the_hub, name="load").start()
    steps = Steps(progress)
    hub = DemoHub.prepare(settings, steps)
    with listener:
        try:
            asyncio.run(hub.run(listener, steps, ready_file))
        except KeyboardInterrupt:
            raise CommandError("Stopped before it was ready; nothing was left half-done.") from None
    progress.print("Stopped. `monsys demo` goes on where this ended.")


def _load_the_hub() -> None:
    with suppress(Exception):  # it is imported again where it is used, and fails there
        import_module("hub.app")
