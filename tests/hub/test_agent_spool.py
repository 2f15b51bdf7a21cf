"""The agent's buffer: bounded, in order, whole after any crash, and events outlive metrics."""

import errno
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hub.agent.files import write_whole
from hub.agent.spool import Kind, Spool

BLOCK = 4096
kinds = st.sampled_from(list(Kind))


class Disk:
    """Writes files, unless it is full: then only as much as was freed fits."""

    def __init__(self) -> None:
        self.is_full = False

    def write(self, path: Path, content: bytes, *, is_durable: bool) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_whole(path, content, is_durable=is_durable)


class SpoolMachine(RuleBasedStateMachine):
    """Whatever happens, the spool is what a list of what it was given would be."""

    max_blocks = 12

    @initialize()
    def start(self) -> None:
        self.temporary = tempfile.TemporaryDirectory(prefix="spool-")
        self.folder = Path(self.temporary.name)
        self.disk, self.clock, self.counter = Disk(), 1_000.0, 0
        self.held: dict[Kind, list[bytes]] = {kind: [] for kind in Kind}
        self.open()

    def open(self) -> None:
        self.spool = Spool(
            self.folder,
            max_bytes=self.max_blocks * BLOCK,
            now=lambda: self.clock,
            write=self.disk.write,
        )

    def teardown(self) -> None:
        if hasattr(self, "temporary"):
            self.temporary.cleanup()

    @rule(kind=kinds, blocks=st.integers(1, 4), seconds=st.integers(-5, 60))
    def add(self, kind: Kind, blocks: int, seconds: int) -> None:
        self.clock += seconds  # clocks are set back, too
        self.counter += 1
        content = f"{self.counter}".encode().ljust((blocks - 1) * BLOCK + 100, b".")
        expected = self._expected_room(kind, blocks)
        is_kept = self.spool.add(kind, content)
        if self.disk.is_full:
            assert not is_kept
            self.held[Kind.METRICS] = []  # all of them were given up for room, in vain
            return
        assert is_kept == (expected is not None)
        if expected is not None:
            self.held = expected
            self.held[kind].append(content)

    def _expected_room(self, kind: Kind, blocks: int) -> dict[Kind, list[bytes]] | None:
        held = {name: list(contents) for name, contents in self.held.items()}
        while self._blocks(held) + blocks > self.max_blocks:
            if held[Kind.METRICS]:
                held[Kind.METRICS].pop(0)
            elif kind is Kind.EVENTS:
                held[Kind.EVENTS].pop(0)
            else:
                self.held = held
                return None
        return held

    @staticmethod
    def _blocks(held: dict[Kind, list[bytes]]) -> int:
        return sum(
            -(-(len(content) + 65) // BLOCK) for contents in held.values() for content in contents
        )

    @rule(kind=kinds)
    def acknowledge(self, kind: Kind) -> None:
        entry = self.spool.oldest(kind)
        assert (entry is None) == (not self.held[kind])
        if entry is not None:
            assert self.spool.read(entry) == self.held[kind].pop(0)
            self.spool.remove(entry)

    @precondition(lambda self: self.held[Kind.EVENTS] and not self.disk.is_full)
    @rule()
    def shorten_the_oldest_events(self) -> None:
        entry = self.spool.oldest(Kind.EVENTS)
        assert entry is not None
        left = self.held[Kind.EVENTS][0][:50]
        self.spool.shorten(entry, left)
        self.held[Kind.EVENTS][0] = left

    @rule()
    def restart(self) -> None:
        self.open()

    @rule(kind=kinds)
    def crash_while_writing(self, kind: Kind) -> None:
        half = self.folder / kind / f"{int(self.clock * 1000) + 10**6:020}.entry.tmp"
        half.write_bytes(b"half of a")
        self.open()
        assert not half.exists()

    @precondition(lambda self: any(self.held.values()))
    @rule(data=st.data())
    def damage(self, data: Any) -> None:
        kind = data.draw(st.sampled_from([kind for kind in Kind if self.held[kind]]))
        place = data.draw(st.integers(0, len(self.held[kind]) - 1))
        entry = self.spool.entries(kind)[place]
        path = self.folder / kind / f"{entry.number:020}.entry"
        content = path.read_bytes()
        path.write_bytes(data.draw(st.sampled_from([b"", content[:-1], b"x" + content[1:]])))
        assert self.spool.read(entry) is None
        assert not path.exists()
        self.held[kind].pop(place)

    @rule(is_full=st.booleans())
    def fill_or_free_the_disk(self, is_full: bool) -> None:  # noqa: FBT001 - hypothesis calls it
        self.disk.is_full = is_full

    @invariant()
    def it_holds_what_it_was_given_in_order_and_within_its_bound(self) -> None:
        if not hasattr(self, "spool"):
            return
        for kind in Kind:
            entries = self.spool.entries(kind)
            assert [self.spool.read(entry) for entry in entries] == self.held[kind]
            assert [entry.number for entry in entries] == sorted({e.number for e in entries})
        on_disk = sum(
            -(-path.stat().st_size // BLOCK) * BLOCK
            for kind in Kind
            for path in (self.folder / kind).iterdir()
        )
        assert self.spool.buffered().bytes == on_disk <= self.max_blocks * BLOCK


SpoolMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestSpool = SpoolMachine.TestCase


def test_events_push_out_the_oldest_metrics_and_metrics_never_push_out_events(
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path, max_bytes=3 * BLOCK)
    for number in range(3):
        assert spool.add(Kind.METRICS, b"%d" % number)
    assert spool.add(Kind.EVENTS, b"a")
    assert [spool.read(entry) for entry in spool.entries(Kind.METRICS)] == [b"1", b"2"]
    assert spool.add(Kind.EVENTS, b"b")
    assert spool.add(Kind.EVENTS, b"c")
    assert not spool.add(Kind.METRICS, b"3")
    assert [spool.read(entry) for entry in spool.entries(Kind.EVENTS)] == [b"a", b"b", b"c"]
    assert spool.add(Kind.EVENTS, b"d")  # nothing else is left to be given up
    assert [spool.read(entry) for entry in spool.entries(Kind.EVENTS)] == [b"b", b"c", b"d"]
    buffered = spool.buffered()
    assert (buffered.dropped_metrics, buffered.dropped_events) == (3, 1)


def test_on_a_full_disk_old_metrics_make_room_for_events(tmp_path: Path) -> None:

    def write(path: Path, content: bytes, *, is_durable: bool) -> None:
        if path.parent.name == Kind.EVENTS and len(list((tmp_path / "metrics").iterdir())) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_whole(path, content, is_durable=is_durable)

    spool = Spool(tmp_path, write=write)
    for _ in range(20):
        spool.add(Kind.METRICS, b"m")
    assert spool.add(Kind.EVENTS, b"e")
    assert len(spool.entries(Kind.METRICS)) == 4


def test_what_is_too_large_for_the_whole_buffer_is_not_kept(tmp_path: Path) -> None:
    spool = Spool(tmp_path, max_bytes=2 * BLOCK)
    assert spool.add(Kind.METRICS, b"m")
    assert not spool.add(Kind.EVENTS, b"x" * 3 * BLOCK)
    assert len(spool.entries(Kind.METRICS)) == 1


def test_a_file_that_cannot_be_written_leaves_no_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    spool = Spool(tmp_path)
    assert not spool.add(Kind.EVENTS, b"e")
    assert list((tmp_path / "events").iterdir()) == []


def test_few_damaged_files_are_kept_for_people_to_look_at(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for _ in range(30):
        spool.add(Kind.METRICS, b"m")
    for path in (tmp_path / "metrics").iterdir():
        path.write_bytes(b"?")
    assert [spool.read(entry) for entry in spool.entries(Kind.METRICS)] == [None] * 30
    assert len(list((tmp_path / "damaged").iterdir())) == 20
    assert spool.buffered().damaged == 30
    assert spool.oldest(Kind.METRICS) is None
