"""The port, opened before anything else: a port in use is said at once, and 0 finds a free one."""

import errno
import socket

from hub.cli.failures import CommandError

_BACKLOG = 2048


def open_listener(host: str, port: int) -> socket.socket:
    """Return a listening socket; raise CommandError when the port is taken or not allowed."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise CommandError(_reason(error, host, port)) from error
    listener.setblocking(False)  # noqa: FBT003 - the socket module's own signature
    return listener


def _reason(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use. Choose another with --port, or --port 0 for any free one."
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights. Choose one above 1023 with --port."
    return f"Cannot listen on {host}. Choose an address of this machine with --host."
