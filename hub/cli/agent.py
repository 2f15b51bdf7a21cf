"""`monsys agent`: the credential of a host, and the program that reports from it."""

import logging
import os
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from hub.agent.client import HubClient
from hub.agent.runner import read_credential, report_once, run
from hub.cli.failures import CommandError
from hub.logging import configure_logging

app = typer.Typer(
    add_completion=False, no_args_is_help=True, rich_markup_mode="markdown", help="Agents."
)


@app.callback()
def agent() -> None:
    """Hosts that report."""


@app.command(
    epilog="**Examples**\n\n`monsys agent token web-01 --tag env:production > web-01.key` ·"
    " `monsys agent token web-01 --tenant acme --out web-01.key`"
)
def token(
    name: Annotated[str, typer.Argument(help="The host's name.")],
    tenant: Annotated[
        str | None, typer.Option(help="Name or short name; not needed when there is only one.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="`key:value`, such as env:production; repeatable.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the credential to this file, readable by you only.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the embedded database.", show_default=False)
    ] = None,
) -> None:
    """Enrol a host and print its credential, which is shown this once."""
    # Imported here: the agent itself, which shares this module, needs no database.
    from hub.cli.enrolment import enrol  # noqa: PLC0415

    credential = enrol(name, tenant=tenant, tags=tag or [], data_dir=data_dir)
    if out is None:
        typer.echo(credential)
        return
    write_credential(out, credential)
    typer.echo(f"Credential written to {out}.", err=True)


@app.command(
    name="run",
    epilog="**Examples**\n\n`monsys agent run --url https://api.example.com"
    " --credential-file web-01.key` · `monsys agent run … --once`",
)
def run_agent(
    url: Annotated[str, typer.Option(help="The hub's origin.", envvar="MONSYS_AGENT_URL")],
    credential_file: Annotated[
        Path,
        typer.Option(help="File with the credential.", envvar="MONSYS_AGENT_CREDENTIAL_FILE"),
    ],
    interval: Annotated[
        float, typer.Option(help="Seconds between reports.", min=5, max=3600)
    ] = 15.0,
    *,
    once: Annotated[bool, typer.Option("--once", help="Send one report and stop.")] = False,
    allow_plain_http: Annotated[
        bool, typer.Option("--allow-plain-http", help="Send the credential over http://.")
    ] = False,
    log_format: Annotated[str, typer.Option(help="`console` or `json`.")] = "console",
) -> None:
    """Report this host: CPU, memory, file systems, load, network, system and packages."""
    configure_logging(log_format, level=logging.INFO)
    client = HubClient(url, read_credential(credential_file), allow_plain_http=allow_plain_http)
    if once:
        answer = report_once(client)
        if not answer.is_accepted:
            raise CommandError(f"The report was not accepted. {answer.message}")
        return
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    run(client, interval_seconds=interval, stop=stop)


def write_credential(path: Path, credential: str) -> None:
    """Write the credential where only its owner can read it, also while it is being written."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(f"{credential}\n")
