"""`uv run python -m tests.bench.ingest`: what the hub takes in, and what people feel of it.

Two measurements, one database, the hub as in production (`monsys serve`):

* `vs_copy`: samples a second through the landing to those of asyncpg's bare COPY of the same rows
  (`tests/bench/ingest_copy.py` says what exactly).
* 10,000 hosts that each send a signed report every 15 seconds, 667 requests a second over
  keep-alive connections, from a process of their own. `lost` counts the reports that were
  acknowledged with 202 and are not in the database afterwards; `refused` those that were answered
  otherwise or not at all. `rss_mb` is the hub's largest resident memory in that time, and
  `rss_growth_mb` how much larger its last quarter was than its second. `p99_ratio` is the 99th
  centile of `monsys_list_alerts` meanwhile, at an even 20 calls a second, to that of the same calls
  without hosts.

The hosts are enrolled already, and told what they are before: as a fleet is an hour after it
started. The hub has one core; PostgreSQL, the hosts and the calls share the other.
"""

import argparse
import asyncio
import atexit
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import psutil
import uvloop

from tests.bench import ingest_data
from tests.bench.data import Prepared, prepare
from tests.bench.ingest_calls import Asking, asking
from tests.bench.ingest_copy import CopyRates, measure_copy
from tests.bench.ingest_data import Host
from tests.bench.servers import free_ports, pin_postgres, running

HUB_CORE, OTHER_CORE = 0, 1
_MAX_CONNECTIONS, _HOSTS_A_CONNECTION = 256, 40  # busy enough that the hub keeps them open
_WARM_UP_SECONDS = 5.0


def main() -> None:
    """Measure, say what was measured, and print one line of JSON."""
    parser = argparse.ArgumentParser(description="What the hub takes in.")
    parser.add_argument("--agents", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=300.0, help="of reports")
    parser.add_argument("--quiet-seconds", type=float, default=60.0, help="of calls alone")
    parser.add_argument("--rounds", type=int, default=7, help="of copying")
    parser.add_argument("--rows", type=int, default=100_000, help="to copy a round")
    parser.add_argument("--only", choices=("copy", "hosts"), help="measure one thing alone")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="monsys-bench-"))
    # Registered before PostgreSQL starts, so run after it has stopped.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    port = free_ports()["hub"]
    prepared = prepare(folder, resource=f"http://127.0.0.1:{port}/mcp")
    pin_postgres(folder, core=OTHER_CORE)
    hosts = ingest_data.enrol(
        prepared.hub_url, prepared.owner_url, prepared.tenant_id, count=options.agents
    )
    figures: dict[str, Any] = {}
    if options.only != "copy":
        figures |= _measure_hosts(folder, prepared, port, hosts, options)
    if options.only != "hosts":
        figures |= _copy_figures(_measure_copy(prepared, hosts, options))
    order = ("vs_copy", "lost", "rss_mb", "p99_ratio")
    ordered = {name: figures[name] for name in order if name in figures} | figures
    for name, value in ordered.items():
        sys.stdout.write(f"{name:>24} {value}\n")
    sys.stdout.write(orjson.dumps(ordered).decode() + "\n")


def _measure_copy(
    prepared: Prepared, hosts: Sequence[Host], options: argparse.Namespace
) -> CopyRates:
    os.sched_setaffinity(0, {HUB_CORE})
    return measure_copy(
        prepared.owner_url,
        prepared.hub_url,
        prepared.tenant_id,
        [host.agent_id for host in hosts[:500]],
        rounds=options.rounds,
        rows=options.rows,
    )


def _copy_figures(rates: CopyRates) -> dict[str, Any]:
    told = asdict(rates)
    return {
        "vs_copy": round(told.pop("vs_copy"), 3),
        "vs_copy_bare": round(told.pop("vs_bare"), 3),
        "samples_per_second": {name: round(value) for name, value in told.items()},
    }


