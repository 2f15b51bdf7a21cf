"""Following a log: each line once, none lost, whatever rotation does to the file."""

import json
import os
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.agent.watch.tail import FOLLOW_RENAMED_SECONDS, read_tail
from hub.agent.watch.watcher import Memory


class Follower:
    """Reads a log and remembers only what survives a restart."""

    def __init__(self, path: Path, *, max_bytes: int = 1 << 20) -> None:
        self.path = path
        self.now = 1_000_000.0
        self.max_bytes = max_bytes
        self.lines: list[str] = []
        self.positions: list[str] = []
        self.memory: Memory = read_tail(path, None, now=self.now).memory

    def read(self) -> list[str]:
        """Return what is new."""
        new: list[str] = []
        has_more = True
        while has_more:
            memory = json.loads(json.dumps(self.memory))
            tail = read_tail(self.path, memory, now=self.now, max_bytes=self.max_bytes)
            self.memory, has_more = tail.memory, tail.has_more
            new += [line.text for line in tail.lines]
            self.positions += [line.position for line in tail.lines]
        self.lines += new
        return new


def append(path: Path, text: str | bytes) -> None:
    with path.open("ab") as file:
        file.write(text if isinstance(text, bytes) else text.encode())


def rename(path: Path) -> None:
    """Rotate as `create` does."""
    _shift(path)
    path.rename(f"{path}.1")
    path.touch()


def copy_and_empty(path: Path) -> None:
    """Rotate as `copytruncate` does."""
    _shift(path)
    shutil.copy(path, f"{path}.1")
    os.truncate(path, 0)


def _shift(path: Path) -> None:
    older = sorted(path.parent.glob(f"{path.name}.*"), key=lambda p: -int(p.suffix[1:]))
    for each in older:
        each.rename(path.with_name(f"{path.name}.{int(each.suffix[1:]) + 1}"))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "auth.log"
    path.write_text("before\n")
    return path


def test_what_was_there_at_the_first_look_is_no_news(log: Path) -> None:
    follower = Follower(log)
    assert follower.read() == []
    append(log, "one\ntwo\n")
    assert follower.read() == ["one", "two"]
    assert follower.read() == []


def test_a_line_is_read_once_it_is_whole(log: Path) -> None:
    follower = Follower(log)
    append(log, "half ")
    assert follower.read() == []
    append(log, "a line\n")
    assert follower.read() == ["half a line"]


def test_a_log_that_appears_later_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "auth.log"
    follower = Follower(path)
    append(path, "first\n")
    assert follower.read() == ["first"]


@pytest.mark.parametrize("rotate", [rename, copy_and_empty])
def test_what_was_written_before_a_rotation_is_read(log: Path, rotate: object) -> None:
    assert callable(rotate)
    follower = Follower(log)
    append(log, "one\n")
    follower.read()
    append(log, "two\n")
    rotate(log)
    append(log, "three\n")
    rotate(log)
    append(log, "four\n")
    assert follower.read() == ["two", "three", "four"]


def test_a_writer_that_still_has_the_renamed_file_open_is_heard(log: Path) -> None:
    follower = Follower(log)
    rename(log)
    append(log, "new file\n")
    assert follower.read() == ["new file"]
    append(log.with_name("auth.log.1"), "old file\n")
    assert follower.read() == ["old file"]
    follower.now += FOLLOW_RENAMED_SECONDS + 1
    follower.read()
    append(log.with_name("auth.log.1"), "too late\n")
    assert follower.read() == []


def test_an_emptied_log_is_read_from_its_start_even_when_it_grew_beyond(log: Path) -> None:
    follower = Follower(log)
    append(log, "one\n")
    follower.read()
    log.write_text("other one\nother two\nother three\n")
    assert follower.read() == ["other one", "other two", "other three"]


def test_a_log_out_of_which_lines_were_taken_does_not_happen_again(log: Path) -> None:
    follower = Follower(log)
    append(log, "".join(f"line {number}\n" for number in range(200)))
    follower.read()
    kept = log.read_text().replace("line 150\n", "")
    log.unlink()
    log.write_text(kept)
    assert follower.read() == []
    append(log, "after\n")
    assert follower.read() == ["after"]


def test_bytes_that_are_no_text_and_endless_lines_are_survived(log: Path) -> None:
    follower = Follower(log, max_bytes=100_000)
    append(log, b"\xff\xfe\x00bad\n" + b"x" * 1_000_000 + b"\nafter\n")
    first, second, third = follower.read()
    assert first == "\ufffd\ufffd\x00bad"
    assert (set(second), len(second)) == ({"x"}, 16 << 10)
    assert third == "after"


def test_a_hundred_thousand_lines_come_in_bounded_parts(log: Path) -> None:
    follower = Follower(log)
    lines = [f"line {number}" for number in range(100_000)]
    append(log, "\n".join(lines) + "\n")
    part = read_tail(log, follower.memory, now=follower.now, max_bytes=64 << 10)
    assert part.has_more
    assert 0 < len(part.lines) < 10_000
    assert follower.read() == lines


def dated(path: Path, date: str) -> Path:
    return path.with_name(f"{path.name}-{date}")


