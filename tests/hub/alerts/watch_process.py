"""A process that evaluates alert rules and sends notifications by the hub's own schedule.

What else the hub does periodically is never due here: it would only take time.
"""

import asyncio
import sys

from hub.database import Database
from hub.jobs import work as jobs_work
from hub.jobs.alerting import RULES_JOB, WEBHOOKS_JOB, deliver_webhooks
from hub.jobs.queue import Jobs
from hub.settings import Settings
from tests.hub.alerts.post_office import KEY

_SELDOM = "0 0 29 2 *"


def jobs_of_alerts(database: Database) -> Jobs:
    """Return the jobs with their real schedules, those of alerts only."""
    others = jobs_work.SCHEDULES.keys() - {RULES_JOB, WEBHOOKS_JOB}
    jobs_work.SCHEDULES.update(dict.fromkeys(others, _SELDOM))
    settings = Settings(secret_key=KEY)
    return Jobs(database, further={WEBHOOKS_JOB: deliver_webhooks(settings)})


if __name__ == "__main__":
    asyncio.run(jobs_of_alerts(Database(sys.argv[1], pool_size=4)).run())
