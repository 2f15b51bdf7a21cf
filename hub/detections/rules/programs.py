"""Where programs run from, and what their command lines say."""

import re
from collections.abc import Iterable

from hub.detections.events import SecurityEvent

_TEMPORARY = ("/tmp/", "/var/tmp/", "/dev/shm/", "/run/shm/", "/memfd:", "memfd:")  # noqa: S108
# Folders that installers and compilers make for themselves, and leave as they came.
_WORKSHOPS = re.compile(
    r"^(?:/var)?/tmp/(?:apt-dpkg-install-|apt-key-gpghome|pip-(?:install|build|unpack|req)-|go-build"
    r"|npm-|cargo-install|mkinitramfs_|mkinitramfs-|dracut\.|needrestart|snap\.)"
)
_FETCHED_AND_RUN = (
    re.compile(r"\b(?:curl|wget|fetch)\b"),
    re.compile(r"\|\s*(?:[^\s|]*/)?(?:ba|da|z)?sh\b"),
)
_FROM_ELSEWHERE = re.compile(
    r"base64\s+-d|/dev/(?:tcp|udp)/|(?:^|[\s\"'=])(?:/tmp|/var/tmp|/dev/shm)/"
)


def is_in_temporary_folder(path: str) -> bool:
    """Tell whether everybody may have put the file there, or nobody can see where it is."""
    return path.startswith(_TEMPORARY)


def is_installer_at_work(event: SecurityEvent) -> bool:
    """Tell whether the program lies in a folder that an installer or compiler made for itself."""
    return _WORKSHOPS.match(event.path or "") is not None


def looks_like_download(command: str) -> bool:
    """Tell whether the command fetches what it runs, or runs what lies in a temporary folder."""
    return _FROM_ELSEWHERE.search(command) is not None or are_in_order(command, _FETCHED_AND_RUN)


def are_in_order(text: str, pieces: Iterable[re.Pattern[str]]) -> bool:
    """Tell whether the text has all of these, each behind the one before.

    One expression with `.*` between them would say the same, and take seconds for a command line
    that somebody wrote to make it so. Looking for each from where the last one ended takes as long
    as reading the text.
    """
    start = 0
    for piece in pieces:
        found = piece.search(text, start)
        if found is None:
            return False
        start = found.end()
    return True
