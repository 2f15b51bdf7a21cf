"""Logins, from files and from the journal, folded so that a flood is a handful of events."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.agent.configuration import LogSettings
from hub.agent.watch.accounts_log import read_account_message
from hub.agent.watch.authentication import AuthenticationWatcher
from hub.agent.watch.host import Host
from hub.agent.watch.journal import Journal
from hub.agent.watch.observed import ObservedEvent
from hub.agent.watch.syslog import parse_line
from hub.agent.watch.watcher import Memory
from hub.detections.events import EventKind
from tests.hub.agent_watch.logs import NOW, STAMP, failed, sshd

LOG = "/var/log/auth.log"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "var/log/auth.log"
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def watcher_of(root: Path, *, journal: str = "never") -> AuthenticationWatcher:
    return AuthenticationWatcher(LogSettings((LOG,), journal), Host(root))


def looked(
    watcher: AuthenticationWatcher, memory: Memory | None
) -> tuple[list[ObservedEvent], Memory]:
    look = watcher.look(json.loads(json.dumps(memory)) if memory else None, now=NOW)
    events = list(look.events)
    while look.has_more:
        look = watcher.look(json.loads(json.dumps(look.memory)), now=NOW)
        events += look.events
    return events, look.memory


def test_five_thousand_guesses_are_a_handful_of_events(tmp_path: Path, log: Path) -> None:
    watcher = watcher_of(tmp_path)
    _, memory = looked(watcher, None)
    begin = NOW - timedelta(minutes=2)
    moments = [begin + timedelta(milliseconds=20 * number) for number in range(5_000)]
    lines = [
        failed("203.0.113.7", pid=number, stamp=moment.isoformat())
        for number, moment in enumerate(moments)
    ]
    log.write_text("\n".join(lines) + "\n")
    events, memory = looked(watcher, memory)
    assert sum(event.count for event in events) == 5_000
    assert {(event.user, event.source_address) for event in events} == {("root", "203.0.113.7")}
    assert len(events) <= 10
    assert looked(watcher, memory)[0] == []


def test_an_address_that_tries_many_accounts_fills_no_report(tmp_path: Path, log: Path) -> None:
    watcher = watcher_of(tmp_path)
    _, memory = looked(watcher, None)
    lines = [failed("203.0.113.7", user=f"user{n}", pid=n) for n in range(1_000)]
    log.write_text("\n".join(lines) + "\n")
    events, _ = looked(watcher, memory)
    assert len(events) == 21
    assert sum(event.count for event in events) == 1_000
    rest = next(event for event in events if event.user is None)
    assert (rest.count, rest.details["accounts"]) == (980, "980")


def test_logins_from_two_addresses_stay_apart_and_in_order(tmp_path: Path, log: Path) -> None:
    watcher = watcher_of(tmp_path)
    _, memory = looked(watcher, None)
    log.write_text(
        "\n".join(
            [
                failed("203.0.113.7", pid=1),
                failed("198.51.100.9", pid=2),
                sshd("Accepted password for root from 203.0.113.7 port 1 ssh2", pid=3,
                     stamp="2026-11-22T11:59:59Z"),
            ]
        ) + "\n"
    )  # fmt: skip
    events, _ = looked(watcher, memory)
    assert [(event.kind, event.source_address) for event in events] == [
        (EventKind.AUTH_FAILURE, "203.0.113.7"),
        (EventKind.AUTH_FAILURE, "198.51.100.9"),
        (EventKind.AUTH_SUCCESS, "203.0.113.7"),
    ]


def test_the_same_lines_have_the_same_keys_after_a_restart(tmp_path: Path, log: Path) -> None:
    _, memory = looked(watcher_of(tmp_path), None)
    accepted = sshd("Accepted password for a from 198.51.100.4 port 1")
    log.write_text(f"{failed('203.0.113.7')}\n{accepted}\n")
    keys = [[event.key for event in looked(watcher_of(tmp_path), memory)[0]] for _ in range(2)]
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == 2


SUDO = "deploy : TTY=pts/0 ; PWD=/home/deploy ; USER=root ; COMMAND=/usr/bin/apt-get update"
PAM = ("pam_unix({}:auth): authentication failure; logname= uid=0 euid=0 tty=/dev/tty1 ruser="
       " rhost=203.0.113.9  user=bob")  # fmt: skip


@pytest.mark.parametrize(
    ("program", "message", "kind", "user"),
    [
        ("sudo", f"  {SUDO}", EventKind.SUDO_COMMAND, "deploy"),
        ("sudo", SUDO.replace("TTY", "HOST=web-01 ; TTY"), EventKind.SUDO_COMMAND, "deploy"),
        ("sudo", f"bob : 3 incorrect password attempts ; {SUDO.partition(' : ')[2]}",
         EventKind.AUTH_FAILURE, "bob"),
        ("sudo", f"bob : user NOT in sudoers ; {SUDO.partition(' : ')[2]}",
         EventKind.AUTH_FAILURE, "bob"),
        ("su", "(to root) bob on pts/0", EventKind.AUTH_SUCCESS, "root"),
        ("su", "FAILED SU (to root) bob on pts/0", EventKind.AUTH_FAILURE, "root"),
        ("su", "Successful su for root by bob", EventKind.AUTH_SUCCESS, "root"),
        ("useradd", ("new user: name=eve, UID=1002, GID=1002, home=/home/eve, shell=/bin/bash,"
         " from=/dev/pts/0"), EventKind.USER_ADDED, "eve"),
        ("usermod", "add 'eve' to group 'sudo'", EventKind.SUDOERS_CHANGED, "eve"),
        ("gpasswd", "user eve added by root to group wheel", EventKind.SUDOERS_CHANGED, "eve"),
        ("login", PAM.format("login"), EventKind.AUTH_FAILURE, "bob"),
        ("vsftpd", PAM.format("vsftpd"), EventKind.AUTH_FAILURE, "bob"),
    ],
)  # fmt: skip
def test_accounts_are_heard_of(program: str, message: str, kind: EventKind, user: str) -> None:
    record = parse_line(f"{STAMP} web-01 {program}[7]: {message}", now=NOW, position="")
    assert record is not None
    event = read_account_message(record)
    assert event is not None
    assert (event.kind, event.user) == (kind, user)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("sudo", "pam_unix(sudo:session): session opened for user root(uid=0) by deploy(uid=1000)"),
        ("sudo", PAM.format("sudo")),
        ("su", "pam_unix(su:session): session opened for user root(uid=0) by bob(uid=1000)"),
        ("useradd", "new group: name=eve, GID=1002"),
        ("useradd", ("new user: name=_postgres, UID=112, GID=119, home=/var/lib/postgresql,"
         " shell=/usr/sbin/nologin, from=none")),
        ("usermod", "add 'eve' to group 'docker'"),
        ("usermod", "add 'eve' to shadow group 'sudo'"),
        ("CRON", "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)"),
    ],
)  # fmt: skip
def test_everyday_lines_say_nothing(program: str, message: str) -> None:
    record = parse_line(f"{STAMP} web-01 {program}[7]: {message}", now=NOW, position="")
    assert record is not None
    assert read_account_message(record) is None


JOURNALCTL = """#!/bin/sh
case "$*" in
*--lines=1*) tail -n 1 {entries} ;;
*) sed "0,/$(echo "$*" | sed 's/.*cursor=\\(c[0-9]*\\).*/\\1/')\\"/d" {entries}; exec sleep 60 ;;
esac
"""


def entry(number: int, message: object) -> str:
    at = int(datetime(2026, 11, 22, 11, 59, tzinfo=UTC).timestamp() * 1_000_000)
    return json.dumps(
        {
            "__CURSOR": f"c{number}",
            "__REALTIME_TIMESTAMP": str(at + number),
            "SYSLOG_IDENTIFIER": "sshd",
            "_TRANSPORT": "syslog",
            "_UID": "0",
            "_EXE": "/usr/sbin/sshd",
            "_PID": str(100 + number),
            "MESSAGE": message,
        }
    )


def test_the_journal_is_followed_where_there_are_no_files(tmp_path: Path) -> None:
    guess = "Failed password for root from 203.0.113.7 port 5 ssh2"
    entries, program = tmp_path / "entries", tmp_path / "journalctl"
    program.write_text(JOURNALCTL.format(entries=entries))
    program.chmod(0o755)
    entries.write_text(entry(1, guess) + "\n")
    watcher = AuthenticationWatcher(
        LogSettings((LOG,), "always"), Host(tmp_path), journal=Journal((str(program),))
    )
    events, memory = looked(watcher, None)
    assert (events, memory["cursor"]) == ([], "c1")
    more = [entry(2, guess), entry(3, list(guess.encode())), "not json", entry(4, None)]
    entries.write_text("\n".join([entry(1, guess), *more]) + "\n")
    deadline = time.monotonic() + 10
    while memory["cursor"] != "c4" and time.monotonic() < deadline:
        found, memory = looked(watcher, memory)
        events += found
    watcher.close()
    assert memory["cursor"] == "c4"
    assert sum(event.count for event in events) == 2
    assert {event.source_address for event in events} == {"203.0.113.7"}


def test_a_crowd_of_addresses_fills_no_report_either(tmp_path: Path, log: Path) -> None:
    watcher = watcher_of(tmp_path)
    _, memory = looked(watcher, None)
    lines = [failed(f"203.0.{n // 250}.{n % 250}", pid=n) for n in range(1_000)]
    busy = [failed("198.51.100.9", pid=2_000 + n) for n in range(9)]
    log.write_text("\n".join([*lines, *busy]) + "\n")
    events, _ = looked(watcher, memory)
    assert len(events) == 201
    assert sum(event.count for event in events) == 1_009
    assert [event.count for event in events if event.source_address == "198.51.100.9"] == [9]
    (crowd,) = [event for event in events if event.source_address is None]
    assert (crowd.count, crowd.details["addresses"]) == (801, "801")
