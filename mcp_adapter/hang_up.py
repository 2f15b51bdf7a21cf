"""A client that hangs up wants no answer (2026-07-28: a disconnect MUST be a cancellation)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import Receive

# Nearly all calls are over before this, and then nobody has to listen for the client leaving.
_PATIENCE_SECONDS = 0.25


class HungUpError(Exception):
    """The client is gone; there is nobody to answer."""


@asynccontextmanager
async def cancelled_by_hang_up(receive: Receive) -> AsyncIterator[None]:
    """Cancel what runs inside once the client disconnects; leave by HungUpError then."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("This runs inside a task.")
    loop = asyncio.get_running_loop()
    watchers: list[asyncio.Task[None]] = []
    has_hung_up = False

    async def watch() -> None:
        nonlocal has_hung_up
        while (await receive())["type"] != "http.disconnect":
            pass
        has_hung_up = True
        task.cancel()

    timer = loop.call_later(_PATIENCE_SECONDS, lambda: watchers.append(loop.create_task(watch())))
    try:
        yield
    except asyncio.CancelledError:
        if has_hung_up and task.uncancel() == 0:
            raise HungUpError from None
        raise
    finally:
        timer.cancel()
        for watcher in watchers:
            watcher.cancel()
