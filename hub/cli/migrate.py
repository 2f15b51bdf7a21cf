"""`monsys migrate`: the schema of the database."""

from typing import Annotated

import typer
from alembic import command

from hub.cli.failures import CommandError
from hub.cli.output import answers
from hub.cli.setting_options import check_data_dir, settings_from
from hub.migrations.revisions import newest_revision
from hub.migrations.runner import config_of, migrate
from hub.provision import database_urls

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command(
    name="migrate",
    epilog="**Examples**\n\n`monsys migrate` ·"
    " `MONSYS_DATABASE_OWNER_URL=postgresql://owner@db/monsys monsys migrate`",
)
def migrate_command(
    new: Annotated[
        str | None,
        typer.Option(help="For contributors: write a migration of this title from the models."),
    ] = None,
) -> None:
    """Bring the database to this version, and make the hub's unprivileged role.

    Needs the login of the schema's owner in `MONSYS_DATABASE_OWNER_URL`; without any database URL
    it migrates the embedded server. Run it before each new version of the hub starts.
    """
    owner_url = _owner_url()
    if new is not None:
        command.revision(config_of(owner_url), message=new, autogenerate=True)
        return
    migrate(owner_url)
    answers.print(f"The database is at revision {newest_revision()}.")


def _owner_url() -> str:
    settings = settings_from()
    if settings.database_owner_url is not None:
        return settings.database_owner_url.get_secret_value()
    if settings.database_url is None:
        check_data_dir(settings)
    owner_url = database_urls(settings).owner
    if owner_url is None:
        raise CommandError(
            "Set MONSYS_DATABASE_OWNER_URL to the login that owns the schema; the hub's own role"
            " may not change it."
        )
    return owner_url