def aged(path: Path, *, seconds: float) -> Path:
    """Let a file have been written so long before the last look."""
    os.utime(path, (path.stat().st_atime, time.time() - seconds))
    return path


def test_dated_parts_are_read_in_their_order(log: Path) -> None:
    follower = Follower(log)
    for number, date in enumerate(["20261120", "20261121-1800000000", "20261122"]):
        append(log, f"line {number}\n")
        log.rename(dated(log, date))
        log.touch()
    append(log, "line 3\n")
    assert follower.read() == ["line 0", "line 1", "line 2", "line 3"]
    assert follower.read() == []


@pytest.mark.parametrize("name", ["auth.log.9", "auth.log-20991231", "auth.log.0", "auth.log.7.gz"])
@pytest.mark.parametrize("rotate", [rename, copy_and_empty])
def test_a_file_that_rotation_did_not_leave_is_never_read(
    log: Path, name: str, rotate: object
) -> None:
    assert callable(rotate)
    log.with_name("auth.log.1").write_text("old\n")
    foreign = log.with_name(name)
    foreign.write_text("foreign\n")
    follower = Follower(log)
    for number in range(3):
        append(log, f"line {number}\n")
        assert follower.read() == [f"line {number}"]
        foreign.touch()
        log.with_name(f"auth.log.{number + 20}").write_text("foreign, too\n")
        log.with_name("auth.log.old").write_text("foreign, too\n")
        if number == 1:
            log.with_name("auth.log.1").rename(log.with_name("auth.log.2"))
            log.rename(log.with_name("auth.log.1")) if rotate is rename else copied(log)
            log.touch()
    append(log, "last\n")
    assert follower.read() == ["last"]


def copied(path: Path) -> None:
    shutil.copy(path, f"{path}.1")
    os.truncate(path, 0)


@pytest.mark.parametrize("made_anew", ["at once", "later"])
def test_an_archive_that_somebody_unpacks_beside_a_new_log_is_no_news(
    log: Path, made_anew: str
) -> None:
    append(log, "one\n")
    follower = Follower(log)
    follower.now = time.time()
    log.rename(log.with_name("auth.log.1"))
    if made_anew == "at once":
        log.touch()
    follower.read()
    log.with_name("auth.log.2").write_text("long ago\n")
    log.with_name("auth.log-20261101").write_text("long ago\n")
    aged(log.with_name("auth.log.2"), seconds=86_400)
    aged(log.with_name("auth.log-20261101"), seconds=86_400)
    assert follower.read() == []
    append(log, "two\n")
    assert follower.read() == ["two"]


@pytest.mark.parametrize("touched", ["auth.log.1", "auth.log.9", "auth.log-20261122"])
def test_touching_a_part_does_not_let_a_rewritten_log_happen_again(log: Path, touched: str) -> None:
    append(log, "".join(f"line {number}\n" for number in range(200)))
    follower = Follower(log)
    kept = log.read_text().replace("line 150\n", "")
    log.with_name(touched).touch()
    log.unlink()
    log.write_text(kept)
    assert follower.read() == []
    append(log, "after\n")
    assert follower.read() == ["after"]


def test_a_part_between_what_was_compressed_and_the_log_is_read(log: Path) -> None:
    follower = Follower(log)
    append(log, "one\n")
    follower.read()
    rename(log)
    append(log, "two\n")
    rename(log)
    log.with_name("auth.log.2").rename(log.with_name("auth.log.2.gz"))
    append(log, "three\n")
    assert follower.read() == ["two", "three"]


def test_a_second_name_of_the_log_brings_no_line_twice(log: Path) -> None:
    os.link(log, log.with_name("auth.log.9"))
    follower = Follower(log)
    append(log, "one\n")
    rename(log)
    append(log, "two\n")
    assert follower.read() == ["one", "two"]
    assert follower.read() == []


ACTIONS = st.lists(st.sampled_from(["line", "part", "rename", "copy", "read"]), max_size=40)


@settings(max_examples=300, deadline=None)
@given(actions=ACTIONS, max_bytes=st.sampled_from([64, 1 << 20]))
def test_no_sequence_of_rotations_loses_or_doubles_a_line(
    actions: list[str], max_bytes: int
) -> None:
    # A line is cut by a rotation only where the log is always copied: who renames lets the writer
    # finish, and nobody does both to one log.
    is_always_copied = "rename" not in actions
    with TemporaryDirectory() as folder:
        log = Path(folder) / "auth.log"
        log.write_text("before\n")
        follower = Follower(log, max_bytes=max_bytes)
        written: list[str] = []
        begun = ""
        for number, action in enumerate(actions):
            if action == "line":
                append(log, f"{begun and ' and '}line {number}\n")
                written.append(f"{begun}{begun and ' and '}line {number}")
                begun = ""
            elif action == "part" and not begun:
                begun = f"begin {number}"
                append(log, begun)
            elif action == "rename" and not begun:
                rename(log)
            elif action == "copy" and (is_always_copied or not begun):
                copy_and_empty(log)
            elif action == "read":
                follower.read()
        if begun:
            append(log, "\n")
            written.append(begun)
        follower.read()
        assert sorted(follower.lines) == sorted(written)
        assert len(set(follower.positions)) == len(follower.positions)
