"""Whose word in the journal is taken: fields that the writer chose prove nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from hub.agent.configuration import LogSettings
from hub.agent.watch.authentication import AuthenticationWatcher
from hub.agent.watch.host import Host
from hub.agent.watch.journal import Journal
from hub.agent.watch.observed import ObservedEvent
from hub.detections.events import EventKind
from tests.hub.agent_watch.logs import NOW

GUESS = "Failed password for root from 203.0.113.7 port 5 ssh2"
SUDO = "deploy : TTY=pts/0 ; PWD=/home/deploy ; USER=root ; COMMAND=/usr/bin/id"
SU = "(to root) deploy on pts/0"
PASSWD = """root:x:0:0:root:/root:/bin/bash
deploy:x:1000:1000::/home/deploy:/bin/bash
eve:x:1001:1001::/home/eve:/bin/bash
"""
SSHD: dict[str, Any] = {
    "_TRANSPORT": "syslog",
    "_UID": "0",
    "_COMM": "sshd",
    "_EXE": "/usr/sbin/sshd",
    "_SYSTEMD_UNIT": "ssh.service",
    "SYSLOG_IDENTIFIER": "sshd",
    "MESSAGE": GUESS,
}
SUDO_OF_DEPLOY: dict[str, Any] = {
    "_TRANSPORT": "syslog",
    "_UID": "1000",
    "_AUDIT_LOGINUID": "1000",
    "_COMM": "sudo",
    "_EXE": "/usr/bin/sudo",
    "_SYSTEMD_UNIT": "session-3.scope",
    "SYSLOG_IDENTIFIER": "sudo",
    "MESSAGE": SUDO,
}
SU_OF_DEPLOY = SUDO_OF_DEPLOY | {
    "_COMM": "su", "_EXE": "/usr/bin/su", "SYSLOG_IDENTIFIER": "su", "MESSAGE": SU,
}  # fmt: skip


class Entries(Journal):
    """A journal that holds these entries."""

    def __init__(self, *entries: dict[str, Any]) -> None:
        super().__init__(("false",))
        self._lines = [
            json.dumps(
                {"__CURSOR": f"c{number}", "__REALTIME_TIMESTAMP": "1795348740000000"} | each
            )
            for number, each in enumerate(entries, 1)
        ]

    def newest_cursor(self) -> str:
        return "c0"

    def _start(self, cursor: str) -> None:
        del cursor

    def _arrived(self, max_bytes: int) -> list[bytes]:
        del max_bytes
        return [line.encode() for line in self._lines]


def told(root: Path, entry: dict[str, Any]) -> list[ObservedEvent]:
    journal = Entries({name: value for name, value in entry.items() if value is not None})
    watcher = AuthenticationWatcher(LogSettings((), "always"), Host(root), journal=journal)
    look = watcher.look(watcher.look(None, now=NOW).memory, now=NOW)
    assert look.memory["cursor"] == "c1"  # it was read, whether it was believed or not
    return list(look.events)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    return tmp_path


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"_SYSTEMD_UNIT": "sshd.service"},
        {"SYSLOG_IDENTIFIER": "sshd-session", "_COMM": "sshd-session",
         "_EXE": "/usr/lib/openssh/sshd-session"},
        {"SYSLOG_IDENTIFIER": "sshd-session", "_EXE": "/usr/libexec/openssh/sshd-session"},
        {"SYSLOG_IDENTIFIER": "sshd-auth", "_COMM": "sshd-auth", "_EXE": "/usr/libexec/sshd-auth"},
        {"_EXE": "/usr/sbin/sshd (deleted)"},  # the package was upgraded
        {"_EXE": None, "_COMM": None, "_SYSTEMD_UNIT": None},  # the process is gone already
        {"_EXE": "/opt/wrapped/.sshd-wrapped", "_COMM": ".sshd-wrapped",
         "_SYSTEMD_UNIT": "sshd@4-192.0.2.1:22-203.0.113.7:5.service"},
    ],
)  # fmt: skip
def test_what_sshd_logs_is_believed(root: Path, changed: dict[str, Any]) -> None:
    (event,) = told(root, SSHD | changed)
    assert (event.kind, event.source_address) == (EventKind.AUTH_FAILURE, "203.0.113.7")


@pytest.mark.parametrize(
    "changed",
    [
        {"_UID": "1001", "_COMM": "logger", "_EXE": "/usr/bin/logger",
         "_SYSTEMD_UNIT": "session-3.scope"},
        {"_UID": "1001"},  # whatever its program is called
        {"_UID": "1001", "_EXE": None, "_COMM": None},
        {"_UID": None, "UID": "0"},
        {"_UID": "0 ", "_EXE": None},
        {"_UID": ["0", "1001"]},
        {"_COMM": "logger", "_EXE": "/usr/bin/logger", "_SYSTEMD_UNIT": "cron.service"},
        {"_COMM": "logger", "_EXE": None, "_SYSTEMD_UNIT": None},
        {"_COMM": "passwd", "_EXE": "/usr/bin/passwd", "_SYSTEMD_UNIT": "session-3.scope"},
        {"_UID": "1001", "_SYSTEMD_UNIT": "user@1001.service",
         "_SYSTEMD_USER_UNIT": "ssh.service"},
        {"_TRANSPORT": "audit"},
        {"_TRANSPORT": None},
    ],
)  # fmt: skip
def test_what_somebody_logs_in_the_name_of_sshd_is_no_login(
    root: Path, changed: dict[str, Any]
) -> None:
    assert told(root, SSHD | changed) == []


@pytest.mark.parametrize(
    ("entry", "kind", "user"),
    [
        (SUDO_OF_DEPLOY, EventKind.SUDO_COMMAND, "deploy"),
        (SUDO_OF_DEPLOY | {"_UID": "0"}, EventKind.SUDO_COMMAND, "deploy"),
        (SUDO_OF_DEPLOY | {"_EXE": "/usr/bin/sudo.ws"}, EventKind.SUDO_COMMAND, "deploy"),
        (SUDO_OF_DEPLOY | {"_EXE": "/run/wrappers/bin/sudo"}, EventKind.SUDO_COMMAND, "deploy"),
        (SUDO_OF_DEPLOY | {"_UID": "70001", "_AUDIT_LOGINUID": None, "MESSAGE": SUDO.replace(
            "deploy :", "from.a.directory :")}, EventKind.SUDO_COMMAND, "from.a.directory"),
        (SU_OF_DEPLOY, EventKind.AUTH_SUCCESS, "root"),
        (SU_OF_DEPLOY | {"_UID": "1001"}, EventKind.AUTH_SUCCESS, "root"),  # in a shell of su
    ],
)  # fmt: skip
def test_sudo_and_su_are_believed_about_who_ran_them(
    root: Path, entry: dict[str, Any], kind: EventKind, user: str
) -> None:
    assert [(event.kind, event.user) for event in told(root, entry)] == [(kind, user)]


@pytest.mark.parametrize(
    "entry",
    [
        SUDO_OF_DEPLOY | {"_EXE": "/usr/bin/logger", "_COMM": "logger"},
        SUDO_OF_DEPLOY | {"_EXE": "/home/eve/sudo"},
        SUDO_OF_DEPLOY | {"_EXE": None},
        SUDO_OF_DEPLOY | {"_UID": "1001", "_AUDIT_LOGINUID": "1001"},
        SU_OF_DEPLOY | {"_UID": "1001", "_AUDIT_LOGINUID": "1001"},
        SU_OF_DEPLOY | {"_EXE": "/usr/bin/sudo", "_COMM": "sudo"},
    ],
)
def test_sudo_and_su_are_not_believed_about_anybody_else(root: Path, entry: dict[str, Any]) -> None:
    assert told(root, entry) == []


@pytest.mark.parametrize("uid", ["0", "1001"])
def test_of_other_programs_only_roots_word_is_taken(root: Path, uid: str) -> None:
    entry = {
        "_TRANSPORT": "syslog",
        "_UID": uid,
        "_EXE": "/usr/sbin/useradd",
        "SYSLOG_IDENTIFIER": "useradd",
        "MESSAGE": "new user: name=x, UID=1002, GID=1002, home=/home/x, shell=/bin/sh, from=pts/0",
    }
    assert [event.user for event in told(root, entry)] == (["x"] if uid == "0" else [])
