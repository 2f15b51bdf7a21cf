"""Reports go out whatever the host is like: no part of one keeps the others away."""

import json
import subprocess
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from pydantic import TypeAdapter

from hub.agent import report as reporting
from hub.agent.facts import FactReader
from hub.agent.figures import read_disks
from hub.agent.packages import Package
from hub.agent.report import INVENTORY_SECONDS, Reporter, encode
from hub.ingest.report import MAX_DISKS, MAX_PACKAGES, Report

PACKAGE = Package("Debian:12", "bash", "5.2", "bash", "5.2")


class Inventory:
    """What is installed, as the test says; and a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read: Callable[[], list[Package] | None] = lambda: [PACKAGE]
        self.seconds = 0.0
        self.looks = 0
        monkeypatch.setattr(reporting, "read_inventory", self._read)
        monkeypatch.setattr(reporting, "inventory_signature", lambda: ())
        self.reporter = Reporter(facts=_NoFacts(), monotonic=lambda: self.seconds)

    def _read(self, _: object) -> list[Package] | None:
        self.looks += 1
        return self.read()

    def report(self) -> dict[str, Any]:
        """Return the next report."""
        return self.reporter.report()


class _NoFacts(FactReader):
    def changed(self) -> dict[str, list[dict[str, Any]]]:
        return {}


@pytest.fixture
def inventory(monkeypatch: pytest.MonkeyPatch) -> Inventory:
    return Inventory(monkeypatch)


def test_the_same_inventory_is_told_again_after_six_hours(inventory: Inventory) -> None:
    told = []
    for _ in range(3):
        told.append("packages" in inventory.report())
        told.append("packages" in inventory.report())
        inventory.seconds += INVENTORY_SECONDS
    assert told == [True, False] * 3


def test_an_inventory_that_cannot_be_read_keeps_no_figures_away(inventory: Inventory) -> None:
    def killed() -> list[Package]:
        raise subprocess.CalledProcessError(-9, "dpkg-query")

    inventory.read = killed
    assert "figures" in inventory.report()
    assert "figures" in inventory.report()
    assert inventory.looks == 1  # it costs too much to be tried with each report
    inventory.read = lambda: [PACKAGE]
    inventory.seconds += 301
    assert "packages" in inventory.report()


def test_more_packages_than_the_hub_takes_are_cut(inventory: Inventory) -> None:
    inventory.read = lambda: [
        Package("PyPI", f"p{number}", "1", "", "") for number in range(MAX_PACKAGES + 1)
    ]
    assert len(inventory.report()["packages"]) == MAX_PACKAGES


def test_where_sockets_listen_is_told_without_a_list_of_packages(inventory: Inventory) -> None:
    inventory.read = lambda: None
    first = inventory.report()
    assert "packages" not in first
    assert isinstance(first["listening"], list)


def partition(mount: str, number: int = 0) -> SimpleNamespace:
    return SimpleNamespace(mountpoint=mount, device=f"/dev/{mount}{number}", fstype="ext4")


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what mounts file systems of these names, all alike."""
    usage = psutil.disk_usage("/")

    def mount(*names: str) -> None:
        found = [partition(name, number) for number, name in enumerate(names)]
        monkeypatch.setattr(psutil, "disk_partitions", lambda **_: found)

    monkeypatch.setattr(psutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr("os.path.isdir", lambda path: len(str(path)) < 300)
    return mount


def test_a_disk_of_any_name_is_taken_by_the_hub(mounted: Callable[..., None]) -> None:
    mounted("/media/eve/\x1b[31m\nred\udcff", "/srv")
    report = Reporter(facts=_NoFacts()).report()
    report.pop("packages", None)
    taken = TypeAdapter(Report).validate_python(json.loads(encode(report)))
    assert [disk.mount for disk in taken.figures.disks][-1] == "/srv"
    assert len(taken.figures.disks) == 3


def test_a_mount_that_refuses_to_be_asked_hides_no_other(mounted: Callable[..., None]) -> None:
    mounted("/" + "x" * 300, "/srv")
    assert [disk.mount for disk in read_disks()] == ["/", "/srv"]


def test_more_disks_than_the_hub_takes_are_cut(mounted: Callable[..., None]) -> None:
    mounted(*(f"/mnt/{number}" for number in range(MAX_DISKS + 50)))
    assert len(read_disks()) == MAX_DISKS
