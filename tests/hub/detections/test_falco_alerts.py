"""Falco's alerts mean what their tags and fields say; names decide only where those are silent."""

from typing import Any

import pytest

from hub.detections.events import EventKind
from hub.detections.falco_alerts import falco_event_kind

OURS = "A rule of our own"


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        ("Schedule Cron Jobs", EventKind.CRON_CHANGED),
        ("Read sensitive file untrusted", EventKind.HONEYPOT_TOUCHED),
        ("Linux Kernel Module Injection Detected", EventKind.KERNEL_MODULE_LOADED),
        ("Netcat Remote Code Execution in Container", EventKind.SHELL_ON_SOCKET),
        ("User mgmt binaries", EventKind.USER_ADDED),
        ("Disallowed K8s User", None),
        ("", None),
    ],
)
def test_a_name_decides_where_nothing_else_is_said(rule: str, kind: EventKind | None) -> None:
    assert falco_event_kind(rule) is kind
    assert falco_event_kind(rule, tags=["host", "mitre_impact"], output_fields={}) is kind


@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        ("T1014", EventKind.KERNEL_MODULE_LOADED),
        ("t1053.003", EventKind.CRON_CHANGED),
        ("T1070.003", EventKind.LOG_SHRUNK),
        ("T1098.004", EventKind.AUTHORIZED_KEYS_CHANGED),
        ("T1136.001", EventKind.USER_ADDED),
        ("T1496.001", EventKind.PROCESS_STARTED),
        ("T1547.006", EventKind.KERNEL_MODULE_LOADED),
        ("T1548.003", EventKind.SUDOERS_CHANGED),
        ("T1554", EventKind.BINARY_CHANGED),
        ("T1574.006", EventKind.PRELOAD_CHANGED),
        ("T1620", EventKind.PROCESS_STARTED),
        ("T1059", None),
        ("T1098", None),
        ("T1190", None),
        ("mitre_persistence", None),
    ],
)
def test_a_technique_says_what_happened_whatever_the_rule_is_called(
    tag: str, kind: EventKind | None
) -> None:
    assert falco_event_kind(OURS, tags=["container", tag]) is kind


