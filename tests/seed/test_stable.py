"""Dates of the story, whatever day it is told on."""

from datetime import UTC, datetime, timedelta

import pytest

from seed.detections import everyday_detections
from seed.night import night_detections, other_detections, story_start
from seed.stable import rounded
from seed.trust import last_tuesday

HOURS = [datetime(2026, 11, 16, tzinfo=UTC) + timedelta(hours=5.3 * step) for step in range(36)]


@pytest.mark.parametrize("now", HOURS, ids=str)
def test_last_tuesday_lies_within_the_last_seven_days(now: datetime) -> None:
    tuesday = last_tuesday(now)
    assert tuesday.weekday() == 1
    assert timedelta(0) <= now - tuesday < timedelta(days=7)


@pytest.mark.parametrize("now", HOURS, ids=str)
def test_nothing_happens_after_now(now: datetime) -> None:
    detections = [*night_detections(now), *other_detections(now)]
    assert max(detection.last_seen_at for detection in detections) <= now
    assert min(detection.first_seen_at for detection in detections) == story_start(now)


@pytest.mark.parametrize(
    ("now", "count"),
    [
        (datetime(2026, 11, 18, 12, tzinfo=UTC), 440),
        (datetime(2026, 12, 31, 23, tzinfo=UTC), 440),
        (datetime(2027, 1, 1, 1, tzinfo=UTC), 440),
        (datetime(2027, 1, 9, tzinfo=UTC), 441),
        (datetime(2028, 6, 1, tzinfo=UTC), 441),
    ],
)
def test_the_years_before_the_story_reach_its_number(now: datetime, count: int) -> None:
    everyday = everyday_detections(now, story_start(now), seed=1)
    assert len(everyday) == count
    assert {detection.first_seen_at.year for detection in everyday} == {2026}
    assert all(detection.first_seen_at < story_start(now) for detection in everyday)


def test_times_are_rounded_to_five_minutes() -> None:
    assert rounded(datetime(2026, 11, 18, 14, 37, 12, tzinfo=UTC)) == datetime(
        2026, 11, 18, 14, 35, tzinfo=UTC
    )
