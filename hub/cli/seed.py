"""`monsys seed`: the story, or a fleet of any size for measurements."""

from typing import Annotated

import typer

from hub.cli.connection import DataDir, in_database
from hub.cli.output import answers, progress
from hub.clock import utc_now
from hub.database import Database
from seed.generator import FleetSize, generate

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command(
    epilog="**Examples**\n\n`monsys seed --agents 10000 --days 30` ·"
    " `monsys seed --agents 200 --days 7 --resolution-minutes 15 --tenant bench-small`"
)
def seed(
    *,
    agents: Annotated[int, typer.Option(help="How many hosts.", min=1, max=100_000)] = 1000,
    days: Annotated[int, typer.Option(help="How many days of metrics.", min=1, max=365)] = 30,
    resolution_minutes: Annotated[
        int, typer.Option(help="Minutes between two samples.", min=1, max=1440)
    ] = 60,
    tenant: Annotated[str, typer.Option(help="Short name of the new tenant.")] = "bench",
    random_seed: Annotated[int, typer.Option("--seed", help="The same gives the same.")] = 1,
    data_dir: DataDir = None,
) -> None:
    """Write a synthetic tenant for measurements: hosts, metrics, alerts, detections, findings.

    The demo tells its own story; this one only scales.
    """
    size = FleetSize(agents=agents, days=days, resolution_minutes=resolution_minutes)

    async def work(database: Database) -> int:
        with progress.status("Writing …") as status:
            return await generate(
                database,
                slug=tenant,
                size=size,
                seed=random_seed,
                now=utc_now(),
                progress=status.update,
            )

    samples = in_database(work, data_dir=data_dir)
    answers.print(f"{tenant}: {agents:,} hosts, {samples:,} samples.", markup=False)
