"""The reference agent: its figures are the machine's, and it reaches the hub or says why not."""

import json
import os
import platform
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from hub.agent.client import AgentError, HubClient
from hub.agent.figures import FigureReader, read_disks
from hub.agent.packages import (
    Package,
    ecosystem_of,
    parse_apk,
    parse_dpkg,
    parse_rpm,
    read_packages,
)
from hub.agent.report import Reporter, encode
from hub.agent.runner import read_credential, run
from hub.agent.system import OperatingSystem, read_os, read_system


def test_figures_are_those_of_psutil() -> None:
    reader = FigureReader()
    figures = reader.read()
    assert figures.memory_percent == pytest.approx(psutil.virtual_memory().percent, abs=3)
    assert (figures.load1, figures.load5, figures.load15) == pytest.approx(os.getloadavg(), abs=1)
    assert figures.cpu_percent is not None
    assert 0 <= figures.cpu_percent <= 100
    assert figures.rx_mbps is not None
    assert figures.rx_mbps >= 0


def test_disks_are_those_of_df() -> None:
    disks = {disk.mount: disk for disk in read_disks()}
    root = psutil.disk_usage("/")
    assert disks["/"].used_percent == pytest.approx(root.percent, abs=0.5)
    assert disks["/"].total_bytes == root.total
    devices = [disk.device for disk in disks.values()]
    assert len(devices) == len(set(devices))


def test_the_system_is_read_and_not_guessed() -> None:
    system = read_system()
    assert system.kernel_release == platform.release()
    assert system.cpu_count == psutil.cpu_count()
    assert system.memory_bytes == psutil.virtual_memory().total
    assert not any(address.startswith(("127.", "fe80", "::1")) for address in system.addresses)


def test_a_host_without_os_release_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> dict[str, str]:
        raise OSError

    monkeypatch.setattr(platform, "freedesktop_os_release", missing)
    assert read_os() == OperatingSystem(id="", name="", version="")


@pytest.mark.parametrize(
    ("system", "ecosystem"),
    [
        (OperatingSystem("debian", "", "12"), "Debian:12"),
        (OperatingSystem("ubuntu", "", "22.04", is_long_term_support=True), "Ubuntu:22.04:LTS"),
        (OperatingSystem("ubuntu", "", "25.10"), "Ubuntu:25.10"),
        (OperatingSystem("alpine", "", "3.20.3"), "Alpine:v3.20"),
        (OperatingSystem("rocky", "", "9.4"), "Rocky Linux:9"),
        (OperatingSystem("almalinux", "", "8.10"), "AlmaLinux:8"),
        (OperatingSystem("opensuse-leap", "", "15.5"), "openSUSE:Leap 15.5"),
        (OperatingSystem("wolfi", "", "20230201"), "Wolfi"),
        (OperatingSystem("debian", "", ""), None),
        (OperatingSystem("gentoo", "", "2.15"), None),
        (OperatingSystem("", "", ""), None),
    ],
)
def test_ecosystems_are_spelled_as_osv_does(system: OperatingSystem, ecosystem: str | None) -> None:
    assert ecosystem_of(system) == ecosystem


def test_dpkg_leaves_out_what_was_removed() -> None:
    output = "libssl3\t3.0.15\topenssl\t3.0.15\tii \nold\t1\told\t1\trc \nheld\t2\theld\t2\thi \n"
    assert parse_dpkg(output, "Debian:12") == [
        Package("Debian:12", "held", "2", "held", "2"),
        Package("Debian:12", "libssl3", "3.0.15", "openssl", "3.0.15"),
    ]


def test_rpm_keeps_epochs_and_finds_sources() -> None:
    output = (
        "openssl-libs\t1:3.0.7-27.el9\topenssl-3.0.7-27.el9.src.rpm\n"
        "bash\t0:5.1.8-9.el9\tbash-5.1.8-9.el9.src.rpm\n"
        "gpg-pubkey\t0:350d275d-6279464b\t(none)\n"
    )
    assert parse_rpm(output, "Rocky Linux:9") == [
        Package("Rocky Linux:9", "bash", "5.1.8-9.el9", "bash", "5.1.8-9.el9"),
        Package("Rocky Linux:9", "openssl-libs", "1:3.0.7-27.el9", "openssl", "3.0.7-27.el9"),
    ]


