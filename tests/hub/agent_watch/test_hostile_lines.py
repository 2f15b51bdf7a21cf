"""Lines that anybody can have logged (`logger -t sudo …`): none of them blinds the agent."""

import json
import time
from pathlib import Path

import pytest

from hub.agent.configuration import LogSettings
from hub.agent.watch.authentication import AuthenticationWatcher
from hub.agent.watch.host import Host
from tests.hub.agent_watch.logs import NOW, STAMP, failed, sshd

LOG = "/var/log/auth.log"


def counted_after(root: Path, *lines: str) -> int:
    """Return how many refusals are told when these lines come before one of them."""
    path = root / LOG.lstrip("/")
    path.parent.mkdir(parents=True)
    path.touch()
    watcher = AuthenticationWatcher(LogSettings((LOG,), "never"), Host(root))
    memory = json.loads(json.dumps(watcher.look(None, now=NOW).memory))
    path.write_text("\n".join([*lines, failed("203.0.113.7")]) + "\n")
    events = watcher.look(memory, now=NOW).events
    return sum(event.count for event in events if event.source_address == "203.0.113.7")


@pytest.mark.parametrize(
    "line",
    [
        f"{STAMP} web-01 useradd[1]: new user: name=x, UID={'9' * 5000}, GID=1",
        "0001-01-01T00:00:00+14:00 web-01 sshd[1]: Failed password for x from 192.0.2.1 port 1",
        "9999-12-31T23:59:59-14:00 web-01 sshd[1]: Failed password for x from 192.0.2.1 port 1",
        sshd("Failed password for \u2028\udc80 from 192.0.2.1 port 1 ssh2").encode(
            "utf-8", "surrogatepass").decode("utf-8", "replace"),
    ],
)  # fmt: skip
def test_a_line_that_nobody_foresaw_hides_none_behind_it(tmp_path: Path, line: str) -> None:
    assert counted_after(tmp_path, line) == 1


@pytest.mark.parametrize(
    "line",
    [
        f"{STAMP} web-01 sudo[1]: u : PWD={' ; ENV=' * 2_000}",
        f"{STAMP} web-01 sudo[1]: u : {' ; PWD= ; ENV= ; USER=x ; ENV=' * 500}",
        f"{STAMP} web-01 login[1]: pam_unix(x:auth): authentication failure; {'rhost=' * 2_500} x",
        f"{STAMP} web-01 x[1]: pam_unix(x:auth): authentication failure; {'rhost= user=' * 900}",
        f"{STAMP} web-01 su[1]: (to {'x' * 64}) {'a on ' * 3_000}",
        sshd(f"Failed password for {' from a' * 2_000} !"),
        sshd(f"Connection closed by authenticating user {'a port 1: ' * 1_500}\n"),
        sshd(f"error: PAM: {' for ' * 3_000} x"),
    ],
)
def test_no_line_takes_long_to_read(tmp_path: Path, line: str) -> None:
    started = time.process_time()
    assert counted_after(tmp_path, *[line] * 20) == 1
    assert time.process_time() - started < 1.0
