"""`monsys kernel-cves`: the kernel's own CVE records, for kernels that no distribution built."""

from typing import Annotated

import typer

from hub.cli.connection import DataDir, in_database
from hub.cli.setting_options import settings_from
from hub.cli.synchronising import progress_bar, show
from hub.database import Database
from hub.vulnerabilities.feeds.kernel_cves import sync_kernel_cves
from hub.vulnerabilities.feeds.synchronise import Synchronised

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Advisories of the Linux kernel.",
)


@app.callback()
def kernel_cves() -> None:
    """Bring the kernel's CVE records in."""


@app.command(
    epilog="**Examples**\n\n`monsys kernel-cves sync ./vulns/cve` ·"
    " `monsys kernel-cves sync vulns.tar.gz` ·"
    " `monsys kernel-cves sync https://mirror.example.org/vulns.tar.gz`"
)
def sync(
    source: Annotated[
        str, typer.Argument(help="A checkout of the records, an archive, or its address.")
    ],
    data_dir: DataDir = None,
) -> None:
    """Bring the kernel's CVE v5 records up to date, and match the running kernels.

    Records in a folder `rejected` take their findings away.
    """
    downloads = settings_from(data_dir=data_dir).data_dir / "downloads"

    async def work(database: Database) -> Synchronised:
        with progress_bar() as report:
            return await sync_kernel_cves(
                database, source=source, downloads=downloads, report=report
            )

    show([in_database(work, data_dir=data_dir)])