def _measure_hosts(
    folder: Path, prepared: Prepared, port: int, hosts: list[Host], options: argparse.Namespace
) -> dict[str, Any]:
    ingest_data.save(hosts, folder / "hosts")
    with running(prepared, {"hub": port}, ["hub"], core=HUB_CORE) as processes:
        os.sched_setaffinity(0, {OTHER_CORE})
        hub = processes["hub"]
        quiet, busy, told, memory, cpu = uvloop.run(_play(folder, prepared, port, hub, options))
    lost = asyncio.run(_lost(prepared, hosts, told["acknowledged"]))
    answered = sum(told["statuses"].values())
    return {
        "lost": lost,
        "rss_mb": round(max(memory), 1),
        "p99_ratio": round(busy.p99_ms() / quiet.p99_ms(), 2),
        "quiet_p99_ms": round(quiet.p99_ms(), 1),
        "busy_p99_ms": round(busy.p99_ms(), 1),
        "acknowledged": len(told["acknowledged"]),
        "refused": answered - told["statuses"].get(202, 0),
        "first_refusal": told["first_refusal"],
        "reports_per_second": round(answered / told["took_seconds"], 1),
        "report_p50_ms": round(told["p50_ms"], 1),
        "report_p99_ms": round(told["p99_ms"], 1),
        "rss_growth_mb": round(_growth(memory), 1),
        "hub_cpu_ms_per_report": round(cpu * 1000 / max(1, answered), 3),
    }


async def _play(
    folder: Path,
    prepared: Prepared,
    port: int,
    hub: psutil.Process,
    options: argparse.Namespace,
) -> tuple[Asking, Asking, dict[str, Any], list[float], float]:
    async with asking(port, prepared.token):
        await asyncio.sleep(_WARM_UP_SECONDS)
    async with asking(port, prepared.token) as quiet:
        await asyncio.sleep(options.quiet_seconds)
    memory: list[float] = []
    with _hosts_process(folder, port, options) as process:
        cpu = _cpu_seconds(hub)
        async with asking(port, prepared.token) as busy:
            while process.poll() is None:
                memory.append(hub.memory_info().rss / 1e6)
                await asyncio.sleep(0.5)
        cpu = _cpu_seconds(hub) - cpu
    if process.returncode:
        raise RuntimeError("the hosts failed")
    told = pickle.loads((folder / "told").read_bytes())  # noqa: S301 - our own file
    return quiet, busy, told, memory, cpu


@contextmanager
def _hosts_process(
    folder: Path, port: int, options: argparse.Namespace
) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.bench.ingest_hosts", "--port", str(port)]
    command += ["--hosts", str(folder / "hosts"), "--told", str(folder / "told")]
    command += ["--seconds", str(options.seconds)]
    connections = max(1, min(_MAX_CONNECTIONS, options.agents // _HOSTS_A_CONNECTION))
    command += ["--connections", str(connections)]
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _growth(memory: Sequence[float]) -> float:
    """Return how much larger the last quarter's mean is than the second's."""
    quarter = max(1, len(memory) // 4)
    last, second = memory[-quarter:], memory[quarter : 2 * quarter] or memory
    return sum(last) / len(last) - sum(second) / len(second)


async def _lost(
    prepared: Prepared, hosts: Sequence[Host], acknowledged: Sequence[tuple[int, datetime]]
) -> int:
    """Return how many acknowledged reports have no sample; as the owner, who sees every tenant."""
    owner = await asyncpg.connect(prepared.owner_url)
    try:
        rows = await owner.fetch(
            "SELECT agent_id, at FROM metric_samples WHERE tenant_id = $1", prepared.tenant_id
        )
    finally:
        await owner.close()
    stored = {(row["agent_id"].int, row["at"]) for row in rows}
    return sum((hosts[number].agent_id.int, at) not in stored for number, at in acknowledged)


if __name__ == "__main__":
    main()
