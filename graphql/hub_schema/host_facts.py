"""GraphQL face of what hosts are beyond their figures: for people, not for Claude."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Self

import strawberry

from hub.fleet.fact_models import FactKind
from hub.fleet.facts import Facts
from hub_schema.directives import EgressClass, leaf, part


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


@strawberry.type(name="InstalledKernel", description="A kernel that a host could boot.")
class KernelType:
    """Kernel, as clients see it."""

    release: str = leaf(EgressClass.HOST_IDENTITY, "As `uname -r` spells it.")
    is_running: bool = leaf(EgressClass.HOST_IDENTITY, "Whether it is the one that runs.")
    build: str = leaf(EgressClass.HOST_IDENTITY, "`uname -v`; empty for one that does not run.")


@strawberry.type(name="HostAccount", description="An account on a host.")
class AccountType:
    """Account, as clients see it."""

    name: str = leaf(EgressClass.AGENT_RAW, "Its name.")
    uid: float = leaf(EgressClass.AGENT_RAW, "Its number; 0 is root.")
    shell: str = leaf(EgressClass.AGENT_RAW, "Its shell.")
    can_log_in: bool = leaf(EgressClass.AGENT_RAW, "Whether that is one.")
    groups: list[str] = leaf(EgressClass.AGENT_RAW, "The groups that it is a member of.")


@strawberry.type(name="SudoRule", description="A rule of sudo on a host.")
class SudoRuleType:
    """Rule, as clients see it."""

    who: str = leaf(EgressClass.AGENT_RAW, "An account, a %group or an alias.")
    rule: str = leaf(EgressClass.AGENT_RAW, "The rule as it is written.")
    path: str = leaf(EgressClass.AGENT_RAW, "The file that it stands in.")
    is_passwordless: bool = leaf(EgressClass.AGENT_RAW, "Whether no password is asked for.")
    allows_all: bool = leaf(EgressClass.AGENT_RAW, "Whether any command may be run.")


@strawberry.type(name="Listener", description="An address and port that accepts connections.")
class ListenerType:
    """Listener, as clients see it."""

    protocol: str = leaf(EgressClass.HOST_IDENTITY, "tcp or udp.")
    address: str = leaf(EgressClass.HOST_IDENTITY, "`0.0.0.0` and `::` mean all.")
    port: int = leaf(EgressClass.HOST_IDENTITY, "The port.")
    process: str = leaf(EgressClass.AGENT_RAW, "The program; empty when not known.")
    user: str = leaf(EgressClass.AGENT_RAW, "The account that it runs as; empty when not known.")


@strawberry.type(name="WatchedCertificate", description="A certificate that a host watches.")
class CertificateType:
    """Certificate, as clients see it."""

    place: str = leaf(EgressClass.HOST_IDENTITY, "Its file, or host:port.")
    subject: str = leaf(EgressClass.HOST_IDENTITY, "Whose it is; empty when it was not read.")
    issuer: str = leaf(EgressClass.HOST_IDENTITY, "Who vouches for it.")
    not_after: datetime | None = leaf(
        EgressClass.TIME, "When it expires; null when it was not read."
    )
    days_left: int | None = leaf(
        EgressClass.COUNT, "Whole days until then, negative afterwards; null when it was not read."
    )
    problem: str = leaf(EgressClass.HOST_IDENTITY, "Why it was not read; empty when it was.")

    @classmethod
    def of(cls, item: Mapping[str, Any], *, now: datetime) -> Self:
        """Shape one certificate, as of now."""
        not_after = _moment(item["not_after"])
        return cls(
            place=item["place"],
            subject=item["subject"],
            issuer=item["issuer"],
            not_after=not_after,
            days_left=None if not_after is None else (not_after - now) // timedelta(days=1),
            problem=item["problem"],
        )


@strawberry.type(name="WatchedBackup", description="A backup that has to be fresh.")
class BackupType:
    """Backup, as clients see it."""

    name: str = leaf(EgressClass.HOST_IDENTITY, "What is backed up.")
    path: str = leaf(EgressClass.HOST_IDENTITY, "Where copies are looked for.")
    newest_at: datetime | None = leaf(
        EgressClass.TIME, "When the newest copy was made; null when there is none."
    )
    newest_bytes: float | None = leaf(EgressClass.HOST_METRIC, "Its size; null when there is none.")
    max_age_hours: float = leaf(EgressClass.HOST_METRIC, "How old it may be.")
    is_fresh: bool = leaf(EgressClass.HOST_METRIC, "Whether there is one that is not older.")

    @classmethod
    def of(cls, item: Mapping[str, Any], *, now: datetime) -> Self:
        """Shape one backup, as of now."""
        newest = _moment(item["newest_at"])
        allowed = timedelta(hours=item["max_age_hours"])
        return cls(
            name=item["name"],
            path=item["path"],
            newest_at=newest,
            newest_bytes=item["newest_bytes"],
            max_age_hours=item["max_age_hours"],
            is_fresh=newest is not None and now - newest <= allowed,
        )


@strawberry.type(
    name="HostFacts",
    description="What a host is beyond its figures. A list is null when the host never told it.",
)
class HostFactsType:
    """Facts, as clients see them."""

    observed_at: datetime = leaf(EgressClass.TIME, "When the host told any of it last.")
    kernels: list[KernelType] | None = part("Kernels that are installed.")
    accounts: list[AccountType] | None = part("Accounts, in the order of the host's file.")
    sudoers: list[SudoRuleType] | None = part("Rules of sudo.")
    listening: list[ListenerType] | None = part("What accepts connections, by port.")
    certificates: list[CertificateType] | None = part("Certificates that are watched.")
    backups: list[BackupType] | None = part("Backups that are watched.")

    @classmethod
    def of(cls, facts: Mapping[FactKind, Facts], *, now: datetime) -> Self:
        """Shape the facts of one host, as of now."""

        def items(kind: FactKind) -> list[dict[str, Any]] | None:
            return facts[kind].items if kind in facts else None

        certificates, backups = items(FactKind.CERTIFICATES), items(FactKind.BACKUPS)
        return cls(
            observed_at=max(told.observed_at for told in facts.values()),
            kernels=_all(KernelType, items(FactKind.KERNELS)),
            accounts=_all(AccountType, items(FactKind.ACCOUNTS)),
            sudoers=_all(SudoRuleType, items(FactKind.SUDOERS)),
            listening=_all(ListenerType, items(FactKind.LISTENING)),
            certificates=None
            if certificates is None
            else [CertificateType.of(item, now=now) for item in certificates],
            backups=None if backups is None else [BackupType.of(item, now=now) for item in backups],
        )


def _all[Item](kind: Callable[..., Item], items: list[dict[str, Any]] | None) -> list[Item] | None:
    """Shape items whose keys are the type's own."""
    return None if items is None else [kind(**item) for item in items]
