"""All that is installed on this machine, and a cheap answer to whether that may have changed."""

from hub.agent.language_packages import language_package_folders, read_language_packages
from hub.agent.packages import Package, read_packages
from hub.agent.system import OperatingSystem
from hub.agent.watch.host import Host

_DATABASES = (
    "/var/lib/dpkg/status",
    "/var/lib/rpm/rpmdb.sqlite",
    "/var/lib/rpm/rpmdb.sqlite-wal",
    "/var/lib/rpm/Packages",
    "/var/lib/rpm/Packages.db",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite-wal",
    "/usr/lib/sysimage/rpm/Packages.db",
    "/lib/apk/db/installed",
    "/usr/lib/apk/db/installed",
)

type Signature = tuple[tuple[str, int, int], ...]


def read_inventory(system: OperatingSystem, *, host: Host | None = None) -> list[Package] | None:
    """Return the packages of the system, of pip and of npm; None when nobody keeps a list.

    The system's own come first, in one order, so that the same inventory is the same list.
    """
    packages = read_packages(system)
    others = read_language_packages(host or Host())
    return [*(packages or ()), *others] if packages is not None or others else None


def inventory_signature(host: Host | None = None) -> Signature:
    """Return what differs once a package came or went, from a few `stat` calls.

    Reading the inventory takes a process and a second; this can be asked for every report.
    """
    here = host or Host()
    signature = []
    for path in (*_DATABASES, *language_package_folders(here)):
        try:
            stat = here.path(path).stat()
        except OSError:
            continue
        signature.append((path, stat.st_mtime_ns, stat.st_ino))
    return tuple(signature)
