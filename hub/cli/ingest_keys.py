"""`monsys ingest`: keys with which other tools deliver, and whether unknown hosts become known."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from hub.cli.connection import DataDir, in_database
from hub.cli.output import answers
from hub.cli.tenants import the_tenant
from hub.clock import utc_now
from hub.database import Database
from hub.ingest.keys.commands import accept_unknown_hosts, create_ingest_key, revoke_ingest_key
from hub.ingest.keys.models import IngestSource
from hub.ingest.keys.queries import KeyRow, ingest_keys
from hub.principal import PERMISSIONS_BY_ROLE, Principal, PrincipalKind, Role
from hub.tenancy.commands import SYSTEM_ACTOR

app = typer.Typer(
    add_completion=False, no_args_is_help=True, rich_markup_mode="markdown",
    help="What other tools deliver.",
)  # fmt: skip
key_app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help="Ingest keys.")
app.add_typer(key_app, name="key")

TenantName = Annotated[
    str | None, typer.Option(help="Name or short name; not needed when there is only one.")
]
type Work[Result] = Callable[[AsyncSession, Principal], Awaitable[Result]]


class UnknownHosts(StrEnum):
    """What becomes of hosts that only other tools speak of."""

    ALLOW = "allow"
    REFUSE = "refuse"


@app.callback()
def ingest() -> None:
    """Let OpenTelemetry, Alertmanager, Falco, Wazuh and scanners deliver to a tenant."""


@key_app.callback()
def key() -> None:
    """Keys are for one tenant and one source; each is shown once, when it is made."""


@key_app.command(
    epilog="**Examples**\n\n`monsys ingest key create otlp 'collector of Rotterdam'` ·"
    " `monsys ingest key create falco edge --default-host web-01 --tenant acme`"
)
def create(
    source: Annotated[IngestSource, typer.Argument(help="What it may send.")],
    name: Annotated[str, typer.Argument(help="What it is for.")],
    default_host: Annotated[
        str | None, typer.Option(help="Whom a payload is about that names no host.")
    ] = None,
    tenant: TenantName = None,
    data_dir: DataDir = None,
) -> None:
    """Make a key and print it. Send it as `Authorization: Bearer mik_…`."""

    async def work(session: AsyncSession, by: Principal) -> str:
        issued = await create_ingest_key(
            session, by=by, source=source, name=name, default_host=default_host, now=utc_now()
        )
        return issued.key

    typer.echo(_in_tenant(work, tenant=tenant, data_dir=data_dir))


@key_app.command("list", epilog="**Examples**\n\n`monsys ingest key list --tenant acme`")
def list_keys(tenant: TenantName = None, data_dir: DataDir = None) -> None:
    """Show the keys: id, source, name, when each was last used, and whether it still opens."""

    async def work(session: AsyncSession, _by: Principal) -> list[KeyRow]:
        return await ingest_keys(session)

    rows = _in_tenant(work, tenant=tenant, data_dir=data_dir)
    if not rows:
        typer.echo("There is no ingest key. Make one with `monsys ingest key create`.", err=True)
    for row in rows:
        used = f"used {row.last_used_at:%Y-%m-%d %H:%M}" if row.last_used_at else "never used"
        state = f"revoked {row.revoked_at:%Y-%m-%d}" if row.revoked_at else used
        answers.print(f"{row.id}  {row.source.value:<14}  {state:<22}  {row.name}", markup=False)


@key_app.command(epilog="**Examples**\n\n`monsys ingest key revoke 0f9b…` (ids: `… key list`)")
def revoke(
    key_id: Annotated[UUID, typer.Argument(help="Id of the key.")],
    tenant: TenantName = None,
    data_dir: DataDir = None,
) -> None:
    """Make a key open nothing any more, at once."""

    async def work(session: AsyncSession, by: Principal) -> None:
        await revoke_ingest_key(session, by=by, key_id=key_id, now=utc_now())

    _in_tenant(work, tenant=tenant, data_dir=data_dir)
    typer.echo("Revoked.", err=True)


@app.command("unknown-hosts", epilog="**Examples**\n\n`monsys ingest unknown-hosts allow`")
def unknown_hosts(
    choice: Annotated[UnknownHosts, typer.Argument(help="What becomes of them.")],
    tenant: TenantName = None,
    data_dir: DataDir = None,
) -> None:
    """Let hosts that only other tools speak of become known, or refuse what is about them.

    Such a host takes a place of the plan, as an enrolled one does.
    """

    async def work(session: AsyncSession, by: Principal) -> None:
        await accept_unknown_hosts(
            session, by=by, accepts=choice is UnknownHosts.ALLOW, now=utc_now()
        )

    _in_tenant(work, tenant=tenant, data_dir=data_dir)
    become = "become known" if choice is UnknownHosts.ALLOW else "are refused"
    typer.echo(f"From now on hosts that nobody enrolled {become}.", err=True)


def _in_tenant[Result](work: Work[Result], *, tenant: str | None, data_dir: DataDir) -> Result:
    async def run(database: Database) -> Result:
        known = await the_tenant(database, tenant)
        by = Principal(
            kind=PrincipalKind.SYSTEM,
            tenant_id=known.id,
            user_id=None,
            label=SYSTEM_ACTOR,
            permissions=PERMISSIONS_BY_ROLE[Role.ADMIN],
        )
        async with database.transaction(tenant_id=known.id) as session:
            return await work(session, by)

    return in_database(run, data_dir=data_dir)
