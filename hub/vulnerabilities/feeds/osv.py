"""OSV: the bulk archives of its database, one per ecosystem, or a folder of the same records."""

from collections.abc import Callable, Collection
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import select
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.errors import InvalidInput
from hub.fleet.models import PackageVersion
from hub.vulnerabilities.ecosystems import KERNEL_ECOSYSTEM, ecosystem_of, family_of
from hub.vulnerabilities.feeds.archives import Entry, SourceDamaged
from hub.vulnerabilities.feeds.downloads import download, is_url
from hub.vulnerabilities.feeds.state import etag_of, note_success
from hub.vulnerabilities.feeds.synchronise import Synchronised, synchronise
from hub.vulnerabilities.models import OSV_FEED
from hub.vulnerabilities.records import Document, read_record
from hub.vulnerabilities.rematching import EVERYBODY, tenant_ids

OSV_ARCHIVES = "https://osv-vulnerabilities.storage.googleapis.com"

type Report = Callable[[str, int, int | None], None]


async def sync_osv(
    database: Database,
    *,
    source: str = OSV_ARCHIVES,
    ecosystems: Collection[str] | None = None,
    downloads: Path,
    report: Report,
) -> list[Synchronised]:
    """Bring OSV's records up to date: of these ecosystems, or of those that the fleet has.

    `source` is the address of the archives, one archive, or a folder.
    """
    wanted = {family_of(ecosystem_of(name).name) for name in ecosystems or ()}
    wanted = wanted or await fleet_ecosystems(database)
    if not wanted:
        raise InvalidInput(
            "No host has reported packages yet, so no ecosystem is needed. Name one with"
            " `--ecosystem`.",
            field="ecosystem",
        )
    if is_url(source) and not source.endswith(".zip"):
        return await _sync_each(database, source, wanted, downloads, report)
    if is_url(source):
        return [
            await _sync_url(
                database,
                source,
                name="archive",
                wanted=wanted,
                downloads=downloads,
                report=report,
            )
        ]
    return await _sync_folder(database, Path(source), wanted, report)


async def _sync_each(
    database: Database, source: str, wanted: Collection[str], downloads: Path, report: Report
) -> list[Synchronised]:
    """Bring in one archive after the other; one that fails keeps no other from coming in."""
    results, failed = [], []
    for name in sorted(wanted):
        url = f"{source.rstrip('/')}/{quote(name, safe='')}/all.zip"
        try:
            result = await _sync_url(
                database, url, name=name, wanted={name}, downloads=downloads, report=report
            )
        except SourceDamaged as error:
            failed.append(f"{name}: {error.message}")
        else:
            results.append(result)
    if failed:
        raise SourceDamaged(" ".join(failed), field="source")
    return results


async def fleet_ecosystems(database: Database) -> set[str]:
    """Return the ecosystems of all packages of all tenants, without their releases.

    Hosts report what they like; only what is an ecosystem is asked for.
    """
    found: set[str] = set()
    for tenant_id in await tenant_ids(database):
        async with database.transaction(tenant_id=tenant_id) as session:
            found |= set(await session.scalars(select(col(PackageVersion.ecosystem)).distinct()))
    families = {family_of(each.name) for name in found if (each := ecosystem_of(name)).is_known}
    return families - {KERNEL_ECOSYSTEM}


async def _sync_url(
    database: Database,
    url: str,
    *,
    name: str,
    wanted: Collection[str],
    downloads: Path,
    report: Report,
) -> Synchronised:
    feed_name = f"{OSV_FEED}:{name}"
    async with database.transaction(presented=EVERYBODY) as session:
        etag = await etag_of(session, name=feed_name)
    fetched = await download(
        url, downloads, etag=etag, report=lambda done, total: report(f"{name}: fetch", done, total)
    )
    if fetched.path is None:
        async with database.transaction(presented=EVERYBODY) as session:
            await note_success(session, name=feed_name, checked_at=utc_now())
        return Synchronised(feed_name, is_unchanged=True)
    try:
        return await _sync_path(database, fetched.path, name, wanted, report, etag=fetched.etag)
    finally:
        fetched.path.unlink(missing_ok=True)


async def _sync_folder(
    database: Database, path: Path, wanted: Collection[str], report: Report
) -> list[Synchronised]:
    """Bring in a mirror of the archives, or one archive, or a folder of records."""
    mirrored = {name: path / name / "all.zip" for name in sorted(wanted)}
    found = {name: archive for name, archive in mirrored.items() if archive.is_file()}
    if found:
        return [
            await _sync_path(database, archive, name, {name}, report)
            for name, archive in found.items()
        ]
    name = next(iter(wanted)) if len(wanted) == 1 else path.stem or "folder"
    return [await _sync_path(database, path, name, wanted, report)]


async def _sync_path(
    database: Database,
    path: Path,
    name: str,
    wanted: Collection[str],
    report: Report,
    *,
    etag: str = "",
) -> Synchronised:
    def wants(document: Document) -> bool:
        # A record of no package may still say how bad another one is.
        named = {family_of(affected.ecosystem.name) for affected in document.affected}
        return not named or not named.isdisjoint(wanted)

    return await synchronise(
        database,
        path,
        feed=OSV_FEED,
        name=f"{OSV_FEED}:{name}",
        read=_read,
        wants=wants,
        etag=etag,
        report=lambda done, total: report(f"{name}: records", done, total),
    )


def _read(data: object, entry: Entry) -> Document:
    return read_record(data, name=entry.name)
