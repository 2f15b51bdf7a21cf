"""Fetching archives: to a file, resumed where a former attempt broke off, and only when changed."""

import asyncio
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from hub.vulnerabilities.feeds.archives import SourceDamaged

MAX_DOWNLOAD_BYTES = 8 * 2**30
_TIMEOUT_SECONDS = 60
_CHUNK_BYTES = 2**20
_PARTIAL, _NOT_MODIFIED, _NOTHING_LEFT = 206, 304, 416


@dataclass(frozen=True, slots=True)
class Download:
    """What was fetched; `path` is None when it is as it was the last time."""

    path: Path | None
    etag: str


def is_url(source: str) -> bool:
    """Tell whether a source is fetched over HTTP."""
    return source.startswith(("https://", "http://"))


async def download(
    url: str, folder: Path, *, etag: str, report: Callable[[int, int | None], None]
) -> Download:
    """Fetch a URL into a folder, unless it still has this entity tag."""
    return await asyncio.to_thread(_download, url, folder, etag, report)


def _download(
    url: str, folder: Path, etag: str, report: Callable[[int, int | None], None]
) -> Download:
    folder.mkdir(parents=True, exist_ok=True)
    name = urlsplit(url).path.strip("/").replace("/", "-") or "download"
    target = folder / f"{name}.part"
    tag_file = folder / f"{name}.etag"
    partial_tag = tag_file.read_text() if target.exists() and tag_file.exists() else ""
    request = urllib.request.Request(url)  # noqa: S310 - the scheme was checked by is_url
    if etag:
        request.add_header("If-None-Match", etag)
    if partial_tag:
        # Go on where it broke off, but only if it is still the same file.
        request.add_header("Range", f"bytes={target.stat().st_size}-")
        request.add_header("If-Range", partial_tag)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
            tag = answer.headers.get("ETag", "")
            tag_file.write_text(tag)
            _save(answer, target, report)
    except urllib.error.HTTPError as error:
        if error.code == _NOT_MODIFIED:
            return Download(None, etag)
        if error.code == _NOTHING_LEFT and partial_tag:
            # Killed between the last byte and the file's name: begin anew, or it never ends.
            target.unlink()
            return _download(url, folder, etag, report)
        raise SourceDamaged(f"The server answered {error.code}; nothing was changed.") from error
    except (urllib.error.URLError, OSError, ValueError, http.client.HTTPException) as error:
        raise SourceDamaged(
            "The source does not answer, or broke off; nothing was changed. Run the command again"
            " and it goes on where it stopped."
        ) from error
    finished = folder / name
    target.replace(finished)
    tag_file.unlink(missing_ok=True)
    return Download(finished, tag)


def _save(
    answer: http.client.HTTPResponse, target: Path, report: Callable[[int, int | None], None]
) -> None:
    is_continued = answer.status == _PARTIAL
    done = target.stat().st_size if is_continued else 0
    length = answer.headers.get("Content-Length")
    total = done + int(length) if length else None
    if total is not None and total > MAX_DOWNLOAD_BYTES:
        raise SourceDamaged("The archive is larger than any archive of advisories.")
    with target.open("ab" if is_continued else "wb") as file:
        while chunk := answer.read(_CHUNK_BYTES):
            file.write(chunk)
            done += len(chunk)
            if done > MAX_DOWNLOAD_BYTES:
                raise SourceDamaged("The archive is larger than any archive of advisories.")
            report(done, total)
    if total is not None and done < total:
        raise http.client.IncompleteRead(b"", total - done)
