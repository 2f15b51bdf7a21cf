"""`monsys tenant`: who is served here, and how many servers each plan covers."""

from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import func, select
from sqlmodel import col

from hub.cli.connection import DataDir, in_database
from hub.cli.output import answers
from hub.cli.tenants import all_tenants, the_tenant
from hub.clock import utc_now
from hub.database import Database
from hub.fleet.models import Agent
from hub.fleet.status import is_in_service
from hub.tenancy.models import Tenant
from hub.tenancy.plans import change_plan

app = typer.Typer(
    add_completion=False, no_args_is_help=True, rich_markup_mode="markdown", help="Tenants."
)


@app.callback()
def tenant() -> None:
    """Organisations that this hub serves. `monsys user add` makes the first user of a new one."""


@app.command("list", epilog="**Examples**\n\n`monsys tenant list`")
def list_tenants(data_dir: DataDir = None) -> None:
    """Show each tenant with its plan, and how many of its servers are in service."""

    async def work(database: Database) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for known in await all_tenants(database):
            async with database.transaction(tenant_id=known.id) as session:
                servers = select(func.count()).select_from(Agent).where(is_in_service())
                row = (
                    await session.execute(
                        select(
                            col(Tenant.plan), servers.scalar_subquery(), col(Tenant.server_limit)
                        )
                    )
                ).one()
            rows.append((known.slug, known.name, row[0], f"{row[1]:,} of {row[2]:,}"))
        return rows

    table = Table("short name", "name", "plan", "servers")
    for row in in_database(work, data_dir=data_dir):
        table.add_row(*row)
    answers.print(table if table.row_count else "There is no tenant yet: `monsys user add`.")


@app.command(
    epilog="**Examples**\n\n`monsys tenant plan acme --servers 50` ·"
    " `monsys tenant plan acme --servers 500 --name team`"
)
def plan(
    tenant: Annotated[str, typer.Argument(help="Name or short name.")],
    servers: Annotated[int, typer.Option(help="How many servers it covers.", min=1)],
    name: Annotated[str | None, typer.Option(help="What the plan is called from now on.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Change how many servers a tenant may enrol. Those that are enrolled keep reporting."""

    async def work(database: Database) -> str:
        known = await the_tenant(database, tenant)
        async with database.transaction(tenant_id=known.id) as session:
            named = name or await session.scalar(select(col(Tenant.plan))) or ""
            await change_plan(
                session, tenant_id=known.id, plan=named, server_limit=servers, now=utc_now()
            )
        return named

    named = in_database(work, data_dir=data_dir)
    typer.echo(f"The plan {named} of {tenant} covers {servers:,} servers.")
