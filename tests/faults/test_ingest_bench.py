"""The bench of ingest works: a minute of it, with few hosts, loses nothing."""

import subprocess
import sys

import orjson
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]

SHORT = ("--agents", "200", "--seconds", "16", "--quiet-seconds", "6")
LITTLE = ("--rounds", "1", "--rows", "20000")


def test_a_short_run_of_the_bench_loses_nothing_and_says_what_it_measured() -> None:
    command = [sys.executable, "-m", "tests.bench.ingest", *SHORT, *LITTLE]
    finished = subprocess.run(command, check=True, capture_output=True, timeout=300)
    figures = orjson.loads(finished.stdout.splitlines()[-1])
    assert list(figures)[:4] == ["vs_copy", "lost", "rss_mb", "p99_ratio"]
    assert (figures["lost"], figures["refused"]) == (0, 0)
    assert figures["acknowledged"] == pytest.approx(200 * 16 / 15, rel=0.05)
    assert figures["vs_copy"] > 0
    assert 0 < figures["rss_mb"] < 400
