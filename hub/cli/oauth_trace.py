"""`monsys oauth trace`: why somebody's connector does or does not connect."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer

from hub.cli.connection import DataDir, in_database
from hub.cli.failures import CommandError
from hub.cli.output import answers
from hub.clock import parse_instant, utc_now
from hub.database import Database
from hub.tenancy.commands import normal_email
from hub.tenancy.queries import account_by_email
from oauth.trace import Step, steps

_EVERYTHING = "*"  # what row-level security calls all of them

app = typer.Typer(
    add_completion=False, no_args_is_help=True, rich_markup_mode="markdown",
    help="Apps that connect.",
)  # fmt: skip


@app.callback()
def oauth() -> None:
    """Look into the authorization server."""


@app.command(
    epilog="**Examples**\n\n`monsys oauth trace --user ada@example.com`"
    " · `monsys oauth trace --client mcp_0123… --since 30d` · `monsys oauth trace --request 4bf9…`"
)
def trace(
    client: Annotated[str | None, typer.Option(help="The client's id.")] = None,
    user: Annotated[str | None, typer.Option(help="A person's e-mail address.")] = None,
    request: Annotated[
        str | None, typer.Option(help="A request id, from an error or the header X-Request-Id.")
    ] = None,
    since: Annotated[str, typer.Option(help="A duration such as 24h, or an instant.")] = "7d",
    data_dir: DataDir = None,
) -> None:
    """List what happened, oldest first: registered, shown, granted, exchanged, refused and why.

    Without --client, --user or --request: everybody's newest steps.
    """
    start = parse_instant(since, now=utc_now(), field="since")

    async def work(database: Database) -> list[Step]:
        user_id = await _user_id(database, user) if user else None
        return await _steps(database, client, user_id, request, start)

    found = in_database(work, data_dir=data_dir)
    for step in found:
        answers.print(_line(step), markup=False)
    if not found:
        answers.print("Nothing happened in that time.")


async def _user_id(database: Database, email: str) -> UUID:
    address = normal_email(email)
    async with database.transaction(presented=address) as session:
        account = await account_by_email(session, email=address)
    if account is None:
        raise CommandError("There is no account with that address.")
    return account.user_id


async def _steps(
    database: Database,
    client_id: str | None,
    user_id: UUID | None,
    request_id: str | None,
    since: datetime,
) -> list[Step]:
    async with database.transaction(presented=_EVERYTHING) as session:
        return await steps(
            session, client_id=client_id, user_id=user_id, request_id=request_id, since=since
        )


def _line(step: Step) -> str:
    details = " ".join(f"{name}={value}" for name, value in step.details.items() if value != "")
    who = step.client_id or "-"
    moment = step.at.isoformat(timespec="seconds")
    return f"{moment}  {step.kind.value:<13}  {who}  {step.request_id or '-'}  {details}"
