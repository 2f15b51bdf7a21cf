"""Whatever answers in the hub's place, or in a bad hour: the agent goes on and loses nothing."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from hub.agent import client as agent_client
from hub.agent import enrol as enrolling
from hub.agent.client import INGEST_PATH, AgentError, Answer, HubClient
from hub.agent.enrol import enrol
from hub.agent.identity import IDENTITY_FILE
from hub.agent.sequence import Sequence
from hub.agent.status import Status, advice
from hub.fleet.signatures import LAST_SEQUENCE_HEADER
from tests.hub.agent_scene import ACCEPTED, Clock, FakeHub, Host, Scene
from tests.hub.test_agent import TAKEN, client, hub_that_answers


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Sign in to the guest network</html>", b"[]", b'{"ok":true}', b"[" * 60_000],
)
def test_a_success_of_something_else_is_none(body: bytes) -> None:
    with hub_that_answers((200, {}, body)) as hub:
        answer = client(hub.url).post(INGEST_PATH, b"{}")
    assert (answer.is_accepted, answer.is_worth_retrying) == (False, True)
    assert answer.message == "The answer (200) is not one of a monsys hub."
    status = Status(0.0)
    status.note(answer, at=0.0)
    assert advice(status).startswith("The address leads to something else.")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_said_to_lead_elsewhere(status: int) -> None:
    with hub_that_answers((status, {"Location": "https://elsewhere.example"}, b"")) as hub:
        answer = client(hub.url).post(INGEST_PATH, b"{}")
    assert len(hub.received) == 1  # what the host reports goes to the hub only
    noted = Status(0.0)
    noted.note(answer, at=0.0)
    assert advice(noted).startswith("The address leads to something else.")


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "²"},
        {"Retry-After": "9" * 400},
        {"Retry-After": "soon"},
        {LAST_SEQUENCE_HEADER: "²"},
        {LAST_SEQUENCE_HEADER: "1" * 18 + "x"},
        {LAST_SEQUENCE_HEADER: "9" * 5_000},
        {"Date": "Mon, 01 Jan 0001 00:00:00 +1400"},
        {"Date": "never"},
    ],
)
def test_headers_that_make_no_sense_change_nothing(headers: dict[str, str]) -> None:
    with hub_that_answers((503, headers, b"")) as hub:
        answer = client(hub.url).post(INGEST_PATH, b"{}")
    assert (answer.status, answer.last_sequence) == (503, None)


def test_a_refusal_cannot_paint_on_a_terminal() -> None:
    told = {"error": {"message": "No.\x1b[2J\nAll is well", "field": "a\x1bt"}}
    with hub_that_answers((422, {}, json.dumps(told).encode())) as hub:
        answer = client(hub.url).post(INGEST_PATH, b"{}")
    assert "\x1b" not in answer.message
    assert "\n" not in answer.message


@pytest.mark.parametrize(
    "url",
    ["https://hub:99999", "https://hub:x", "https://[::1", "https://a..example", "https://h/a b",
     "https://h/\u00fc", f"https://{'a' * 70}.example", "https://me:secret@hub"],
)  # fmt: skip
def test_an_address_that_cannot_be_is_refused_in_words(url: str) -> None:
    with pytest.raises(AgentError, match="URL"):
        client(url)


@contextmanager
def dripping(*pieces: bytes, pause: float) -> Iterator[str]:
    """Serve one connection, word by word; yield the address."""
    is_over = threading.Event()

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            for piece in pieces:
                try:
                    connection.sendall(piece)
                except OSError:
                    return
                if is_over.wait(pause):
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            is_over.set()
            thread.join()


@pytest.mark.parametrize(
    "begin",
    [
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 9999\r\n\r\n",
        b"HTTP/1.1 202 Accepted\r\nX-Slow: ",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_an_answer_that_never_ends_does_not_hold_the_agent(
    begin: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_client, "_ANSWER_WITHIN_SECONDS", 0.5)
    rest = [b"HTTP/1.1 100 Continue\r\n\r\n" if b"100" in begin else b" "] * 200
    started = time.monotonic()
    with dripping(begin, *rest, pause=0.05) as url:
        answer = client(url).post(INGEST_PATH, b"{}")
    assert (answer.status, answer.is_worth_retrying) == (0, True)
    assert time.monotonic() - started < 4


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    clock = Clock()
    return Scene(tmp_path, clock, Host(clock), FakeHub())


def test_a_pause_without_end_is_not_kept(scene: Scene) -> None:
    scene.hub.answer = lambda _: Answer(status=429, retry_after_seconds=float("inf"))
    scene.host.happen("login-1")
    scene.run(15)
    scene.hub.answer = lambda _: ACCEPTED
    scene.clock.seconds += 600
    scene.run(15)
    assert scene.hub.events == ["login-1"]


def test_one_buffered_report_that_is_never_taken_does_not_hold_up_the_others(scene: Scene) -> None:
    scene.hub.answer = lambda _: Answer(status=0)
    scene.run(60)
    oldest = scene.host.made[0]
    scene.hub.answer = lambda told: Answer(status=500) if told["at"] == oldest else ACCEPTED
    scene.run(60)
    scene.clock.seconds += 3_600
    scene.run(60)
    assert sorted(scene.hub.reports) == scene.host.made[1:]


@pytest.mark.parametrize("status", [400, 403, 500])
def test_an_event_over_which_the_hub_stumbles_does_not_silence_the_host(
    scene: Scene, status: int
) -> None:
    def stumbling(told: dict[str, object]) -> Answer:
        return Answer(status=status) if '"bad"' in json.dumps(told) else ACCEPTED

    scene.hub.answer = stumbling
    scene.host.happen("a", "bad", "b")
    scene.run(60)
    assert scene.hub.reports == scene.host.made
    assert scene.hub.events == ["a"]  # the hub may be mended: nothing is given up for now
    scene.clock.seconds += 3_600
    scene.run(60)
    assert scene.hub.events == ["a", "b"]
    assert scene.agent.status.set_aside_events == 1


def test_events_that_an_accepted_report_brought_in_vain_are_counted(scene: Scene) -> None:
    told = {"status": "accepted", "refused_events": [{"id": "old", "reason": "It is too old."}]}
    scene.hub.answer = lambda _: Answer(status=202, content=told)
    scene.host.happen("old")
    scene.run(5)
    assert scene.agent.status.set_aside_events == 1


@pytest.mark.parametrize(
    "told",
    [
        {"agent_id": "x"},
        {"agent_id": "x", "name": "n", "is_new": True, "hub_version": "1",
         "interval_seconds": "often"},
        {"agent_id": "x", "name": "n", "is_new": True, "hub_version": "1", "interval_seconds": 0},
        {"agent_id": "x", "name": "n", "is_new": True, "hub_version": "1", "interval_seconds": 1e9},
        {"status": "accepted"},
    ],
)  # fmt: skip
def test_an_enrolment_that_is_none_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: dict[str, object]
) -> None:
    monkeypatch.setattr(enrolling, "_PAUSE_SECONDS", 0.001)
    with (
        hub_that_answers((201, {}, json.dumps(told).encode())) as hub,
        pytest.raises(AgentError, match="not that of a monsys hub"),
    ):
        enrol(tmp_path, hub.url, "met_x")
    assert not (tmp_path / IDENTITY_FILE).exists()


def test_a_hub_that_is_one_is_believed() -> None:
    with hub_that_answers((202, {}, TAKEN)) as hub:
        answer = HubClient(hub.url, SigningKey(bytes(32)), Sequence(None)).post(INGEST_PATH, b"{}")
    assert answer.is_accepted