def test_apk_names_the_origin() -> None:
    database = "C:Q1x=\nP:libssl3\nV:3.3.1-r1\no:openssl\nt:17\n\nP:musl\nV:1.2.5-r0\n\n"
    assert parse_apk(database, "Alpine:v3.20") == [
        Package("Alpine:v3.20", "libssl3", "3.3.1-r1", "openssl", "3.3.1-r1"),
        Package("Alpine:v3.20", "musl", "1.2.5-r0", "musl", "1.2.5-r0"),
    ]


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="needs a Debian system")
def test_the_inventory_is_the_one_of_dpkg_query() -> None:
    listed = subprocess.run(
        ["dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Package}\n"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    packages = read_packages(read_os())
    assert packages is not None
    assert {package.name for package in packages} == {line[3:] for line in listed if line[1] == "i"}


def test_the_inventory_rides_along_only_when_it_is_due() -> None:
    reporter = Reporter()
    first, second = reporter.report(), reporter.report()
    assert "packages" not in second
    if "packages" in first:
        reporter.forget_inventory()
        assert reporter.report()["packages"] == first["packages"]


class _Hub:
    """A hub that answers as it is told and remembers what it was sent."""

    def __init__(self, *answers: tuple[int, dict[str, str], bytes]) -> None:
        self.answers = list(answers)
        self.received: list[tuple[str, str, bytes]] = []
        self.url = ""

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def hub_that_answers(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[_Hub]:
    hub = _Hub(*answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hub.received.append((self.path, self.headers["Authorization"], body))
            status, headers, answer = hub.answer()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_report_carries_the_credential() -> None:
    with hub_that_answers((202, {}, b'{"status":"accepted"}')) as hub:
        answer = HubClient(hub.url, "mak_x").deliver(b"{}", stop=threading.Event(), seconds=1)
    assert answer.is_accepted
    assert hub.received == [("/api/v1/ingest", "Bearer mak_x", b"{}")]


def test_a_busy_hub_is_tried_again() -> None:
    with hub_that_answers((503, {}, b""), (429, {"Retry-After": "0"}, b""), (202, {}, b"")) as hub:
        answer = HubClient(hub.url, "mak_x").deliver(b"{}", stop=threading.Event(), seconds=10)
    assert (answer.status, len(hub.received)) == (202, 3)


def test_a_refusal_is_not_tried_again_and_is_told_in_the_hubs_words() -> None:
    body = json.dumps({"error": {"code": "X", "message": "Too hot.", "field": "at"}}).encode()
    with hub_that_answers((422, {}, body)) as hub:
        answer = HubClient(hub.url, "mak_x").deliver(b"{}", stop=threading.Event(), seconds=10)
    assert (answer.status, answer.message) == (422, "Too hot. (field at)")
    assert len(hub.received) == 1


def test_a_hub_that_is_away_is_said_to_be() -> None:
    client = HubClient("http://127.0.0.1:1", "mak_x")
    answer = client.deliver(b"{}", stop=threading.Event(), seconds=0)
    assert (answer.status, answer.is_accepted) == (0, False)
    assert answer.message.startswith("The hub does not answer")


def test_the_agent_stops_when_it_is_told_to() -> None:
    stop = threading.Event()
    with hub_that_answers((202, {}, b"")) as hub:
        client = HubClient(hub.url, "mak_x")
        agent = threading.Thread(
            target=run, args=(client,), kwargs={"interval_seconds": 60, "stop": stop}
        )
        agent.start()
        while not hub.received:
            stop.wait(0.02)
        stop.set()
        agent.join(timeout=5)
    assert not agent.is_alive()
    assert json.loads(hub.received[0][2])["system"]["kernel_release"] == platform.release()


@pytest.mark.parametrize("url", ["ftp://hub", "hub.example.com", "http://hub.example.com"])
def test_a_url_that_would_leak_the_credential_is_refused(url: str) -> None:
    with pytest.raises(AgentError):
        HubClient(url, "mak_x")


@pytest.mark.parametrize("content", [b"", b"hello", b"mat_x", b"\xff"])
def test_a_file_without_a_credential_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(AgentError):
        read_credential(path)


def test_a_report_is_small_json_without_an_inventory() -> None:
    reporter = Reporter()
    reporter.report()
    assert len(encode(reporter.report())) < 4096
