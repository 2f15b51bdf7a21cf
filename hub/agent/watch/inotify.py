"""Linux's inotify, as far as honeypots need it: that a file was opened.

Through ctypes and the C library that Python itself runs on: the calls are three, their interface is
frozen, and the agent installs nothing for them.
"""

import ctypes
import os
import struct
from contextlib import suppress
from dataclasses import dataclass

ACCESS = 0x0000_0001
MODIFY = 0x0000_0002
ATTRIBUTES = 0x0000_0004
OPEN = 0x0000_0020
DELETE_SELF = 0x0000_0400
MOVE_SELF = 0x0000_0800
OVERFLOW = 0x0000_4000
IGNORED = 0x0000_8000
TOUCHED = ACCESS | MODIFY | ATTRIBUTES | OPEN | DELETE_SELF | MOVE_SELF
GONE = DELETE_SELF | MOVE_SELF | IGNORED
_HEADER = struct.Struct("iIII")
_NONBLOCK, _CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC
_MAX_BYTES_A_READ = 64 << 10


@dataclass(frozen=True, slots=True)
class Touch:
    """That something happened to a watched file."""

    path: str
    mask: int


class Inotify:
    """One inotify instance. Raises OSError when the kernel gives none."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._checked(self._library.inotify_init1(_NONBLOCK | _CLOEXEC))
        self._paths: dict[int, str] = {}

    def watch(self, path: str, *, mask: int = TOUCHED) -> None:
        """Watch this file from now on; raise OSError when it cannot be."""
        name = os.fsencode(path)
        watch = self._library.inotify_add_watch(self._descriptor, name, ctypes.c_uint32(mask))
        self._paths[self._checked(watch)] = path

    @property
    def watched(self) -> set[str]:
        """Which files are watched."""
        return set(self._paths.values())

    def read(self) -> list[Touch]:
        """Return what happened since the last read, without waiting."""
        touches: list[Touch] = []
        with suppress(BlockingIOError):
            while content := os.read(self._descriptor, _MAX_BYTES_A_READ):
                touches += self._touches(content)
        return touches

    def forget(self, path: str) -> None:
        """Watch this file no longer: it is not at its place any more."""
        for watch, watched in list(self._paths.items()):
            if watched == path:
                self._library.inotify_rm_watch(self._descriptor, watch)
                del self._paths[watch]

    def close(self) -> None:
        """Watch nothing any more."""
        os.close(self._descriptor)

    def _touches(self, content: bytes) -> list[Touch]:
        touches, offset = [], 0
        while offset + _HEADER.size <= len(content):
            watch, mask, _, length = _HEADER.unpack_from(content, offset)
            offset += _HEADER.size + length
            if (path := self._paths.get(watch)) is not None:
                touches.append(Touch(path, mask))
        return touches

    @staticmethod
    def _checked(result: int) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result
