"""`monsys agent`: the token that lets a host enrol, and the program that reports from it.

The agent itself runs through this module, so what needs the hub is imported where it is used.
"""

import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from hub.agent.client import AgentError
from hub.agent.files import DEFAULT_STATE_FOLDER
from hub.cli.failures import CommandError
from hub.logging import configure_logging

app = typer.Typer(
    add_completion=False, no_args_is_help=True, rich_markup_mode="markdown", help="Agents."
)

StateDir = Annotated[
    Path,
    typer.Option(
        help="Folder of the agent's key and of what it buffers.", envvar="MONSYS_AGENT_STATE_DIR"
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        help="What to watch (TOML).",
        envvar="MONSYS_AGENT_CONFIG",
        show_default="/etc/monsys-agent/agent.toml, if there",
    ),
]


@app.callback(
    epilog="On the hub: `monsys agent token`. Then on the host: `monsys agent enroll --url"
    " https://api.example.com --token met_… --install-service`"
)
def agent() -> None:
    """Hosts that report: let one enrol, report from it, see how it is, take it back."""


@app.command(
    epilog="**Examples**\n\n`monsys agent token` · `monsys agent token web-01 --tag env:production"
    " --minutes 15` · `monsys agent token web-01 --tenant acme --out web-01.token`"
)
def token(
    name: Annotated[
        str | None,
        typer.Argument(
            help="The one server it is good for, also when another machine has the name now."
            " Without it the machine names itself.",
            show_default=False,
        ),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(help="Name or short name; not needed when there is only one.")
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(help="`key:value`, such as env:production; repeatable.")
    ] = None,
    minutes: Annotated[int, typer.Option(help="How long it can be used.", min=1, max=10_080)] = 60,
    out: Annotated[
        Path | None, typer.Option(help="Write the token to this file, readable by you only.")
    ] = None,
    *,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the embedded database.", show_default=False)
    ] = None,
) -> None:
    """Make a token with which one machine can enrol, once. It is shown this once.

    Run it where the hub runs.
    """
    from hub.cli.enrolment import make_token  # noqa: PLC0415

    made = make_token(name, tenant=tenant, tags=tag or [], minutes=minutes, data_dir=data_dir)
    if out is None:
        typer.echo(made)
        return
    write_secret(out, made)
    typer.echo(f"Token written to {out}; it is good once, for {minutes} minutes.", err=True)


@app.command(
    epilog="**Examples**\n\n`monsys agent enroll --url https://api.example.com --token met_…"
    " --install-service` · `monsys agent enroll --url https://api.example.com --token-file"
    " web-01.token --name web-01` · `MONSYS_AGENT_TOKEN=met_… monsys agent enroll --url …`\n\n"
    "Enrolling a machine again gives it a new key; it stays the same server. Two machines of one"
    " name are refused: choose a `--name`, or use a token that was made for the name."
)
def enroll(
    url: Annotated[str, typer.Option(help="The hub's origin.", envvar="MONSYS_AGENT_URL")],
    token: Annotated[
        str | None,
        typer.Option(help="The token.", envvar="MONSYS_AGENT_TOKEN", show_default=False),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token; `-` reads standard input.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What to call the server.", show_default="the host name")
    ] = None,
    state_dir: StateDir = DEFAULT_STATE_FOLDER,
    *,
    install_service: Annotated[
        bool, typer.Option("--install-service", help="Start the agent now and at every boot.")
    ] = False,
    allow_plain_http: Annotated[
        bool, typer.Option("--allow-plain-http", help="Report over http://.")
    ] = False,
) -> None:
    """Make this machine a server of the hub: make a key, and have the hub trust it.

    The private key never leaves the machine. Needs a token from `monsys agent token`.
    """
    from hub.agent.enrol import enrol  # noqa: PLC0415
    from hub.agent.service import check_can_install, install  # noqa: PLC0415

    if install_service:
        check_can_install(state_dir)
    enrolled = enrol(
        state_dir, url, _token(token, token_file), name=name, allow_plain_http=allow_plain_http
    )
    word = "Enrolled" if enrolled.is_new else "Enrolled again"
    typer.echo(f"{word} as {enrolled.identity.name} (hub {enrolled.hub_version}).")
    if install_service:
        install()
        typer.echo("The agent runs now and at every boot: `systemctl status monsys-agent`.")
    else:
        typer.echo("Report with `monsys agent run`, or at every boot with --install-service.")


