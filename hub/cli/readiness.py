"""Whether the database is fit to be served from: migrated, and a role that obeys its rules."""

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.cli.failures import CommandError
from hub.database import engine_of
from hub.migrations.revisions import newest_revision

_MIGRATE = "Run `monsys migrate` first."
_NO_SUCH_ROLE = "28000"
_NO_HUB_HERE = (
    "This data folder holds no hub yet. Set one up with `monsys migrate`, or name your folder"
    " with --data-dir; the demo's is the folder `demo` inside its data folder."
)
_ROLE = text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
_REVISION = text("SELECT monsys_schema_revision()")


async def check_database(hub_url: str, *, is_embedded: bool = False) -> None:
    """Raise CommandError when the hub must not run on this database, or not as this role."""
    engine = engine_of(hub_url, pool_size=1)
    try:
        async with engine.connect() as connection:
            await _check_role(connection)
            await _check_revision(connection)
    except DBAPIError as error:
        # The embedded server asks nobody for a password: the role itself is missing.
        if is_embedded and getattr(error.orig, "sqlstate", "") == _NO_SUCH_ROLE:
            raise CommandError(_NO_HUB_HERE) from error
        raise
    finally:
        await engine.dispose()


async def _check_role(connection: AsyncConnection) -> None:
    if await connection.scalar(_ROLE):
        raise CommandError(
            "The role of MONSYS_DATABASE_URL can bypass row-level security, which keeps tenants"
            " apart. Use the role monsys_hub, which `monsys migrate` makes."
        )


async def _check_revision(connection: AsyncConnection) -> None:
    try:
        revision = await connection.scalar(_REVISION)
    except DBAPIError as error:
        raise CommandError(f"The database was never migrated. {_MIGRATE}") from error
    if revision != newest_revision():
        raise CommandError(f"The database is of another version of the hub. {_MIGRATE}")
