"""Stamps of log lines: in the host's zone, in the right year, or not at all."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from hub.agent.watch.syslog import parse_line

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(line: str, now: datetime = NOW) -> datetime | None:
    record = parse_line(line, now=now, position="")
    return None if record is None else record.at


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("2026-11-22T11:59:00.123456+01:00", datetime(2026, 11, 22, 10, 59, 0, 123456, UTC)),
        ("2026-11-22T11:59:00Z", datetime(2026, 11, 22, 11, 59, tzinfo=UTC)),
        ("Nov 22 11:59:00", datetime(2026, 11, 22, 10, 59, tzinfo=UTC)),
        ("Jul  3 11:59:00", datetime(2026, 7, 3, 9, 59, tzinfo=UTC)),
        ("Dec 31 23:59:59", datetime(2025, 12, 31, 22, 59, 59, tzinfo=UTC)),
    ],
)
def test_stamps_are_read_in_the_hosts_own_zone(stamp: str, expected: datetime) -> None:
    assert at(f"{stamp} web-01 sshd[1]: Hello") == expected


@pytest.mark.usefixtures("berlin")
def test_december_read_in_january_was_last_year() -> None:
    new_year = datetime(2027, 1, 1, 0, 5, tzinfo=UTC)
    assert at("Dec 31 23:59:59 web-01 sshd[1]: Hello", new_year) == datetime(
        2026, 12, 31, 22, 59, 59, tzinfo=UTC
    )


@pytest.mark.parametrize(
    "line",
    [
        "",
        "garbage",
        "Foo 22 11:59:00 web-01 sshd[1]: Hello",
        "Feb 31 11:59:00 web-01 sshd[1]: Hello",
        "Nov 22 25:61:00 web-01 sshd[1]: Hello",
        "2026-13-22T11:59:00Z web-01 sshd[1]: Hello",
        "2026-11-22T11:59:00Z",
    ],
)
def test_what_is_no_line_of_a_log_is_none(line: str) -> None:
    assert parse_line(line, now=NOW, position="") is None


def test_a_line_is_taken_apart() -> None:
    record = parse_line(
        "<38>2026-11-22T11:59:00Z web-01 /usr/sbin/sshd[4711]: Invalid user x", now=NOW, position=""
    )
    assert record is not None
    assert (record.program, record.pid, record.message) == ("sshd", 4711, "Invalid user x")
