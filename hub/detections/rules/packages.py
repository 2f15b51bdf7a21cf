"""What a package manager does looks like much that an intruder does."""

from hub.detections.events import SecurityEvent

_MANAGERS = frozenset(
    {
        "adduser.postin",
        "apk",
        "apt",
        "apt-get",
        "aptitude",
        "dkms",
        "dnf",
        "dnf5",
        "dpkg",
        "dpkg-preconfigu",
        "frontend",
        "microdnf",
        "packagekitd",
        "rpm",
        "snapd",
        "unattended-upgr",
        "unattended-upgrade",
        "yum",
        "zypper",
    }
)


def is_of_package_manager(event: SecurityEvent) -> bool:
    """Tell whether a package manager did it.

    The observer says so: by the program that acted or the one that started it, or because the
    file is as its package wants it by the checksum that the package brought along
    (`package_verified`). A program below /tmp that bears such a name is a disguise.
    """
    if event.details.get("package_verified") == "yes":
        return True
    if (event.path or "").startswith(("/tmp/", "/var/tmp/", "/dev/shm/")):  # noqa: S108
        return event.details.get("parent") in _MANAGERS
    return event.process in _MANAGERS or event.details.get("parent") in _MANAGERS
