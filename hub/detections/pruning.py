"""What detections no longer need is forgotten; detections themselves are kept."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from hub.detections.baselines import forget_subjects
from hub.detections.event_store import forget_events
from hub.detections.intake import KEEP_EVENTS
from hub.detections.window_store import forget_windows

# A day longer than events are taken: one that is forgotten is refused when it comes again.
KEEP_LONGER = KEEP_EVENTS + timedelta(days=1)
# Agents deliver what they buffered for a week at most.
KEEP_IDLE_WINDOWS = timedelta(days=8)
# What a host has not done for so long is new when it does it again.
KEEP_BASELINES = timedelta(days=90)


async def forget_old_events(session: AsyncSession, *, now: datetime) -> None:
    """Delete the tenant's old events, windows and baselines."""
    await forget_events(session, before=now - KEEP_LONGER)
    await forget_windows(session, before=now - KEEP_LONGER, idle_before=now - KEEP_IDLE_WINDOWS)
    await forget_subjects(session, before=now - KEEP_BASELINES)
