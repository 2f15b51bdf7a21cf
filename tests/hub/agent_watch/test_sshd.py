"""What sshd's words mean: each attempt counts once, whoever chose the name in it."""

from typing import Any

import pytest

from hub.agent.watch.observed import ObservedEvent
from hub.agent.watch.sshd import Attempts, read_sshd
from hub.agent.watch.syslog import parse_line
from hub.detections.events import EventKind
from tests.hub.agent_watch.logs import NOW, sshd


def read(*messages: str, program: str = "sshd-session") -> list[ObservedEvent]:
    attempts, events = Attempts(), []
    for place, message in enumerate(messages):
        record = parse_line(sshd(message, program=program), now=NOW, position=str(place))
        assert record is not None
        if (event := read_sshd(record, attempts)) is not None:
            events.append(event)
    return events


def told(event: ObservedEvent) -> tuple[Any, ...]:
    return event.kind, event.user, event.source_address, event.count


FAILURE, SUCCESS = EventKind.AUTH_FAILURE, EventKind.AUTH_SUCCESS


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Failed password for root from 203.0.113.7 port 51122 ssh2",
         (FAILURE, "root", "203.0.113.7", 1)),
        ("Failed password for invalid user admin from 2001:db8::7 port 51122 ssh2",
         (FAILURE, "admin", "2001:db8::7", 1)),
        ("Failed keyboard-interactive/pam for root from 203.0.113.7 port 4 ssh2",
         (FAILURE, "root", "203.0.113.7", 1)),
        ("Invalid user oracle from 203.0.113.7 port 40022",
         (FAILURE, "oracle", "203.0.113.7", 1)),
        ("Invalid user  from 203.0.113.7 port 40022", (FAILURE, None, "203.0.113.7", 1)),
        ("error: PAM: Authentication failure for root from 203.0.113.7",
         (FAILURE, "root", "203.0.113.7", 1)),
        ("User git from 203.0.113.7 not allowed because not listed in AllowUsers",
         (FAILURE, "git", "203.0.113.7", 1)),
        ("Connection closed by authenticating user root 203.0.113.7 port 40022 [preauth]",
         (FAILURE, "root", "203.0.113.7", 1)),
        ("Disconnected from authenticating user root 203.0.113.7 port 40022 [preauth]",
         (FAILURE, "root", "203.0.113.7", 1)),
        (("Disconnecting authenticating user root 203.0.113.7 port 40022: Too many authentication"
         " failures [preauth]"), (FAILURE, "root", "203.0.113.7", 1)),
        (("error: maximum authentication attempts exceeded for root from 203.0.113.7 port 402 ssh2"
         " [preauth]"), (FAILURE, "root", "203.0.113.7", 1)),
        (("drop connection #0 from [203.0.113.7]:60022 on [10.0.0.5]:22 penalty: failed"
         " authentication"), (FAILURE, None, "203.0.113.7", 1)),
        ("message repeated 4 times: [ Failed password for root from 203.0.113.7 port 5 ssh2]",
         (FAILURE, "root", "203.0.113.7", 4)),
        ("Accepted publickey for deploy from 198.51.100.4 port 50214 ssh2: ED25519 SHA256:abc",
         (SUCCESS, "deploy", "198.51.100.4", 1)),
        ("Accepted password for deploy from 198.51.100.4 port 50214 ssh2",
         (SUCCESS, "deploy", "198.51.100.4", 1)),
    ],
)  # fmt: skip
def test_each_of_sshds_lines_is_understood(message: str, expected: tuple[Any, ...]) -> None:
    assert [told(event) for event in read(message)] == [expected]


@pytest.mark.parametrize(
    "message",
    [
        "Failed none for invalid user admin from 203.0.113.7 port 51122 ssh2",
        "Failed publickey for deploy from 198.51.100.4 port 50214 ssh2: RSA SHA256:abc",
        "Connection closed by 203.0.113.7 port 40022 [preauth]",
        "Connection closed by 203.0.113.7 port 40022",
        "Received disconnect from 198.51.100.4 port 50214:11: disconnected by user",
        "Disconnected from user deploy 198.51.100.4 port 50214",
        "pam_unix(sshd:session): session opened for user deploy(uid=1000) by deploy(uid=0)",
        (
            "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser="
            " rhost=203.0.113.7  user=root"
        ),
        "Server listening on 0.0.0.0 port 22.",
        "error: kex_exchange_identification: Connection closed by remote host",
    ],
)
def test_what_is_no_guess_at_a_password_is_left_out(message: str) -> None:
    assert read(message) == []


def test_an_attempt_that_takes_several_lines_counts_once() -> None:
    events = read(
        "Invalid user admin from 203.0.113.7 port 40022",
        "pam_unix(sshd:auth): check pass; user unknown",
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 rhost=203.0.113.7",
        "Failed password for invalid user admin from 203.0.113.7 port 40022 ssh2",
        "Failed password for invalid user admin from 203.0.113.7 port 40022 ssh2",
        "Connection closed by invalid user admin 203.0.113.7 port 40022 [preauth]",
    )
    assert [told(event) for event in events] == [(FAILURE, "admin", "203.0.113.7", 1)] * 2
    assert {event.details["unknown_user"] for event in events} == {"yes"}


@pytest.mark.parametrize(
    "user",
    [
        "root from 192.0.2.1 port 22 ssh2",
        "x from 192.0.2.1 port 22 ssh2: RSA SHA256:abc",
        "a b\tc",
        "Accepted password for root from 192.0.2.1 port 1 ssh2",
    ],
)
def test_a_name_that_a_client_chose_cannot_forge_the_address(user: str) -> None:
    (event,) = read(f"Failed password for invalid user {user} from 203.0.113.7 port 40022 ssh2")
    assert told(event) == (FAILURE, user, "203.0.113.7", 1)
