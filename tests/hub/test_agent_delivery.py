"""What becomes of a report: an absent hub loses nothing, and nothing waits behind a refusal."""

import errno
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from hub.agent.client import Answer
from hub.agent.files import write_whole
from hub.agent.spool import Kind, Spool
from hub.agent.status import advice
from tests.hub.agent_scene import ACCEPTED, Clock, FakeHub, Host, Scene

AWAY = Answer(status=0, message="The hub does not answer: Connection refused.")
REFUSED = Answer(status=422, message="Input should be less. (field events.0.kind)")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    clock = Clock()
    return Scene(tmp_path, clock, Host(clock), FakeHub())


def test_a_report_goes_out_every_interval(scene: Scene) -> None:
    scene.run(60)
    assert scene.hub.reports == scene.host.made
    assert len(scene.hub.reports) == 4


def test_an_event_does_not_wait_for_the_interval(scene: Scene) -> None:
    scene.run(16)
    scene.host.happen("login-1")
    scene.run(5)
    assert scene.hub.events == ["login-1"]
    assert scene.host.pending == []


@pytest.mark.slow
def test_an_hour_without_a_hub_loses_nothing_and_doubles_nothing(scene: Scene) -> None:
    scene.hub.answer = lambda _: AWAY
    for minute in range(60):
        scene.host.happen(f"event-{minute}")
        scene.run(60)
    assert scene.hub.reports == []
    assert len(scene.host.made) >= 240
    assert scene.hub.asked < 120  # it backs off

    scene.hub.answer = lambda _: ACCEPTED
    scene.run(300)
    assert scene.hub.events == [f"event-{minute}" for minute in range(60)]
    assert sorted(scene.hub.reports) == scene.host.made
    assert scene.agent.spool.buffered().bytes == 0


@pytest.mark.slow
def test_when_the_hub_is_back_events_and_the_present_come_before_the_past(scene: Scene) -> None:
    scene.hub.answer = lambda _: AWAY
    scene.host.happen("first", "second")
    scene.run(600)
    scene.hub.answer = lambda _: ACCEPTED
    scene.run(70)
    assert scene.hub.events == ["first", "second"]
    assert scene.hub.bodies[0]["at"] > scene.hub.bodies[1]["at"]
    assert [event["id"] for event in scene.hub.bodies[0]["events"]] == ["first", "second"]
    past = scene.hub.reports[1:10]
    assert past == sorted(past) == scene.host.made[:9]


def test_a_busy_hub_is_left_alone_for_as_long_as_it_asks(scene: Scene) -> None:
    asked_at: list[float] = []

    def busy(_: dict[str, Any]) -> Answer:
        asked_at.append(scene.clock.seconds)
        return Answer(status=429, message="Too many.", retry_after_seconds=100)

    scene.hub.answer = busy
    scene.host.happen("login-1")
    scene.run(290)
    assert len(asked_at) == 3
    assert all(later - earlier >= 100 for earlier, later in zip(asked_at, asked_at[1:]))  # noqa: B905, RUF007


def test_an_outage_is_told_once_each_time(scene: Scene) -> None:
    with capture_logs() as logs:
        for _ in range(2):
            scene.hub.answer = lambda _: AWAY
            scene.run(600)
            scene.hub.answer = lambda _: ACCEPTED
            scene.run(120)
    told = [log for log in logs if log["event"] == "report_not_taken"]
    assert [log["log_level"] for log in told].count("warning") == 2
    assert len(told) > 6


def test_after_an_orderly_stop_nothing_acknowledged_is_sent_again(scene: Scene) -> None:
    scene.hub.answer = lambda _: AWAY
    scene.host.happen("login-1")
    scene.run(120)
    scene.hub.answer = lambda _: ACCEPTED
    scene.run(62)
    scene.start()
    scene.run(60)
    assert scene.hub.events == ["login-1"]
    assert len(scene.hub.reports) == len(set(scene.hub.reports))


def test_a_killed_agent_goes_on_with_what_lay_on_disk(scene: Scene) -> None:
    scene.hub.answer = lambda _: AWAY
    scene.host.happen("login-1")
    scene.run(120)
    scene.start()  # nothing was closed or written at the end
    scene.hub.answer = lambda _: ACCEPTED
    scene.run(60)
    assert scene.hub.events == ["login-1"]
    assert set(scene.host.made) == set(scene.hub.reports)


def test_an_event_that_the_hub_refuses_is_singled_out(scene: Scene) -> None:
    def picky(report: dict[str, Any]) -> Answer:
        ids = [event["id"] for event in report.get("events", [])]
        return REFUSED if "bad" in ids else ACCEPTED

    scene.hub.answer = picky
    scene.host.happen("a", "b", "c", "bad", "d", "e")
    scene.run(120)
    assert scene.hub.events == ["a", "b", "c", "d", "e"]
    assert scene.agent.status.set_aside_events == 1
    assert scene.hub.reports == scene.host.made  # the figures were never held up


