"""Lines as the programs of real hosts write them."""

from datetime import UTC, datetime

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STAMP = "2026-11-22T11:59:00.123456+00:00"


def sshd(message: str, *, pid: int = 4711, program: str = "sshd", stamp: str = STAMP) -> str:
    """Return a line of sshd."""
    return f"{stamp} web-01 {program}[{pid}]: {message}"


def failed(address: str, *, user: str = "root", pid: int = 4711, stamp: str = STAMP) -> str:
    """Return a refused password."""
    return sshd(f"Failed password for {user} from {address} port 51122 ssh2", pid=pid, stamp=stamp)
