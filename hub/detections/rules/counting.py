"""How many events fall into one window, whatever the order in which they became known."""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from itertools import accumulate

from hub.detections.events import EventKind
from hub.detections.rule import Point


def most_within(points: Sequence[Point], within: timedelta) -> int:
    """Return the most events that any stretch of this length holds; points are in time's order."""
    held: deque[Point] = deque()
    count = most = 0
    for point in points:
        held.append(point)
        count += point.count
        while point.at - held[0].at > within:
            count -= held.popleft().count
        most = max(most, count)
    return most


def most_before(
    points: Sequence[Point], *, of: EventKind, then: EventKind, within: timedelta
) -> int:
    """Return the most events of one kind in the time before one event of another kind.

    Of the same moment counts as before: logs are often no finer than a second.
    """
    counted = [point for point in points if point.kind is of]
    moments = [point.at for point in counted]
    sums = [0, *accumulate(point.count for point in counted)]
    return max(
        (
            sums[bisect_right(moments, end.at)] - sums[bisect_left(moments, end.at - within)]
            for end in points
            if end.kind is then
        ),
        default=0,
    )