def test_a_report_that_is_refused_by_itself_takes_no_event_with_it(scene: Scene) -> None:
    def strict(report: dict[str, Any]) -> Answer:
        return REFUSED if "packages" in report else ACCEPTED

    scene.hub.answer = strict
    scene.host.happen("a", "b")
    scene.host.is_inventory_due = True
    scene.run(40)
    assert scene.hub.events == ["a", "b"]
    assert scene.host.inventories == 1  # it is not tried again and again
    assert scene.agent.status.set_aside_events == 0


def test_an_inventory_that_did_not_arrive_is_made_again(scene: Scene) -> None:
    scene.hub.answer = lambda _: AWAY
    scene.host.is_inventory_due = True
    scene.run(600)
    assert scene.host.inventories == 1  # it costs too much to be read in vain
    scene.hub.answer = lambda _: ACCEPTED
    scene.run(120)
    assert sum("packages" in body for body in scene.hub.bodies) == 1


def test_a_buffered_report_that_is_too_old_does_not_hold_up_the_others(scene: Scene) -> None:
    scene.hub.answer = lambda _: AWAY
    scene.run(60)
    oldest = scene.host.made[0]
    scene.hub.answer = lambda report: REFUSED if report["at"] == oldest else ACCEPTED
    scene.run(120)
    assert sorted(scene.hub.reports) == scene.host.made[1:]


def test_a_wrong_clock_keeps_the_reports_and_says_what_to_do(scene: Scene) -> None:
    scene.hub.answer = lambda _: Answer(
        status=422,
        message="The host's clock is 1200 seconds ahead.",
        field="X-Monsys-Timestamp",
        clock_ahead_seconds=1200,
    )
    scene.host.happen("login-1")
    scene.run(60)
    assert advice(scene.agent.status) == (
        "This machine's clock is 20 minutes ahead of the hub's. Set it (`timedatectl set-ntp"
        " true`); reports go on by themselves then."
    )
    scene.hub.answer = lambda _: Answer(status=202, clock_ahead_seconds=0)
    scene.run(120)
    assert scene.hub.events == ["login-1"]
    assert sorted(scene.hub.reports) == scene.host.made


@pytest.mark.parametrize("status", [401, 403, 404, 409, 500, 503])
def test_no_trouble_between_agent_and_hub_loses_reports(scene: Scene, status: int) -> None:
    scene.hub.answer = lambda _: Answer(status=status, message="No.")
    scene.host.happen("login-1")
    scene.run(200)
    assert scene.agent.status.refusal == "No."
    scene.hub.answer = lambda _: ACCEPTED
    scene.run(200)
    assert scene.hub.events == ["login-1"]
    assert sorted(scene.hub.reports) == scene.host.made
    assert scene.agent.status.refused_at is None


def test_more_events_than_fit_in_a_report_follow_at_once(scene: Scene) -> None:
    scene.hub.answer = lambda _: AWAY
    for batch in range(5):
        scene.host.happen(*(f"{batch}-{number}" for number in range(500)))
        scene.run(5)
    scene.hub.answer = lambda _: ACCEPTED
    scene.run(60)
    assert len(scene.hub.events) == len(set(scene.hub.events)) == 2500
    assert max(len(body.get("events", [])) for body in scene.hub.bodies) == 1000


def test_on_a_full_disk_events_still_go_out_and_are_let_go_of_only_then(tmp_path: Path) -> None:
    is_full = [True]

    def write(path: Path, content: bytes, *, is_durable: bool) -> None:
        if is_full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_whole(path, content, is_durable=is_durable)

    clock = Clock()
    scene = Scene(tmp_path, clock, Host(clock), FakeHub(), Spool(tmp_path / "spool", write=write))
    scene.hub.answer = lambda _: AWAY
    scene.host.happen("login-1")
    scene.run(60)
    assert [event["id"] for event in scene.host.pending] == ["login-1"]
    scene.hub.answer = lambda _: ACCEPTED
    scene.run(60)
    assert scene.hub.events == ["login-1"]
    assert scene.host.pending == []
    is_full[0] = False
    scene.host.happen("login-2")
    scene.run(30)
    assert scene.hub.events == ["login-1", "login-2"]


def test_after_days_without_a_hub_the_events_are_there_and_the_newest_metrics(
    tmp_path: Path,
) -> None:
    clock = Clock()
    spool = Spool(tmp_path / "spool", max_bytes=100 * 4096, now=clock.now)
    scene = Scene(tmp_path, clock, Host(clock), FakeHub(), spool)
    scene.hub.answer = lambda _: AWAY
    for number in range(20):
        scene.host.happen(f"event-{number}")
        scene.run(150)
    assert (len(spool.entries(Kind.EVENTS)), len(spool.entries(Kind.METRICS))) == (20, 80)
    scene.hub.answer = lambda _: ACCEPTED
    kept = scene.host.made[-70:]  # until it is asked again, a few more of the oldest go
    scene.run(150)
    assert scene.hub.events == [f"event-{number}" for number in range(20)]
    assert set(kept) <= set(scene.hub.reports)
