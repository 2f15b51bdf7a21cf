"""The kernel's own CVEs: a checkout or an archive of its CVE v5 records."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from hub.database import Database
from hub.vulnerabilities.feeds.archives import Entry
from hub.vulnerabilities.feeds.downloads import download, is_url
from hub.vulnerabilities.feeds.state import etag_of
from hub.vulnerabilities.feeds.synchronise import Synchronised, synchronise
from hub.vulnerabilities.kernel_records import read_kernel_record
from hub.vulnerabilities.models import KERNEL_FEED
from hub.vulnerabilities.records import Document
from hub.vulnerabilities.rematching import EVERYBODY

_REJECTED = "rejected"


async def sync_kernel_cves(
    database: Database,
    *,
    source: str,
    downloads: Path,
    report: Callable[[str, int, int | None], None],
) -> Synchronised:
    """Bring the kernel's records up to date from a folder, an archive, or its address."""
    path, etag = Path(source), ""
    if is_url(source):
        async with database.transaction(presented=EVERYBODY) as session:
            etag = await etag_of(session, name=KERNEL_FEED)
        fetched = await download(
            source, downloads, etag=etag, report=lambda done, total: report("fetch", done, total)
        )
        if fetched.path is None:
            return Synchronised(KERNEL_FEED, is_unchanged=True)
        path, etag = fetched.path, fetched.etag
    return await synchronise(
        database,
        path,
        feed=KERNEL_FEED,
        name=KERNEL_FEED,
        read=_read,
        wants=lambda _document: True,
        etag=etag,
        report=lambda done, total: report("records", done, total),
    )


def _read(data: object, entry: Entry) -> Document:
    # The folder decides: the state inside of older rejected records was never changed.
    is_rejected = _REJECTED in PurePosixPath(entry.name).parts
    return read_kernel_record(
        data, name=entry.name, modified=entry.modified, is_rejected=is_rejected
    )
