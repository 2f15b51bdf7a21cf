"""What is installed on this machine, with the source package that advisories speak of."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hub.agent.system import OperatingSystem

_APK_DATABASE = Path("/lib/apk/db/installed")
_UBUNTU_PRO_STATUS = Path("/var/lib/ubuntu-advantage/status.json")
_TIMEOUT_SECONDS = 60
_DPKG_FORMAT = "${Package}\t${Version}\t${source:Package}\t${source:Version}\t${db:Status-Abbrev}\n"
_RPM_FORMAT = "%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{SOURCERPM}\n"

_RELEASE = re.compile(r"\d+(?:\.\d+)*")
# By ID of os-release. Distributions without releases have one feed for ever.
_ROLLING = {
    "chainguard": "Chainguard",
    "echo": "Echo",
    "minimos": "MinimOS",
    "opensuse-tumbleweed": "openSUSE:Tumbleweed",
    "wolfi": "Wolfi",
}
_VERSIONED = {
    "almalinux": "AlmaLinux:{major}",
    "alpine": "Alpine:v{minor}",
    "azurelinux": "Azure Linux:{major}",
    "debian": "Debian:{major}",
    "mageia": "Mageia:{major}",
    "opensuse-leap": "openSUSE:Leap {full}",
    "photon": "Photon OS:{full}",
    "rocky": "Rocky Linux:{major}",
    "ubuntu": "Ubuntu:{full}{lts}",
}
# SUSE's are PRETTY_NAME in two parts; openEuler's ends in the kind of its release, if it has one.
_NAMED = re.compile(
    r"(?P<family>SUSE|openSUSE) (?P<release>Linux Enterprise (?:Desktop|Server)\b.*|Leap Micro .+)"
)
_OPEN_EULER = re.compile(r"openEuler (?P<release>\d+\.\d+)(?: \((?P<kind>LTS(?:-SP\d+)?)\))?")
_PRETTY = {"openEuler": _OPEN_EULER} | dict.fromkeys(
    ("opensuse-leap-micro", "sled", "sles"), _NAMED
)


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One installed version. `ecosystem` is in OSV's spelling: `Debian:12`, `Alpine:v3.20`."""

    ecosystem: str
    name: str
    version: str
    source_name: str
    source_version: str


def read_packages(system: OperatingSystem) -> list[Package] | None:
    """Return the packages of the system's own package manager, sorted.

    None when they cannot be known: no package manager that we read, or no ecosystem to file them
    under. An empty list would claim that nothing is installed.
    """
    ecosystem = ecosystem_of(system)
    if ecosystem is None:
        return None
    if shutil.which("dpkg-query"):
        return parse_dpkg(_output("dpkg-query", "-W", "-f", _DPKG_FORMAT), ecosystem)
    if _APK_DATABASE.is_file():
        return parse_apk(_APK_DATABASE.read_text("utf-8", "replace"), ecosystem)
    if shutil.which("rpm"):
        return parse_rpm(_output("rpm", "-qa", "--qf", _RPM_FORMAT), ecosystem)
    return None


def ecosystem_of(system: OperatingSystem) -> str | None:
    """Return OSV's name of this distribution and release, or None for one it does not cover."""
    if system.id in _ROLLING:
        return _ROLLING[system.id]
    if system.id in _PRETTY:
        return _ecosystem_by_name(system)
    form = _VERSIONED.get(system.id)
    if form is None or not _RELEASE.fullmatch(system.version):
        return None  # Debian's sid names no release, and Alpine's edge one that is not out
    major, _, rest = system.version.partition(".")
    name = form.format(
        full=system.version,
        major=major,
        minor=f"{major}.{rest.partition('.')[0]}",
        lts=":LTS" if system.is_long_term_support else "",
    )
    return name.replace("Ubuntu:", "Ubuntu:Pro:", 1) if has_ubuntu_pro() else name


def _ecosystem_by_name(system: OperatingSystem) -> str | None:
    found = _PRETTY[system.id].fullmatch(system.name)
    if found is None:
        return None
    parts = found.groupdict()
    if "family" in parts:
        return f"{parts['family']}:{parts['release']}"
    return "openEuler:" + "-".join(filter(None, (parts["release"], parts["kind"])))


def has_ubuntu_pro() -> bool:
    """Tell whether the machine is attached to Ubuntu Pro, whose fixes nobody else gets."""
    try:
        status = json.loads(_UBUNTU_PRO_STATUS.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(status, dict) and status.get("attached") is True


def parse_dpkg(output: str, ecosystem: str) -> list[Package]:
    """Return the installed packages; removed ones whose configuration stayed are left out."""
    rows = (line.split("\t") for line in output.splitlines())
    return sorted(
        {
            Package(ecosystem, name, version, source_name, source_version)
            for name, version, source_name, source_version, status in rows
            if status[1:2] == "i"
        }
    )


def parse_rpm(output: str, ecosystem: str) -> list[Package]:
    """Return the installed packages; an epoch of 0 is left out, as rpm itself prints versions."""
    packages = set()
    for line in output.splitlines():
        name, version, source_file = line.split("\t")
        if name == "gpg-pubkey":  # a key, which rpm files as a package
            continue
        version = version.removeprefix("0:")
        source_name, source_version = name, version
        file = source_file.removesuffix(".src.rpm").removesuffix(".nosrc.rpm")  # SUSE's kernels
        parts = file.rsplit("-", 2)
        if len(parts) == 3:  # noqa: PLR2004 - name, version, release
            source_name, source_version = parts[0], f"{parts[1]}-{parts[2]}"
        packages.add(Package(ecosystem, name, version, source_name, source_version))
    return sorted(packages)


def parse_apk(database: str, ecosystem: str) -> list[Package]:
    """Return the packages of apk's database: paragraphs of `P:` name, `V:` version, `o:` origin."""
    packages = []
    for paragraph in database.split("\n\n"):
        fields = dict(line.split(":", 1) for line in paragraph.splitlines() if ":" in line[:2])
        if "P" in fields and "V" in fields:
            name, version = fields["P"], fields["V"]
            packages.append(Package(ecosystem, name, version, fields.get("o", name), version))
    return sorted(packages)


def _output(*command: str) -> str:
    return subprocess.run(  # noqa: S603 - fixed commands, no shell
        command, capture_output=True, check=True, text=True, timeout=_TIMEOUT_SECONDS
    ).stdout
