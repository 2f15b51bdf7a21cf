"""All watchers together: what is told is told once, whatever fails or crashes in between."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from hub.agent.client import AgentError
from hub.agent.configuration import (
    Configuration,
    HoneypotSettings,
    example_configuration,
    parse_configuration,
    read_configuration,
)
from hub.agent.watch.default import watchers_of
from hub.agent.watch.observed import ObservedEvent, encoded
from hub.agent.watch.watcher import Look, Memory, Resting
from hub.agent.watch.watchers import MAX_EVENTS_A_POLL, Watchers
from hub.detections.events import EventKind
from hub.ingest.report import Event

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Counter(Resting):
    """Tells of so many events at each look, numbered on."""

    every_seconds = 0.0

    def __init__(self, name: str = "counter", *, count: int = 1, fails: int = 0) -> None:
        self.name = name
        self.count = count
        self.fails = fails

    def look(self, memory: Memory | None, *, now: datetime) -> Look:
        if self.fails:
            self.fails -= 1
            raise ValueError(self.name)
        number = memory["number"] if memory else 0
        events = [
            ObservedEvent(kind=EventKind.USER_ADDED, at=now, summary=f"{self.name} {each}")
            for each in range(number, number + self.count)
        ]
        return Look(events, {"number": number + self.count})


class Clock:
    """A clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def watchers(folder: Path, *each: Counter, clock: Clock | None = None) -> Watchers:
    return Watchers(
        folder, Configuration(), watchers=each, monotonic=clock or Clock(), now=lambda: NOW
    )


def summaries(all_of_them: Watchers) -> list[str]:
    return [event["summary"] for event in all_of_them.poll()]


def test_events_come_again_until_they_are_taken(tmp_path: Path) -> None:
    host = watchers(tmp_path, Counter())
    first = host.poll()
    assert [event["summary"] for event in host.poll()] == ["counter 0", "counter 1"]
    host.taken()
    assert summaries(host) == ["counter 2"]
    assert first[0]["id"] != host.poll()[0]["id"]


def test_a_crash_neither_loses_an_event_nor_makes_another_of_it(tmp_path: Path) -> None:
    before = watchers(tmp_path, Counter()).poll()
    after = watchers(tmp_path, Counter(count=0)).poll()
    assert after == before
    taken = watchers(tmp_path, Counter(count=0))
    taken.poll()
    taken.taken()
    assert summaries(watchers(tmp_path, Counter())) == ["counter 1"]


def test_one_that_fails_keeps_nobody_else_away_and_is_asked_again(tmp_path: Path) -> None:
    clock = Clock()
    host = watchers(tmp_path, Counter("broken", fails=1), Counter("sound"), clock=clock)
    assert summaries(host) == ["sound 0"]
    host.taken()
    assert summaries(host) == ["sound 1"]
    host.taken()
    clock.seconds += 61
    assert sorted(summaries(host)) == ["broken 0", "sound 2"]


def test_a_flood_comes_in_parts_and_stops_the_watchers_meanwhile(tmp_path: Path) -> None:
    host = watchers(tmp_path, Counter(count=6_000))
    told = []
    for _ in range(12):
        events = host.poll()
        assert len(events) <= MAX_EVENTS_A_POLL
        told += [event["summary"] for event in events]
        host.taken()
    assert len(told) == len(set(told)) == 6_000


def test_a_full_disk_is_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    host = watchers(tmp_path, Counter())
    monkeypatch.setattr(os, "fsync", full)
    assert summaries(host) == ["counter 0"]
    host.taken()
    assert summaries(host) == ["counter 1"]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": 99}', "\0\0"])
def test_a_state_that_cannot_be_read_is_a_new_start(tmp_path: Path, content: str) -> None:
    (tmp_path / "watch.json").write_text(content)
    assert summaries(watchers(tmp_path, Counter())) == ["counter 0"]


def test_whatever_an_attacker_writes_is_fit_to_be_sent() -> None:
    nasty = "a\nb\x00\x1b[31m\ud800\u0085" * 2_000
    event = ObservedEvent(
        kind=EventKind.AUTH_FAILURE,
        at=NOW,
        summary=nasty,
        user=nasty,
        source_address="not an address",
        process=nasty,
        path=nasty,
        command=nasty,
        raw=nasty,
        details={"reason": nasty},
    )
    sent = TypeAdapter(Event).validate_python(encoded(event, identity="x"))
    assert (sent.source_address, len(sent.summary)) == (None, 500)
    assert "\n" not in (sent.command or "")


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("web-01", None),
        ("", None),
    ],
)
def test_addresses_have_one_spelling(address: str, told: str | None) -> None:
    event = ObservedEvent(kind=EventKind.AUTH_FAILURE, at=NOW, summary="x", source_address=address)
    assert encoded(event, identity="x").get("source_address") == told


def test_the_real_watchers_make_a_baseline_and_cost_little(tmp_path: Path) -> None:
    configuration = Configuration(honeypots=HoneypotSettings((str(tmp_path / "pot"),)))
    host = Watchers(tmp_path / "state", configuration)
    by_kind = {event["kind"] for event in host.poll()}
    # What runs from a temporary folder or from memory is nobody's baseline.
    assert by_kind <= {"process_started", "shell_on_socket", "preload_changed"}
    host.taken()
    host.poll()
    host.taken()
    for watcher in host._watchers:
        before = host._remembered.memories[watcher.name]
        started = time.process_time()
        watcher.look(before, now=NOW)
        assert time.process_time() - started < 0.5, watcher.name
    host.close()


def test_the_example_says_what_the_defaults_are() -> None:
    assert parse_configuration(example_configuration()) == Configuration()
    assert parse_configuration("") == Configuration()


def test_a_file_that_is_not_there_means_the_defaults(tmp_path: Path) -> None:
    assert read_configuration(tmp_path / "agent.toml") == Configuration()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("colour = 1", "`colour` is not a key that the agent knows"),
        ("[honeypots]\npath = []", "`honeypots.path` is not a key"),
        ("[honeypots]\npaths = 'x'", "`honeypots.paths` must be a list of texts"),
        ("[honeypots]\npaths = ['x']", "`honeypots.paths` must hold absolute paths, and 'x'"),
        ("[honeypots]\nplant = 1", "`honeypots.plant` must be true or false"),
        ("[logs]\njournal = 'maybe'", "`logs.journal` must be auto, always or never"),
        ("logs = 1", "`logs` must be a table"),
        ("[connections]\nignored_networks = ['x']", "`connections.ignored_networks` must hold"),
        ("[certificates]\nendpoints = ['x']", "`certificates.endpoints` must hold host:port"),
        ("[[backups]]\npath = '/x'", "`backups[0].name` must be a text, and given"),
        (
            "[[backups]]\nname = 'x'\npath = '/x'\nmax_age_hours = 0",
            "`backups[0].max_age_hours` must be a number from 0.01",
        ),
        ("[processes]\nmax_hashed_megabytes = true", "`processes.max_hashed_megabytes` must be"),
        ("x =", "This is not TOML"),
    ],
)
def test_a_wrong_key_is_named(text: str, named: str) -> None:
    with pytest.raises(AgentError) as refused:
        parse_configuration(text)
    assert str(refused.value).startswith(named)


def test_a_watcher_that_does_not_exist_cannot_be_disabled() -> None:
    with pytest.raises(AgentError, match="'prots'"):
        watchers_of(Configuration(disabled=frozenset({"prots"})))
    names = {watcher.name for watcher in watchers_of(Configuration())}
    left = watchers_of(Configuration(disabled=frozenset({"ports"})))
    assert names - {watcher.name for watcher in left} == {"ports"}
