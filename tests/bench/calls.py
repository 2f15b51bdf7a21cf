"""`uv run python -m tests.bench.calls`: the hub beside FastMCP and beside the floor, in one run.

The three servers share one core; the load generator and PostgreSQL share another, for all three
alike. Rounds are interleaved, so a noisy neighbour hits all three; ratios are medians.
"""

import argparse
import atexit
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import orjson
import psutil
import uvloop
from rich.console import Console
from rich.table import Table

from tests.bench.data import prepare
from tests.bench.load import Measured, measure
from tests.bench.request import call_request
from tests.bench.servers import free_ports, pin_postgres, running

CONNECTIONS = 16
SERVER_CORE, LOAD_CORE = 0, 1
_AGAIN = "MONSYS_BENCH_STARTED_AGAIN"
MUST_HOLD = b'"structuredContent":{"total":200,'
NAMES = {
    "hub": "(a) hub: token, RLS, audit",
    "fastmcp": "(b) FastMCP 4: same SQL",
    "floor": "(c) Starlette, asyncpg, orjson",
}
type Rounds = dict[str, list[Measured]]


def main() -> None:
    """Measure, print the table, and one line of JSON."""
    _have_fastmcp()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="load on one server per round")
    parser.add_argument("--only", choices=NAMES, help="measure one server alone")
    options = parser.parse_args()
    names = [options.only] if options.only else list(NAMES)
    folder = Path(tempfile.mkdtemp(prefix="monsys-bench-"))
    # Registered before PostgreSQL starts, so run after it has stopped.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    rounds, rss_mb = _measure_all(folder, names, options.rounds, options.seconds)
    _print_table(rounds, rss_mb)
    sys.stdout.write(orjson.dumps(_figures(rounds, rss_mb)).decode() + "\n")


def _have_fastmcp() -> None:
    """FastMCP is no dependency of the hub: run again with the group that holds it."""
    if find_spec("fastmcp") is None:
        if _AGAIN in os.environ:
            sys.exit("FastMCP is not installed: `uv sync --group bench`.")
        os.environ[_AGAIN] = "1"
        command = ["uv", "run", "--group", "bench", "python", "-m", "tests.bench.calls"]
        os.execvp("uv", [*command, *sys.argv[1:]])  # noqa: S606 - replaces this very program


def _measure_all(
    folder: Path, names: Sequence[str], rounds: int, seconds: float
) -> tuple[Rounds, float]:
    ports = free_ports()
    prepared = prepare(folder, resource=f"http://127.0.0.1:{ports['hub']}/mcp")
    measured: Rounds = {name: [] for name in names}

    def load(name: str, process: psutil.Process) -> Measured:
        return uvloop.run(
            measure(
                ports[name],
                call_request(ports[name], prepared.token if name == "hub" else None),
                process=process,
                must_hold=MUST_HOLD,
                connections=CONNECTIONS,
                seconds=seconds,
            )
        )

    pin_postgres(folder, core=LOAD_CORE)
    with running(prepared, ports, names, core=SERVER_CORE) as processes:
        os.sched_setaffinity(0, {LOAD_CORE})
        for name, process in processes.items():
            load(name, process)  # warms caches and pools
        for _ in range(rounds):
            for name, process in processes.items():
                measured[name].append(load(name, process))
        rss_mb = processes[names[0]].memory_info().rss / 1e6
    return measured, rss_mb


def _ratio(rounds: Rounds, name: str) -> float | None:
    if name not in rounds or "hub" not in rounds:
        return None
    pairs = zip(rounds["hub"], rounds[name], strict=True)
    return round(
        statistics.median(
            hub.requests_per_second / that.requests_per_second for hub, that in pairs
        ),
        3,
    )


def _median(rounds: Sequence[Measured], figure: str) -> float:
    values: list[float] = [getattr(each, figure) for each in rounds]
    return round(statistics.median(values), 2)


def _figures(rounds: Rounds, rss_mb: float) -> dict[str, object]:
    hub = rounds.get("hub", [])
    return {
        "vs_fastmcp": _ratio(rounds, "fastmcp"),
        "vs_floor": _ratio(rounds, "floor"),
        "p99_over_p50": round(statistics.median(each.p99_ms / each.p50_ms for each in hub), 2)
        if hub
        else None,
        "rss_mb": round(rss_mb, 1),
        "requests_per_second": {
            name: _median(measured, "requests_per_second") for name, measured in rounds.items()
        },
        "cpu_ms_per_request": {
            name: _median(measured, "cpu_ms") for name, measured in rounds.items()
        },
    }


def _print_table(rounds: Rounds, rss_mb: float) -> None:
    table = Table(title=f"monsys_list_alerts, limit 10, {CONNECTIONS} connections")
    for heading in ("server", "requests/s", "p50 ms", "p99 ms", "CPU ms/request"):
        table.add_column(heading, justify="left" if heading == "server" else "right")
    for name, measured in rounds.items():
        figures = ("requests_per_second", "p50_ms", "p99_ms", "cpu_ms")
        table.add_row(NAMES[name], *(f"{_median(measured, figure):,}" for figure in figures))
    table.caption = f"medians over rounds; the hub's resident memory is {rss_mb:.0f} MB"
    Console(width=90).print(table)


if __name__ == "__main__":
    main()
