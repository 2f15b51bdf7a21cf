"""What this machine is: operating system, running kernel, architecture, addresses, size."""

import ipaddress
import platform
import socket
from dataclasses import dataclass

import psutil

MAX_ADDRESSES = 32
MAX_LISTENING = 256
_IP_FAMILIES = (socket.AF_INET, socket.AF_INET6)


@dataclass(frozen=True, slots=True)
class OperatingSystem:
    """What os-release says, word for word; empty where it says nothing."""

    id: str
    name: str
    version: str
    is_long_term_support: bool = False


@dataclass(frozen=True, slots=True)
class System:
    """Facts of the machine that seldom change."""

    os: OperatingSystem
    kernel_release: str
    architecture: str
    addresses: list[str]
    cpu_count: int | None
    memory_bytes: int


def read_system() -> System:
    """Return the facts as they are now."""
    return System(
        os=read_os(),
        kernel_release=platform.release(),
        architecture=platform.machine(),
        addresses=read_addresses(),
        cpu_count=psutil.cpu_count(),
        memory_bytes=psutil.virtual_memory().total,
    )


def read_os() -> OperatingSystem:
    """Return the operating system from os-release.

    Never guessed from other signs: a guess picks the wrong vulnerability feed for every package.
    """
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    return OperatingSystem(
        id=release.get("ID", ""),
        name=release.get("PRETTY_NAME", ""),
        version=release.get("VERSION_ID", ""),
        is_long_term_support="LTS" in release.get("VERSION", ""),
    )


def read_listening() -> list[str]:
    """Return the addresses on which TCP sockets accept connections."""
    try:
        sockets = psutil.net_connections(kind="tcp")
    except (psutil.AccessDenied, OSError):
        return []
    found = {s.laddr.ip for s in sockets if s.status == psutil.CONN_LISTEN and s.laddr}
    return sorted(found)[:MAX_LISTENING]


def read_addresses() -> list[str]:
    """Return the addresses by which other machines can reach this one, IPv4 first."""
    found = {
        address
        for interface in psutil.net_if_addrs().values()
        for entry in interface
        if entry.family in _IP_FAMILIES
        and (address := ipaddress.ip_address(entry.address.partition("%")[0]))
        and not (address.is_loopback or address.is_link_local)
    }
    ordered = sorted(found, key=lambda address: (address.version, int(address)))
    return [str(address) for address in ordered[:MAX_ADDRESSES]]
