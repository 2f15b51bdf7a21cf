"""Long computations run beside the event loop, so that people's calls have their turn meanwhile."""

import asyncio
from collections.abc import Callable

_WORTH_A_THREAD_BYTES = 65_536


async def beside[**P, Result](
    size_bytes: int,
    compute: Callable[P, Result],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Result:
    """Return what is computed from a payload of this size; a small one is not worth a thread."""
    if size_bytes < _WORTH_A_THREAD_BYTES:
        return compute(*args, **kwargs)
    return await asyncio.to_thread(compute, *args, **kwargs)