CASES: list[tuple[list[str], dict[str, Any], EventKind | None]] = [
    # Opened for writing, and where it is.
    ([], {"evt.type": "openat", "evt.arg.flags": "O_CREAT|O_WRONLY|FD_UPPER_LAYER",
          "fd.name": "/etc/cron.d/backup"}, EventKind.CRON_CHANGED),
    ([], {"evt.type": "openat", "evt.is_open_write": True, "fd.name": "/etc/sudoers.d/x"},
     EventKind.SUDOERS_CHANGED),
    ([], {"evt.type": "renameat2", "evt.arg.newpath": "/root/.ssh/authorized_keys"},
     EventKind.AUTHORIZED_KEYS_CHANGED),
    ([], {"evt.type": "openat", "evt.arg.flags": "O_RDONLY", "fd.name": "/etc/cron.d/backup"},
     None),
    ([], {"evt.type": "openat", "evt.is_open_write": True, "fd.name": "/srv/upload/x"}, None),
    (["mitre_persistence"], {"evt.type": "openat", "fd.name": "/etc/ld.so.preload"},
     EventKind.PRELOAD_CHANGED),
    (["mitre_persistence", "T1098"], {"fd.name": "/home/eve/.ssh/authorized_keys"},
     EventKind.AUTHORIZED_KEYS_CHANGED),
    (["T1565.001"], {"fd.name": "/etc/hosts"}, EventKind.FILE_CHANGED),
    (["T1053"], {"fd.name": "/var/spool/cron/root"}, EventKind.CRON_CHANGED),
    # Read, and for what.
    (["mitre_credential_access", "T1555"], {"evt.type": "openat", "fd.name": "/etc/shadow"},
     EventKind.HONEYPOT_TOUCHED),
    (["mitre_credential_access", "T1555"],
     {"evt.type": "symlinkat", "evt.arg.path": "/etc/shadow"}, None),
    (["mitre_credential_access", "T1552.001"],
     {"evt.type": "execve", "proc.name": "grep", "fd.name": "<NA>"}, None),
    # Traces.
    (["mitre_defense_evasion", "T1070"], {"evt.type": "openat", "fd.name": "/var/log/auth.log",
                                          "evt.arg.flags": "O_TRUNC"}, EventKind.LOG_SHRUNK),
    (["T1070"], {"evt.type": "unlinkat", "evt.arg.name": "/root/.bash_history"},
     EventKind.LOG_SHRUNK),
    (["T1070"], {"evt.type": "unlinkat", "evt.arg.name": "/srv/x"}, None),
    # Programs.
    ([], {"evt.type": "finit_module", "proc.name": "insmod"}, EventKind.KERNEL_MODULE_LOADED),
    ([], {"evt.type": "execve", "proc.name": "useradd"}, EventKind.USER_ADDED),
    (["mitre_persistence", "T1136.001"], {"evt.type": "execve", "proc.name": "userdel"}, None),
    ([], {"evt.type": "execve", "proc.name": "x", "proc.exepath": "/dev/shm/x"},  # noqa: S108
     EventKind.PROCESS_STARTED),
    (["mitre_execution", "T1059"], {"evt.type": "execve", "proc.exepath": "/usr/bin/python3"},
     None),
    # Shells and connections.
    ([], {"evt.type": "dup2", "fd.type": "ipv4", "fd.num": 0, "fd.name": "10.0.0.1:1->2.2.2.2:2"},
     EventKind.SHELL_ON_SOCKET),
    ([], {"evt.type": "dup2", "fd.type": "ipv4", "fd.num": 7}, None),
    ([], {"evt.type": "dup2", "fd.type": "file", "fd.num": 1}, None),
    (["T1059.004"], {"evt.type": "connect", "proc.name": "bash", "fd.rip": "203.0.113.7"},
     EventKind.SHELL_ON_SOCKET),
    (["T1496"], {"evt.type": "connect", "fd.l4proto": "tcp", "proc.name": "x"},
     EventKind.OUTBOUND_CONNECTION),
]  # fmt: skip


@pytest.mark.parametrize(("tags", "fields", "kind"), CASES)
def test_tags_and_fields_are_read_together(
    tags: list[str], fields: dict[str, Any], kind: EventKind | None
) -> None:
    assert falco_event_kind(OURS, tags=tags, output_fields=fields) is kind


@pytest.mark.parametrize(
    ("rule", "tags", "fields", "kind"),
    [
        # Renamed, or a shipped name under which somebody wrote another rule.
        ("Read sensitive file untrusted", ["T1053.003"], {}, EventKind.CRON_CHANGED),
        ("Write below etc", [], {"fd.name": "/etc/sudoers"}, EventKind.SUDOERS_CHANGED),
        ("Write below etc", ["T1098"], {"fd.name": "/etc/hosts"}, EventKind.FILE_CHANGED),
        ("Write below etc", [], {"evt.type": "finit_module"}, EventKind.KERNEL_MODULE_LOADED),
        ("User mgmt binaries", ["T1543", "T1098"], {"proc.name": "userdel"}, None),
        ("User mgmt binaries", ["T1543", "T1098"], {"proc.name": "useradd"}, EventKind.USER_ADDED),
    ],
)
def test_the_name_comes_last(
    rule: str, tags: list[str], fields: dict[str, Any], kind: EventKind | None
) -> None:
    assert falco_event_kind(rule, tags=tags, output_fields=fields) is kind


@pytest.mark.parametrize("value", [None, 7, True, ["x"], {"a": 1}, "<NA>", "\ud800", ""])
def test_fields_of_any_kind_are_endured(value: object) -> None:
    names = ("evt.type", "evt.arg.flags", "fd.name", "fd.num", "fd.type", "proc.name")
    fields = dict.fromkeys(names, value)
    assert falco_event_kind(OURS, tags=["T1059", "T1070"], output_fields=fields) is None
    dup = {"evt.type": "dup2", "fd.type": "ipv4", "fd.num": value}
    assert falco_event_kind(OURS, output_fields=dup) is None
