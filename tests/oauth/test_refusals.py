"""How much of a flood of refusals is kept."""

import pytest
from limits import RateLimitItemPerMinute

from hub.database import Database
from hub.tenancy.models import Tenant
from oauth import refusals
from oauth.models import StepKind
from oauth.refusals import RefusalLog
from oauth.trace import Step
from tests.oauth.trail import events_of


async def test_a_flood_of_strangers_hides_nothing_that_is_done_to_a_tenant(
    database: Database, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From so many addresses that what is kept of all strangers is used up."""
    monkeypatch.setattr(refusals, "_FOR_ALL", RateLimitItemPerMinute(3))
    log = RefusalLog(database)
    for number in range(5):
        await log.write(Step(kind=StepKind.REFUSED), caller=f"2001:db8:{number}::")
    await log.write(Step(kind=StepKind.REFUSED, tenant_id=tenant.id), caller="person", actor="a")
    assert await events_of(database, tenant) == [("oauth_request_refused", "refused")]
