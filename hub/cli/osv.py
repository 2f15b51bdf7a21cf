"""`monsys osv`: advisories of packages, and what is known of their exploitation."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from hub.cli.connection import DataDir, in_database
from hub.cli.output import answers
from hub.cli.setting_options import settings_from
from hub.cli.synchronising import progress_bar, show
from hub.cli.tenants import all_tenants
from hub.database import Database
from hub.paging import MAX_PAGE_SIZE
from hub.vulnerabilities.feeds.osv import OSV_ARCHIVES, sync_osv
from hub.vulnerabilities.feeds.signals import sync_epss, sync_kev
from hub.vulnerabilities.feeds.state import feed_states
from hub.vulnerabilities.feeds.synchronise import Synchronised
from hub.vulnerabilities.matching_models import FeedState
from hub.vulnerabilities.rematching import EVERYBODY
from hub.vulnerabilities.undecided import Undecided, undecided_page

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Advisories of packages (OSV).",
)


@app.callback()
def osv() -> None:
    """Bring advisories in, and look at how fresh they are."""


@app.command(
    epilog="**Examples**\n\n`monsys osv sync` · `monsys osv sync ./records --ecosystem Debian` ·"
    " `monsys osv sync ./mirror --ecosystem Ubuntu --ecosystem PyPI` ·"
    " `monsys osv sync npm.zip --ecosystem npm --epss epss_scores-current.csv.gz"
    " --kev known_exploited_vulnerabilities.json`"
)
def sync(
    *,
    source: Annotated[
        str,
        typer.Argument(
            help="Address of the archives, one archive, a folder of records, or a mirror: a folder"
            " with `Debian/all.zip` and so on."
        ),
    ] = OSV_ARCHIVES,
    ecosystem: Annotated[
        list[str] | None,
        typer.Option(help="Only this ecosystem; may be given again. Default: the fleet's."),
    ] = None,
    epss: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="EPSS scores, CSV or CSV.gz.")
    ] = None,
    kev: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="CISA's KEV catalogue, JSON."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Bring OSV's advisories up to date, and match the fleet against what changed.

    Stored batch by batch: when it is stopped, the next run goes on. A damaged archive changes
    nothing.
    """
    downloads = settings_from(data_dir=data_dir).data_dir / "downloads"

    async def work(database: Database) -> list[Synchronised]:
        with progress_bar() as report:
            results = await sync_osv(
                database, source=source, ecosystems=ecosystem, downloads=downloads, report=report
            )
        if epss is not None:
            answers.print(f"EPSS: {await sync_epss(database, epss):,} scores.")
        if kev is not None:
            answers.print(f"KEV: {await sync_kev(database, kev):,} entries.")
        return results

    show(in_database(work, data_dir=data_dir))


@app.command(epilog="**Examples**\n\n`monsys osv status`")
def status(data_dir: DataDir = None) -> None:
    """Say how fresh each source of advisories is."""

    async def work(database: Database) -> list[FeedState]:
        async with database.transaction(presented=EVERYBODY) as session:
            return await feed_states(session)

    table = Table("source", "checked", "newest record", "records", "refused")
    for state in in_database(work, data_dir=data_dir):
        moments = (
            f"{at:%Y-%m-%d %H:%M}" if at else "never" for at in (state.checked_at, state.as_of)
        )
        table.add_row(state.name, *moments, f"{state.records:,}", f"{state.refused:,}")
    answers.print(table if table.row_count else "Nothing was brought in yet: `monsys osv sync`.")


@app.command(epilog="**Examples**\n\n`monsys osv undecided`")
def undecided(data_dir: DataDir = None) -> None:
    """List the packages of which it cannot be known whether an advisory affects them."""

    async def work(database: Database) -> list[tuple[str, ...]]:
        return [
            (tenant.slug, row.ecosystem, row.package_name, row.version, row.advisory_id, row.reason)
            for tenant in await all_tenants(database)
            for row in await _undecided_of(database, tenant.id)
        ]

    table = Table("tenant", "ecosystem", "package", "version", "advisory", "why")
    for row in in_database(work, data_dir=data_dir):
        table.add_row(*row)
    answers.print(table if table.row_count else "Everything is decided.")


async def _undecided_of(database: Database, tenant_id: UUID) -> list[Undecided]:
    """Return all that is undecided in one tenant, page by page."""
    rows: list[Undecided] = []
    async with database.transaction(tenant_id=tenant_id) as session:
        while True:
            after = rows[-1].cursor if rows else None
            page = await undecided_page(session, first=MAX_PAGE_SIZE, after=after)
            rows += page.rows
            if not page.has_next:
                return rows
