"""The reference agent: its figures are the machine's, and it reaches the hub or says why not."""

import gzip
import json
import os
import platform
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from nacl.signing import SigningKey

from hub.agent.client import INGEST_PATH, AgentError, HubClient
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
from hub.agent.sequence import Sequence
from hub.agent.system import OperatingSystem, read_os, read_system
from hub.fleet.signatures import (
    KEY_HEADER,
    LAST_SEQUENCE_HEADER,
    SEQUENCE_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    Seal,
    is_signed_by,
    read_seal,
)

TAKEN = b'{"status":"accepted","packages":0}'


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
        (OperatingSystem("minimos", "MinimOS", "20250101"), "MinimOS"),
        (OperatingSystem("echo", "", "1"), "Echo"),
        (OperatingSystem("mageia", "Mageia 9", "9"), "Mageia:9"),
        (OperatingSystem("photon", "VMware Photon OS/Linux", "5.0"), "Photon OS:5.0"),
        (OperatingSystem("azurelinux", "Microsoft Azure Linux 3.0", "3.0"), "Azure Linux:3"),
        (
            OperatingSystem("sles", "SUSE Linux Enterprise Server 15 SP5", "15.5"),
            "SUSE:Linux Enterprise Server 15 SP5",
        ),
        (
            OperatingSystem("opensuse-leap-micro", "openSUSE Leap Micro 5.5", "5.5"),
            "openSUSE:Leap Micro 5.5",
        ),
        (OperatingSystem("openEuler", "openEuler 24.03 (LTS)", "24.03"), "openEuler:24.03-LTS"),
        (
            OperatingSystem("openEuler", "openEuler 22.03 (LTS-SP4)", "22.03"),
            "openEuler:22.03-LTS-SP4",
        ),
        (OperatingSystem("openEuler", "openEuler 23.09", "23.09"), "openEuler:23.09"),
        (OperatingSystem("alpine", "Alpine Linux edge", "3.23_alpha20250612"), None),
        # Derivatives have packages of their own under their parent's names.
        (OperatingSystem("linuxmint", "Linux Mint 22", "22"), None),
        (OperatingSystem("pop", "Pop!_OS 22.04 LTS", "22.04", is_long_term_support=True), None),
        (OperatingSystem("raspbian", "Raspbian GNU/Linux 12 (bookworm)", "12"), None),
        (OperatingSystem("ol", "Oracle Linux Server 9.4", "9.4"), None),
        (OperatingSystem("centos", "CentOS Stream 9", "9"), None),
        (OperatingSystem("amzn", "Amazon Linux 2023", "2023"), None),
        (OperatingSystem("kali", "Kali GNU/Linux Rolling", "2024.2"), None),
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


