"""The schedule: what a hub does unasked, and what it never does."""

from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from hub.clock import utc_now
from hub.jobs.advisories import osv_source, refresh_advisories
from hub.settings import Environment, Settings
from hub.vulnerabilities.feeds.osv import OSV_ARCHIVES
from hub.vulnerabilities.models import FindingState
from tests.hub.vulnerabilities.scene import Scene, fixed_in, fresh, record

pytestmark = pytest.mark.slow


def test_a_hub_under_development_fetches_nothing_unasked() -> None:
    assert osv_source(Settings(environment=Environment.DEVELOPMENT)) is None


def test_a_hub_in_production_fetches_osvs_archives_unless_told_otherwise() -> None:
    settings = Settings(environment=Environment.DEVELOPMENT).model_copy(
        update={"environment": Environment.PRODUCTION}
    )
    assert osv_source(settings) == OSV_ARCHIVES
    assert osv_source(settings.model_copy(update={"osv_source": ""})) is None
    assert osv_source(settings.model_copy(update={"osv_source": "records"})) == "records"


async def test_a_round_brings_the_records_of_the_configured_folder(
    scene: Scene, tmp_path: Path
) -> None:
    name = fresh()
    known = record("npm", name, fixed_in("2.0.0", kind="SEMVER"))
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "one.json").write_bytes(orjson.dumps(known))
    await scene.host("web", ("npm", name, "1.0.0"))
    chore = refresh_advisories(Settings(data_dir=tmp_path, osv_source=str(tmp_path / "records")))
    await chore(scene.database)
    assert await scene.unfixed() == [known["id"]]


async def test_a_round_whose_source_is_gone_leaves_everything_and_opens_what_expired(
    scene: Scene, tmp_path: Path
) -> None:
    name = fresh()
    known = record("npm", name, fixed_in("2.0.0", kind="SEMVER"))
    await scene.publish(known)
    await scene.host("web", ("npm", name, "1.0.0"))
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        [finding] = await scene.findings()
        finding.state = FindingState.ACCEPTED
        finding.accepted_until = utc_now() - timedelta(minutes=1)
        await session.merge(finding)
    chore = refresh_advisories(Settings(data_dir=tmp_path, osv_source=str(tmp_path / "gone")))
    await chore(scene.database)
    assert await scene.unfixed() == [known["id"]]