@app.command(
    name="run",
    epilog="**Examples**\n\n`monsys agent run` · `monsys agent run --once` · `monsys agent run"
    " --state-dir ./agent --config ./agent.toml`",
)
def run_agent(
    state_dir: StateDir = DEFAULT_STATE_FOLDER,
    config: ConfigFile = None,
    interval: Annotated[
        float | None,
        typer.Option(
            help="Seconds between reports.", min=5, max=3600, show_default="what the hub said: 15"
        ),
    ] = None,
    *,
    once: Annotated[bool, typer.Option("--once", help="Send one report and stop.")] = False,
    log_format: Annotated[str, typer.Option(help="`console` or `json`.")] = "console",
) -> None:
    """Report this host, and watch it, until it is stopped.

    What the hub does not take is kept on disk (at most 100 MB) and sent later.
    """
    from hub.agent.runner import Sources, report_once, run  # noqa: PLC0415
    from hub.agent.watching import host_sources  # noqa: PLC0415

    configure_logging(log_format, level=logging.INFO)

    def sources() -> Sources:
        return host_sources(state_dir, config)

    if once:
        answer = report_once(state_dir, sources_of=sources)
        if not answer.is_accepted:
            raise CommandError(f"The report was not accepted. {answer.message}")
        return
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    run(state_dir, stop=stop, interval=interval, sources_of=sources)


@app.command(epilog="**Examples**\n\n`monsys agent status` · `sudo monsys agent status`")
def status(state_dir: StateDir = DEFAULT_STATE_FOLDER) -> None:
    """Say as what this machine is enrolled, and how its reports fare.

    Ends with status 1 when the last report was refused, or the agent does not run.
    """
    from hub.agent.status_page import status_page  # noqa: PLC0415

    page = status_page(state_dir)
    typer.echo(page.text)
    if not page.is_well:
        raise typer.Exit(1)


@app.command(
    epilog="**Examples**\n\n`monsys agent unit` · `monsys agent unit | systemd-analyze security"
    " --offline=true /dev/stdin`"
)
def unit() -> None:
    """Print the systemd unit, with the reason for each of its limits."""
    from hub.agent.service import unit_text  # noqa: PLC0415

    typer.echo(unit_text(), nl=False)


@app.command(
    name="example-config",
    epilog="**Examples**\n\n`monsys agent example-config` · `monsys agent example-config | sudo tee"
    " /etc/monsys-agent/agent.toml`\n\nThe agent reads its configuration when it starts:"
    " `sudo systemctl restart monsys-agent`.",
)
def example_config() -> None:
    """Print a configuration with every key, its default, and what it is for."""
    from hub.agent.configuration import example_configuration  # noqa: PLC0415

    typer.echo(example_configuration(), nl=False)


@app.command(
    epilog="**Examples**\n\n`sudo monsys agent plant` · `sudo monsys agent plant --config"
    " ./agent.toml`\n\nThe service runs this as root each time it starts, because the agent itself"
    " may write nowhere."
)
def plant(config: ConfigFile = None) -> None:
    """Lay out the honeypots of the configuration that are missing.

    Files that are there stay as they are. Ends with status 1 when one could not be made.
    """
    from hub.agent.watch.host import Host  # noqa: PLC0415
    from hub.agent.watch.planting import plant_missing  # noqa: PLC0415
    from hub.agent.watching import configuration_of  # noqa: PLC0415

    wanted = configuration_of(config)
    planted = list(plant_missing(wanted.honeypots, Host(wanted.root)))
    for each in planted:
        word = f"Not made: {each.path} ({each.problem})." if each.problem else f"Made {each.path}."
        typer.echo(word, err=bool(each.problem))
    if any(each.problem for each in planted):
        raise typer.Exit(1)


@app.command(
    epilog="**Examples**\n\n`sudo monsys agent uninstall` · `sudo monsys agent uninstall --yes`"
)
def uninstall(
    state_dir: StateDir = DEFAULT_STATE_FOLDER,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take the agent away: stop it, have the hub retire its key, delete its state.

    What the hub knows about the server stays there. Enrolling the machine again brings the same
    server back.
    """
    from hub.agent.uninstall import uninstall_agent  # noqa: PLC0415

    if not yes:
        typer.confirm(
            f"Stop the agent, retire its key and delete {state_dir} with what is not sent yet?",
            abort=True,
        )
    for line in uninstall_agent(state_dir):
        typer.echo(line)


def _token(token: str | None, token_file: Path | None) -> str:
    if (token is None) == (token_file is None):
        raise CommandError("Give the token with either --token or --token-file.")
    if token_file is None:
        return (token or "").strip()
    try:
        return (sys.stdin.read() if str(token_file) == "-" else token_file.read_text()).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AgentError(f"Cannot read the token file {token_file}.") from error


def write_secret(path: Path, secret: str) -> None:
    """Write the secret where only its owner can read it, also while it is being written."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(f"{secret}\n")