def test_the_source_of_an_rpm_may_be_one_without_its_sources() -> None:
    version = "5.14.21-150500.55.39.1"
    [package] = parse_rpm(
        f"kernel-default\t0:{version}\tkernel-default-{version}.nosrc.rpm\n", "openSUSE:Leap 15.5"
    )
    assert (package.source_name, package.source_version) == ("kernel-default", version)


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
        self.received: list[tuple[str, Seal, bytes]] = []
        self.url = ""

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def hub_that_answers(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[_Hub]:
    hub = _Hub(*answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            names = (KEY_HEADER, SEQUENCE_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
            seal = read_seal(*(self.headers[name] for name in names))
            hub.received.append((self.path, seal, body))
            status, headers, answer = hub.answer()
            self.send_response_only(status)
            self.send_header("Date", headers.get("Date", self.date_time_string()))
            for name, value in headers.items():
                if name != "Date":
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


def client(url: str) -> HubClient:
    return HubClient(url, SigningKey(bytes(32)), Sequence(None))


def test_a_report_is_signed_by_the_agents_key() -> None:
    with hub_that_answers((202, {}, TAKEN)) as hub:
        answer = client(hub.url).post(INGEST_PATH, b"{}")
    assert answer.is_accepted
    ((path, seal, body),) = hub.received
    assert (path, body) == ("/api/v1/ingest", b"{}")
    public = SigningKey(bytes(32)).verify_key.encode()
    assert is_signed_by(public, seal, method="POST", path=path, body=body)
    assert not is_signed_by(public, seal, method="POST", path=path, body=b"[]")


def test_behind_a_proxy_with_a_prefix_the_hubs_own_path_is_signed() -> None:
    with hub_that_answers((202, {}, TAKEN)) as hub:
        client(f"{hub.url}/monsys/").post(INGEST_PATH, b"{}")
    ((path, seal, body),) = hub.received
    assert path == "/monsys/api/v1/ingest"
    public = SigningKey(bytes(32)).verify_key.encode()
    assert is_signed_by(public, seal, method="POST", path=INGEST_PATH, body=body)


def test_a_large_report_is_packed_and_signed_as_it_is_sent() -> None:
    with hub_that_answers((202, {}, TAKEN)) as hub:
        client(hub.url).post(INGEST_PATH, b" " * 50_000)
    ((path, seal, body),) = hub.received
    assert len(body) < 1_000
    assert gzip.decompress(body) == b" " * 50_000
    public = SigningKey(bytes(32)).verify_key.encode()
    assert is_signed_by(public, seal, method="POST", path=path, body=body)


def test_a_number_that_is_too_low_is_mended_at_once() -> None:
    seen = int((time.time() + 3600) * 1000)
    low = (409, {LAST_SEQUENCE_HEADER: str(seen)}, b'{"error":{"code":"CONFLICT","message":"No"}}')
    with hub_that_answers(low, (202, {}, TAKEN)) as hub:
        answer = client(hub.url).post(INGEST_PATH, b"{}")
    assert answer.is_accepted
    assert [seal.sequence for _, seal, _ in hub.received][1] == seen + 1


@pytest.mark.parametrize("header", ["999999999999999999", "-1", "soon", "", "1"])
def test_a_number_that_cannot_be_true_changes_nothing(header: str) -> None:
    refused = (409, {LAST_SEQUENCE_HEADER: header}, b"")
    with hub_that_answers(refused) as hub:
        answer = client(hub.url).post(INGEST_PATH, b"{}")
    assert answer.status == 409
    assert len(hub.received) == 1


def test_a_refusal_is_told_in_the_hubs_words() -> None:
    body = json.dumps({"error": {"code": "X", "message": "Too hot.", "field": "at"}}).encode()
    with hub_that_answers((422, {"Retry-After": "7"}, body)) as hub:
        answer = client(hub.url).post(INGEST_PATH, b"{}")
    assert (answer.status, answer.message) == (422, "Too hot. (field at)")
    assert (answer.field, answer.retry_after_seconds) == ("at", 7)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error":"no"}', b'{"detail":"Not"}'])
def test_an_answer_of_something_else_is_said_to_be(body: bytes) -> None:
    with hub_that_answers((404, {}, body)) as hub:
        answer = client(hub.url).post(INGEST_PATH, b"{}")
    assert answer.message == "The answer (404) is not one of a monsys hub."


def test_the_difference_of_the_clocks_is_known_from_every_answer() -> None:
    hour_ago = formatdate(time.time() - 3600, usegmt=True)
    with hub_that_answers((422, {"Date": hour_ago}, b"")) as hub:
        answer = client(hub.url).post(INGEST_PATH, b"{}")
    assert answer.clock_ahead_seconds == pytest.approx(3600, abs=5)
    assert answer.is_clock_wrong


def test_a_hub_that_is_away_is_said_to_be() -> None:
    answer = client("http://127.0.0.1:1").post(INGEST_PATH, b"{}")
    assert (answer.status, answer.is_accepted, answer.is_worth_retrying) == (0, False, True)
    assert answer.message.startswith("The hub does not answer")


@pytest.mark.parametrize("url", ["ftp://hub", "hub.example.com", "http://hub.example.com"])
def test_a_url_that_would_show_what_the_host_reports_is_refused(url: str) -> None:
    with pytest.raises(AgentError):
        client(url)


def test_numbers_grow_across_restarts_and_when_the_clock_is_set_back(tmp_path: Path) -> None:
    clock = [1_800_000_000.0]
    path = tmp_path / "sequence"
    first = Sequence(path, now=lambda: clock[0])
    numbers = [first.next(), first.next()]
    clock[0] += 30
    numbers.append(first.next())
    clock[0] -= 86_400
    numbers.append(first.next())
    second = Sequence(path, now=lambda: clock[0])
    numbers += [second.next(), second.next()]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("content", [b"", b"x", b"-5", b"9" * 30])
def test_a_damaged_number_file_is_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sequence"
    path.write_bytes(content)
    assert Sequence(path, now=lambda: 1_800_000_000.0).next() == 1_800_000_000_000


def test_a_report_is_small_json_without_an_inventory() -> None:
    reporter = Reporter()
    reporter.report()
    assert len(encode(reporter.report())) < 4096
