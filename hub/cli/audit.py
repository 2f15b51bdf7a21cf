"""`monsys audit verify`: whether the audit trail is as it was written."""

from typing import Annotated

import typer

from hub.audit.verify import Verification, verify_chain
from hub.cli.connection import DataDir, in_database
from hub.cli.output import answers
from hub.cli.tenants import KnownTenant, all_tenants, the_tenant
from hub.database import Database

app = typer.Typer(
    add_completion=False, no_args_is_help=True, rich_markup_mode="markdown",
    help="The audit trail.",
)  # fmt: skip


@app.callback()
def audit() -> None:
    """Check the audit trail."""


@app.command(epilog="**Examples**\n\n`monsys audit verify` · `monsys audit verify --tenant acme`")
def verify(
    tenant: Annotated[
        str | None, typer.Option(help="Only this tenant: its name or short name.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Recompute the hash chain of each tenant, and name the first row that is not as it was.

    Exit code 1 when a chain is broken.
    """

    async def work(database: Database) -> list[tuple[KnownTenant, Verification]]:
        tenants = [await the_tenant(database, tenant)] if tenant else await all_tenants(database)
        return [(known, await _verify(database, known)) for known in tenants]

    results = in_database(work, data_dir=data_dir)
    for known, found in results:
        answers.print(_sentence(known, found), markup=False)
    if not results:
        answers.print("There is no tenant, and so no audit trail.")
    if not all(found.is_intact for _, found in results):
        raise typer.Exit(1)


async def _verify(database: Database, tenant: KnownTenant) -> Verification:
    async with database.transaction(tenant_id=tenant.id) as session:
        return await verify_chain(session, tenant_id=tenant.id)


def _sentence(tenant: KnownTenant, found: Verification) -> str:
    if found.first_break is None:
        return f"{tenant.slug}: {found.verified} rows, intact"
    broken = found.first_break
    damage = broken.damage.value.replace("_", " ")
    return f"{tenant.slug}: BROKEN at row {broken.seq} ({damage}); {found.verified} rows before it"
