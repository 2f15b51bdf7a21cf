"""How a log begins, compressed or not: what tells it again under another name."""

import bz2
import gzip
import hashlib
import lzma
from collections.abc import Callable
from io import BufferedReader

from hub.agent.watch.host import open_file
from hub.agent.watch.rotation import Part

FIRST_BYTES = 256
# What `xz -9` asks for, of which so few bytes touch next to nothing: the agent has 60 MB.
_XZ_MEMORY = 80 << 20
_PACKED_BYTES = 64 << 10  # hold the first bytes of whatever was packed


def first_bytes(part: Part, count: int) -> bytes | None:
    """Return how the log begins; None when it cannot be read, or unpacked by us."""
    try:
        with open_file(part.path) as file:
            return _content(part, file, count)
    except (OSError, EOFError, ValueError, lzma.LZMAError):
        return None


def digest_of_first(part: Part, count: int) -> str | None:
    """Return the digest of exactly so many first bytes; None when there are not as many."""
    content = first_bytes(part, count)
    if content is None or len(content) != count:
        return None
    return hashlib.sha256(content).hexdigest()[:32]


def can_unpack(part: Part) -> bool:
    """Tell whether we could read it, if it is what its name says."""
    return not part.is_compressed or part.path.suffix in _UNPACK


def _content(part: Part, file: BufferedReader, count: int) -> bytes | None:
    if not part.is_compressed:
        return file.read(count)
    unpack = _UNPACK.get(part.path.suffix)
    return None if unpack is None else unpack(file, count)


def _gzip(file: BufferedReader, count: int) -> bytes:
    with gzip.GzipFile(fileobj=file) as unpacked:
        return unpacked.read(count)


def _xz(file: BufferedReader, count: int) -> bytes:
    unpacker = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)
    return unpacker.decompress(file.read(_PACKED_BYTES), count)


def _bz2(file: BufferedReader, count: int) -> bytes:
    with bz2.BZ2File(file) as unpacked:  # needs 4 MB at most
        return unpacked.read(count)


_UNPACK: dict[str, Callable[[BufferedReader, int], bytes]] = {
    ".gz": _gzip,
    ".xz": _xz,
    ".bz2": _bz2,
}
