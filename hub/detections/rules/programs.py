"""Where programs run from, and what their command lines say."""

import re

from hub.detections.events import SecurityEvent

_TEMPORARY = ("/tmp/", "/var/tmp/", "/dev/shm/", "/run/shm/", "/memfd:", "memfd:")  # noqa: S108
# Folders that installers and compilers make for themselves, and leave as they came.
_WORKSHOPS = re.compile(
    r"^(?:/var)?/tmp/(?:apt-dpkg-install-|apt-key-gpghome|pip-(?:install|build|unpack|req)-|go-build"
    r"|npm-|cargo-install|mkinitramfs_|mkinitramfs-|dracut\.|needrestart|snap\.)"
)
_DOWNLOAD = re.compile(
    r"\b(?:curl|wget|fetch)\b.*\|\s*(?:\S*/)?(?:ba|da|z)?sh\b|base64\s+-d|/dev/(?:tcp|udp)/"
    r"|(?:^|[\s\"'=])(?:/tmp|/var/tmp|/dev/shm)/"
)


def is_in_temporary_folder(path: str) -> bool:
    """Tell whether everybody may have put the file there, or nobody can see where it is."""
    return path.startswith(_TEMPORARY)


def is_installer_at_work(event: SecurityEvent) -> bool:
    """Tell whether the program lies in a folder that an installer or compiler made for itself."""
    return _WORKSHOPS.match(event.path or "") is not None


def looks_like_download(command: str) -> bool:
    """Tell whether the command fetches what it runs, or runs what lies in a temporary folder."""
    return _DOWNLOAD.search(command) is not None
