"""The schedule that keeps advisories fresh, and what time alone changes about findings."""

import structlog
from sqlalchemy import text

from hub.clock import utc_now
from hub.database import Database
from hub.errors import HubError
from hub.jobs.maintenance import Chore
from hub.settings import Environment, Settings
from hub.vulnerabilities.acceptance import reopen_expired
from hub.vulnerabilities.feeds.kernel_cves import sync_kernel_cves
from hub.vulnerabilities.feeds.osv import OSV_ARCHIVES, fleet_ecosystems, sync_osv
from hub.vulnerabilities.rematching import EVERYBODY, tenant_ids

_log = structlog.get_logger(__name__)
# One process fetches, however many serve. The lock ends with the transaction, hence with a crash.
_ONLY_ONE = text("SELECT pg_try_advisory_xact_lock(hashtext('monsys_advisories'))")


def refresh_advisories(settings: Settings) -> Chore:
    """Return the chore: expired acceptances open again, and the feeds are brought up to date."""

    async def chore(database: Database) -> None:
        now = utc_now()
        for tenant_id in await tenant_ids(database):
            async with database.transaction(tenant_id=tenant_id) as session:
                await reopen_expired(session, tenant_id=tenant_id, now=now)
        async with database.transaction(presented=EVERYBODY) as guard:
            if await guard.scalar(_ONLY_ONE):
                await _refresh(database, settings)

    return chore


async def _refresh(database: Database, settings: Settings) -> None:
    downloads = settings.data_dir / "downloads"
    try:
        source = osv_source(settings)
        if source is not None and await fleet_ecosystems(database):
            await sync_osv(database, source=source, downloads=downloads, report=_silent)
        if settings.kernel_cves_source is not None:
            await sync_kernel_cves(
                database, source=settings.kernel_cves_source, downloads=downloads, report=_silent
            )
    except HubError as error:
        # The last good state stands; the next round tries again, and answers say how old it is.
        _log.warning("advisories_not_refreshed", reason=error.message)


def osv_source(settings: Settings) -> str | None:
    """Return where OSV's archives come from; a hub under development fetches nothing unasked."""
    if settings.osv_source is not None:
        return settings.osv_source or None
    return OSV_ARCHIVES if settings.environment is Environment.PRODUCTION else None


def _silent(_step: str, _done: int, _total: int | None) -> None:
    """Report nothing: nobody is watching."""
