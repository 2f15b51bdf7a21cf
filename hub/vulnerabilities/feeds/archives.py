"""Archives and folders of records: read one file at a time, within bounds, and never trusted.

Everything is looked at once before anything is stored: a damaged archive changes nothing.
"""

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from hub.errors import HubError

MAX_RECORD_BYTES = 16 * 2**20
MAX_UNPACKED_BYTES = 64 * 2**30
_SMALL_ARCHIVE_BYTES = 2**30
_EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)  # what a zip archive calls the beginning
_MAX_RATIO = 200  # JSON packs ten to twenty times; hundreds of times are a bomb
_CHUNK_BYTES = 2**20
_SUFFIX = ".json"
# What zipfile raises at foreign content: damaged data of each packing, names that are no UTF-8,
# and (RuntimeError) an entry that wants a password or a packing unknown here.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)


class SourceDamaged(HubError):  # noqa: N818 - reads as the refusal it is
    """A source cannot be used; nothing of it was stored."""

    code = "INVALID_INPUT"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a source. `read` is called for those that are wanted."""

    name: str
    size: int
    modified: datetime
    read: Callable[[], bytes]

    @property
    def problem(self) -> str | None:
        """Say why the file is not even read, if so."""
        if self.size <= MAX_RECORD_BYTES:
            return None
        allowed = MAX_RECORD_BYTES / 2**20
        return f"is {self.size / 2**20:.1f} MB; at most {allowed:.0f} MB are read"


def entries(path: Path) -> Iterator[Entry]:
    """Yield the JSON files of a folder, a zip or a tar archive, or the one file that it is."""
    if path.is_dir():
        yield from _of_folder(path)
    elif not path.is_file():
        raise SourceDamaged(f"There is no file or folder {str(path)!r}.", field="source")
    elif path.suffix == _SUFFIX:
        yield _of_file(path, path.name)
    elif zipfile.is_zipfile(path) or path.suffix == ".zip":
        yield from _of_zip(path)
    else:
        yield from _of_tar(path)


def check_archive(path: Path) -> int:
    """Return how many files a source has, when each is whole; otherwise say which is not.

    Folders are taken as they are.
    """
    if path.is_dir() or path.suffix == _SUFFIX:
        return sum(1 for _ in entries(path))
    if path.is_file() and (zipfile.is_zipfile(path) or path.suffix == ".zip"):
        return _check_zip(path)
    count = 0
    for entry in entries(path):
        count += 1
        if entry.problem is None:
            entry.read()
    return count


def _of_folder(folder: Path) -> Iterator[Entry]:
    for path in sorted(folder.rglob(f"*{_SUFFIX}")):
        if path.is_file():
            yield _of_file(path, str(path.relative_to(folder)))


def _of_file(path: Path, name: str) -> Entry:
    status = path.stat()
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    return Entry(name, status.st_size, modified, path.read_bytes)


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except _BROKEN as error:
        raise SourceDamaged(
            f"{path.name} is no complete zip archive; nothing was changed. Fetch it again."
        ) from error


def _of_zip(path: Path) -> Iterator[Entry]:
    with _opened(path) as archive:
        for info in archive.infolist():
            if info.filename.endswith(_SUFFIX) and not info.is_dir():
                yield Entry(info.filename, info.file_size, _packed_at(info), _reader(archive, info))


def _packed_at(info: zipfile.ZipInfo) -> datetime:
    """Return when a file was packed; archives that are built reproducibly say month 0."""
    try:
        return datetime(*info.date_time, tzinfo=UTC)
    except ValueError:
        return _EARLIEST


def _reader(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            return archive.read(info)
        except _BROKEN as error:
            raise _damaged(info.filename) from error

    return read


def _check_zip(path: Path) -> int:
    with _opened(path) as archive:
        infos = [info for info in archive.infolist() if info.filename.endswith(_SUFFIX)]
        _refuse_bomb(path, infos)
        for info in infos:
            if info.file_size <= MAX_RECORD_BYTES:
                _read_through(archive, info)
        return len(infos)


def _refuse_bomb(path: Path, infos: list[zipfile.ZipInfo]) -> None:
    unpacked = sum(info.file_size for info in infos)
    if unpacked > _allowed_bytes(path):
        largest = max(infos, key=lambda info: info.file_size)
        raise _bomb(path, unpacked, largest.filename)


def _allowed_bytes(path: Path) -> int:
    allowed = max(_SMALL_ARCHIVE_BYTES, _MAX_RATIO * path.stat().st_size)
    return min(allowed, MAX_UNPACKED_BYTES)


def _bomb(path: Path, unpacked: int, largest: str) -> SourceDamaged:
    return SourceDamaged(
        f"{path.name} would unpack to {unpacked / 2**30:.1f} GB, most of it {_shown(largest)};"
        " that is no archive of advisories. Nothing was changed."
    )


def _read_through(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """Read to the end, which is where the checksum is compared."""
    try:
        with archive.open(info) as file:
            while file.read(_CHUNK_BYTES):
                pass
    except _BROKEN as error:
        raise _damaged(info.filename) from error


def _of_tar(path: Path) -> Iterator[Entry]:
    last, unpacked, allowed = "its beginning", 0, _allowed_bytes(path)
    largest = (0, last)
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                # A tar has no table of contents: what is too much shows as it comes.
                unpacked += member.size
                largest = max(largest, (member.size, member.name))
                if unpacked > allowed:
                    raise _bomb(path, unpacked, largest[1])
                if not member.isfile() or not member.name.endswith(_SUFFIX):
                    continue
                last = member.name
                file = archive.extractfile(member)
                content = file.read() if file and member.size <= MAX_RECORD_BYTES else b""
                yield Entry(
                    member.name, member.size, _instant(member.mtime), partial(bytes, content)
                )
    except (tarfile.TarError, *_BROKEN) as error:
        raise _damaged(last) from error


def _instant(seconds: float) -> datetime:
    """Return a file's time of change; a header may say one that no calendar has."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        return _EARLIEST


def _damaged(name: str) -> SourceDamaged:
    return SourceDamaged(
        f"The archive is damaged at {_shown(name)}; nothing was changed. Fetch it again."
    )


def _shown(name: str) -> str:
    """Return a name out of an archive as a terminal takes it."""
    return "".join(each if each.isprintable() else "?" for each in name[:200])
