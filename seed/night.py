"""The night: password guessing on web-edge-01 that worked, and what followed from it."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from hub.detections.commands import (
    NewDetection,
    NewEvent,
    RecordedDetection,
    acknowledge_detection,
)
from hub.detections.models import RuleKind
from hub.severity import Severity
from seed.acts import Act
from seed.fleet import agent_id_in
from seed.people import NORTHWIND_ID, OPERATOR
from seed.stable import midnight

INTRUDER = "203.0.113.77"
ACCOUNT = "deploy"
HELPER = "svc-update"
_ATTEMPTS = 5142


def story_start(now: datetime) -> datetime:
    """Return when the guessing began: in the night before last."""
    return midnight(now) - timedelta(days=1) + timedelta(hours=2, minutes=13)


def night_detections(now: datetime) -> list[NewDetection]:
    """Return the chain, oldest first."""
    start = story_start(now)
    return [
        _guessing(start),
        _on_web(
            RuleKind.SSH_BRUTEFORCE_SUCCESS,
            start + timedelta(minutes=28),
            f"{ACCOUNT} signed in from {INTRUDER} after {_ATTEMPTS:,} failures",
            "The address that guessed passwords for 27 minutes signed in with a password.",
            user=ACCOUNT,
            raw=f"sshd[21877]: Accepted password for {ACCOUNT} from {INTRUDER} port 51514 ssh2",
        ),
        _on_web(
            RuleKind.NEW_SUDO_USER,
            start + timedelta(minutes=39),
            f"{HELPER} may use sudo",
            f"{ACCOUNT} created {HELPER} and put it into the group sudo.",
            user=HELPER,
            raw=f"sudo: {ACCOUNT} : COMMAND=/usr/sbin/usermod -aG sudo {HELPER}",
        ),
        _on_web(
            RuleKind.AUTHORIZED_KEYS_CHANGE,
            start + timedelta(minutes=52),
            f"A key was added for {HELPER}",
            "One ED25519 key that no other host has.",
            user=HELPER,
            process="tee",
            raw=f"write /home/{HELPER}/.ssh/authorized_keys by tee, uid 0",
        ),
        _on_web(
            RuleKind.HONEYPOT_CANARY,
            max(now - timedelta(hours=9), start + timedelta(hours=2)),
            "The canary file /srv/finance/payroll-passwords.txt was read",
            "Nobody has a reason to open it.",
            user=HELPER,
            process="tar",
            raw="open /srv/finance/payroll-passwords.txt by tar, uid 1007",
        ),
    ]


def other_detections(now: datetime) -> list[NewDetection]:
    """Return what else happened lately, some of it in the last 24 hours."""
    return [
        _elsewhere(
            "gw-hamburg-01",
            RuleKind.SSH_BRUTEFORCE,
            now - timedelta(hours=17),
            "212 failed SSH sign-ins from 198.51.100.23",
            "Nobody got in: no sign-in from this address succeeded.",
            address="198.51.100.23",
            count=212,
        ),
        _elsewhere(
            "bastion-prod-01",
            RuleKind.SSH_LOGIN_NEW_SOURCE,
            now - timedelta(hours=8),
            f"First sign-in of {ACCOUNT} from {INTRUDER}",
            "The address guessed passwords on web-edge-01 in the night before.",
            address=INTRUDER,
            user=ACCOUNT,
            severity=Severity.HIGH,
        ),
        _elsewhere(
            "worker-stg-01",
            RuleKind.PROCESS_FROM_TMP,
            now - timedelta(hours=5, minutes=4),
            ".cache-upd ran from a temporary folder",
            "No package owns the program; it was written four minutes before it ran.",
            process=".cache-upd",
        ),
        _elsewhere(
            "worker-stg-01",
            RuleKind.CRYPTOMINER,
            now - timedelta(hours=5),
            "Connects to a mining pool and takes all of the CPU",
            "The program is .cache-upd, which ran from a temporary folder shortly before.",
            address="198.51.100.200",
            process=".cache-upd",
        ),
        _elsewhere(
            "ci-stg-01",
            RuleKind.NEW_LISTENING_PORT,
            now - timedelta(hours=2, minutes=20),
            "Port 2375 is open",
            "Docker's API without TLS: who reaches it commands the host as root.",
            process="dockerd",
        ),
    ]


def _guessing(start: datetime) -> NewDetection:
    moments = [start + timedelta(seconds=27 * 60 / 20 * index) for index in range(20)]
    return NewDetection(
        agent_id=agent_id_in(NORTHWIND_ID, "web-edge-01"),
        rule_kind=RuleKind.SSH_BRUTEFORCE,
        severity=Severity.HIGH,
        title=f"{_ATTEMPTS:,} failed SSH sign-ins from {INTRUDER} in 27 minutes",
        description="Tried 61 accounts, most often root, admin and deploy.",
        subject=INTRUDER,
        first_seen_at=start,
        last_seen_at=start + timedelta(minutes=27),
        event_count=_ATTEMPTS,
        events=[
            NewEvent(
                at=at,
                summary=f"Failed password for {ACCOUNT}",
                source_address=INTRUDER,
                target_user=ACCOUNT,
                raw=f"sshd[21{index:03}]: Failed password for {ACCOUNT} from {INTRUDER} ssh2",
            )
            for index, at in enumerate(moments)
        ],
        source_address=INTRUDER,
        target_user=ACCOUNT,
        process_name="sshd",
    )


def _on_web(
    rule: RuleKind,
    at: datetime,
    title: str,
    description: str,
    *,
    user: str,
    raw: str,
    process: str = "sshd",
) -> NewDetection:
    is_ssh = rule is RuleKind.SSH_BRUTEFORCE_SUCCESS
    address = INTRUDER if is_ssh else None
    return NewDetection(
        agent_id=agent_id_in(NORTHWIND_ID, "web-edge-01"),
        rule_kind=rule,
        severity=Severity.CRITICAL if rule is RuleKind.HONEYPOT_CANARY else None,
        title=title,
        description=description,
        subject=user,
        first_seen_at=at,
        last_seen_at=at,
        events=[NewEvent(at=at, summary=title, source_address=address, target_user=user, raw=raw)],
        source_address=address,
        target_user=user,
        process_name=process,
    )


def _elsewhere(
    host: str,
    rule: RuleKind,
    at: datetime,
    title: str,
    description: str = "",
    *,
    address: str | None = None,
    user: str | None = None,
    process: str | None = None,
    severity: Severity | None = None,
    count: int = 1,
) -> NewDetection:
    return NewDetection(
        agent_id=agent_id_in(NORTHWIND_ID, host),
        rule_kind=rule,
        severity=severity,
        title=title,
        description=description,
        subject=address or user or process or rule.value,
        first_seen_at=at,
        last_seen_at=at + timedelta(minutes=count // 20),
        event_count=count,
        events=[NewEvent(at=at, summary=title, source_address=address, target_user=user)],
        source_address=address,
        target_user=user,
        process_name=process,
    )


def acknowledgement(name: RecordedDetection, *, note: str, at: datetime) -> Act:
    """Return that the operator closed a detection after looking at it."""

    async def do(session: AsyncSession) -> None:
        await acknowledge_detection(
            session, principal=OPERATOR.principal, number=name.number, note=note, now=at
        )

    return Act(at, do)
