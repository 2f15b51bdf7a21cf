"""Reads who may become whom through sudo: sudoers(5), as far as a watcher needs it."""

import re
from dataclasses import dataclass

from hub.agent.watch.host import Host

FILES = ("/etc/sudoers", "/etc/sudoers.d/*", "/usr/local/etc/sudoers")
_MAX_RULES = 2_000
_NO_RULES = ("Defaults", "User_Alias", "Runas_Alias", "Host_Alias", "Cmnd_Alias", "Cmd_Alias")
_RULE = re.compile(r'(?P<who>"[^"]+"|(?:\\.|[^\s\\])+)\s+(?P<rest>[^=]+=.*)')


@dataclass(frozen=True, slots=True, order=True)
class SudoRule:
    """One rule: who may run what, and whether a password is asked for."""

    who: str  # an account, %group, #uid, or an alias
    rule: str  # the whole rule on one line
    path: str
    is_passwordless: bool
    allows_all: bool


def read_sudo_rules(host: Host) -> list[SudoRule]:
    """Return the rules of all files that sudo reads by default."""
    rules: list[SudoRule] = []
    for path in host.matches(FILES):
        # sudo itself skips these: what editors and package managers leave behind.
        name = path.rpartition("/")[2]
        if "/sudoers.d/" in path and ("." in name or name.endswith("~")):
            continue
        rules += parse_sudo_rules(host.text(path) or "", path=path)
    return rules[:_MAX_RULES]


def parse_sudo_rules(text: str, *, path: str) -> list[SudoRule]:
    """Return the rules in the text of one file; settings and aliases are none."""
    rules = []
    for line in logical_lines(text):
        if line.startswith(_NO_RULES) or (match := _RULE.fullmatch(line)) is None:
            continue
        granted = match["rest"].partition("=")[2]
        commands = re.sub(r"\([^)]*\)|\b[A-Z_]+:", " ", granted)
        rules.append(
            SudoRule(
                who=match["who"].strip('"'),
                rule=line,
                path=path,
                is_passwordless="NOPASSWD:" in granted,
                allows_all="ALL" in re.split(r"[\s,]+", commands),
            )
        )
    return rules


def logical_lines(text: str) -> list[str]:
    """Return the lines with continuations joined; comments and includes are left out.

    `#` begins a comment, except before a user's number: `#1000 ALL=(ALL) ALL` is a rule.
    """
    lines = []
    for line in re.sub(r"\\\r?\n", " ", text).split("\n"):
        kept = re.sub(r"(?<!\\)#(?!\d+\s+[^=]*=).*", "", line).strip()
        if kept and not kept.startswith("@include"):
            lines.append(re.sub(r"\s+", " ", kept))
    return lines
