"""Operating systems and kernels of the demo's hosts, as their vendors number them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel build. `upstream` is the kernel.org release that it is made of.

    None for vendors that backport fixes to an old number: comparing that number with kernel.org's
    would report what was fixed long ago.
    """

    release: str
    upstream: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """A distribution's release: os-release's words and OSV's name of it."""

    id: str
    name: str
    version: str
    ecosystem: str


DEBIAN_12 = Release("debian", "Debian GNU/Linux 12 (bookworm)", "12", "Debian:12")
UBUNTU_22 = Release("ubuntu", "Ubuntu 22.04.5 LTS", "22.04", "Ubuntu:22.04:LTS")
UBUNTU_24 = Release("ubuntu", "Ubuntu 24.04.1 LTS", "24.04", "Ubuntu:24.04:LTS")
ALPINE_3_20 = Release("alpine", "Alpine Linux v3.20", "3.20.3", "Alpine:v3.20")
ROCKY_9 = Release("rocky", "Rocky Linux 9.4 (Blue Onyx)", "9.4", "Rocky Linux:9")

DEBIAN_6_1_55 = Kernel("6.1.0-13-amd64", (6, 1, 55))
DEBIAN_6_1_69 = Kernel("6.1.0-17-amd64", (6, 1, 69))
DEBIAN_6_1_90 = Kernel("6.1.0-21-amd64", (6, 1, 90))
DEBIAN_6_1_119 = Kernel("6.1.0-28-amd64", (6, 1, 119))
DEBIAN_6_1_147 = Kernel("6.1.0-38-amd64", (6, 1, 147))
ALPINE_6_6_31 = Kernel("6.6.31-0-lts", (6, 6, 31))
ALPINE_6_6_94 = Kernel("6.6.94-0-lts", (6, 6, 94))
APPLIANCE_5_15_18 = Kernel("5.15.18-gateway", (5, 15, 18))
UBUNTU_22_GA = Kernel("5.15.0-119-generic")
UBUNTU_24_GA = Kernel("6.8.0-49-generic")
ROCKY_9_4 = Kernel("5.14.0-427.42.1.el9_4.x86_64")
