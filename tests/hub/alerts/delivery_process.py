"""A process that sends what is due for one tenant."""

import asyncio
import sys
from uuid import UUID

from hub.alerts.webhooks.delivery import deliver_due
from hub.database import Database
from tests.hub.alerts.post_office import BOX

if __name__ == "__main__":
    asyncio.run(deliver_due(Database(sys.argv[1], pool_size=2), BOX, UUID(sys.argv[2])))
