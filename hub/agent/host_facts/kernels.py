"""Which kernels are installed, and which one runs."""

import platform
import re
from typing import Any

from hub.agent.watch.host import Host
from hub.agent.watch.observed import one_line

_MAX_KERNELS = 64
_IMAGE = re.compile(r"vmlinu[xz]-(.+)")


def read_kernels(host: Host) -> list[dict[str, Any]]:
    """Return each kernel that this machine could boot, and the one that runs, by release.

    The build of the running one (`uname -v`) tells Debian's package version, which the release
    does not: an update keeps the release as long as modules stay compatible.
    """
    running = platform.release()
    releases = {
        match[1]
        for path in host.matches(["/boot/vmlinuz-*", "/boot/vmlinux-*"])
        if (match := _IMAGE.fullmatch(path.rpartition("/")[2]))
    }
    releases |= {path.split("/")[-2] for path in host.matches(["/lib/modules/*/modules.dep"])}
    releases |= {path.split("/")[-2] for path in host.matches(["/lib/modules/*/vmlinuz"])}
    return [
        {
            "release": one_line(release, 128),
            "is_running": release == running,
            "build": one_line(platform.version(), 200) if release == running else "",
        }
        for release in sorted(releases | {running})[:_MAX_KERNELS]
    ]
