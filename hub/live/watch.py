"""One watcher: what changed in one tenant since it last looked."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

from hub.errors import HubError
from hub.live.changes import Change, Kind

# A watcher that does not keep up reloads its lists anyway; it must not cost memory without end.
MAX_WAITING = 1_000


class LiveEnded(HubError):  # noqa: N818 - reads as the refusal it is
    """No more changes come on this way; reload, and subscribe again."""

    code = "LIVE_ENDED"


class Watch:
    """Changes of one tenant and kind, in the order they came; of one subject the last one."""

    def __init__(self, tenant_id: UUID, kind: Kind) -> None:
        self.tenant_id = tenant_id
        self.kind = kind
        self._waiting: dict[tuple[Kind, UUID], Change] = {}
        self._something = asyncio.Event()
        self._end: LiveEnded | None = None

    def tell(self, change: Change) -> None:
        """Take a change in; what waits about the same subject is replaced by it."""
        self._waiting.pop(change.subject, None)
        self._waiting[change.subject] = change
        if len(self._waiting) > MAX_WAITING:
            self.end(LiveEnded("More changed than this client took. Reload, and subscribe again."))
        self._something.set()

    def end(self, reason: LiveEnded) -> None:
        """Let the watcher know that changes may be missing from now on."""
        self._waiting.clear()
        self._end = reason
        self._something.set()

    async def __aiter__(self) -> AsyncIterator[Change]:
        """Yield changes as they come, for ever; raise LiveEnded when some may be missing."""
        while True:
            await self._something.wait()
            if self._end is not None:
                raise self._end
            change = self._waiting.pop(next(iter(self._waiting)))
            if not self._waiting:
                self._something.clear()
            yield change
