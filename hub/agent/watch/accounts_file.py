"""Reads the host's accounts and groups."""

from dataclasses import dataclass

from hub.agent.watch.host import Host

_MAX_ACCOUNTS = 10_000


@dataclass(frozen=True, slots=True)
class Account:
    """One line of `/etc/passwd`."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str

    @property
    def can_log_in(self) -> bool:
        """Whether its shell is one."""
        return not self.shell.endswith(("/nologin", "/false", "/sync", "/halt", "/shutdown"))


def read_accounts(host: Host) -> list[Account] | None:
    """Return the accounts, in the file's order; None when the file cannot be read."""
    text = host.text("/etc/passwd")
    if text is None:
        return None
    accounts = []
    for line in text.splitlines()[:_MAX_ACCOUNTS]:
        fields = line.split(":")
        is_account = len(fields) == 7 and fields[2].isdecimal() and fields[3].isdecimal()  # noqa: PLR2004 - passwd(5)
        if is_account and fields[0] and not fields[0].startswith(("#", "+", "-")):
            name, _, uid, gid, _, home, shell = fields
            accounts.append(Account(name, int(uid), int(gid), home, shell or "/bin/sh"))
    return accounts


def read_groups(host: Host) -> dict[str, tuple[int, list[str]]] | None:
    """Return number and members of each group; None when the file cannot be read."""
    text = host.text("/etc/group")
    if text is None:
        return None
    groups = {}
    for line in text.splitlines()[:_MAX_ACCOUNTS]:
        fields = line.split(":")
        if len(fields) == 4 and fields[0] and fields[2].isdecimal():  # noqa: PLR2004 - group(5)
            members = [member for member in fields[3].strip().split(",") if member]
            groups[fields[0]] = (int(fields[2]), members)
    return groups
