"""What each rule means, and what a person would check. Written by us; nothing is generated."""

from dataclasses import dataclass

from hub.detections.models import RuleKind
from hub.severity import Severity

WHO_ACTS = (
    "Isolating the host, killing a process or locking out a user is done by a person in the"
    " dashboard, with TOTP and a written reason; it cannot be done from here."
)


@dataclass(frozen=True, slots=True)
class Guidance:
    """One rule in words: ATT&CK techniques, how bad it is as a rule, and what to check."""

    title: str
    techniques: tuple[str, ...]
    severity: Severity
    checks: tuple[str, ...]

    @property
    def next_steps(self) -> tuple[str, ...]:
        """What a person would check, and by whom action is taken."""
        return (*self.checks, WHO_ACTS)


GUIDANCE: dict[RuleKind, Guidance] = {
    RuleKind.AUTHORIZED_KEYS_CHANGE: Guidance(
        "SSH authorized keys changed",
        ("T1098.004",),
        Severity.HIGH,
        (
            "List its keys with `ssh-keygen -lf ~/.ssh/authorized_keys`; ask whose each one is.",
            "Find who was signed in at that time: `last -F` and `journalctl -u ssh`.",
            "Compare with configuration management: was a key rolled out then?",
        ),
    ),
    RuleKind.BINARY_HASH_MISMATCH: Guidance(
        "Program differs from its package",
        ("T1554", "T1036.005"),
        Severity.HIGH,
        (
            "Verify the file against its package: `dpkg -V` or `rpm -V`.",
            "Look for an update at that time in `/var/log/dpkg.log` or `dnf history`.",
            "Keep a copy and its SHA-256 before anything is reinstalled.",
        ),
    ),
    RuleKind.CRON_PERSISTENCE: Guidance(
        "Scheduled job added or changed",
        ("T1053.003",),
        Severity.MEDIUM,
        (
            "Read the job: `crontab -l -u USER`, `/etc/cron.*` and `systemctl list-timers`.",
            "Check what it runs and from where; a path under /tmp or a download is suspicious.",
            "Ask the host's owner whether a deployment added it.",
        ),
    ),
    RuleKind.CRYPTOMINER: Guidance(
        "Cryptocurrency miner",
        ("T1496.001",),
        Severity.CRITICAL,
        (
            "Find the process and its parent: `ps -eo pid,ppid,user,pcpu,lstart,cmd --sort=-pcpu`.",
            "See where it connects: `ss -tnp`.",
            "Look for what starts it again: cron, systemd units, shell profiles.",
            "Ask how it came in: exposed services, leaked credentials, a vulnerable application.",
        ),
    ),
    RuleKind.FILE_INTEGRITY: Guidance(
        "Watched file changed",
        ("T1565.001",),
        Severity.MEDIUM,
        (
            "Compare the file with the backup or with configuration management.",
            "Find who changed it: `ausearch -f FILE`, or who was signed in at that time.",
            "Ask whether a change was planned.",
        ),
    ),
    RuleKind.HONEYPOT_CANARY: Guidance(
        "Canary file was read",
        ("T1083", "T1552.001"),
        Severity.HIGH,
        (
            "Nobody has a reason to read it: find the process and account in the audit log.",
            "Rule out backup, indexing and antivirus jobs that read everything.",
            "See what else this account read or copied in the same hour.",
        ),
    ),
    RuleKind.KERNEL_MODULE_LOAD: Guidance(
        "Kernel module loaded",
        ("T1547.006",),
        Severity.HIGH,
        (
            "Identify it: `modinfo MODULE`; is it signed and part of a package?",
            "Read `dmesg` around that time; look for a tainted kernel.",
            "Ask whether a driver or a monitoring product was installed.",
        ),
    ),
    RuleKind.LD_PRELOAD: Guidance(
        "Library injected into programs",
        ("T1574.006",),
        Severity.HIGH,
        (
            "Read `/etc/ld.so.preload` and the LD_PRELOAD of the service's environment.",
            "See which package owns the library: `dpkg -S` or `rpm -qf`; none is suspicious.",
            "Do not trust the host's own tools until this is settled: they may be hooked.",
        ),
    ),
    RuleKind.LOG_CLEARED: Guidance(
        "Log was cleared",
        ("T1070.002", "T1070.003"),
        Severity.HIGH,
        (
            "Rule out log rotation: `/etc/logrotate.d` and its last run.",
            "Read what the central log server kept of that time.",
            "See who was signed in: `last -F`, `journalctl _COMM=sudo`.",
        ),
    ),
    RuleKind.NEW_LISTENING_PORT: Guidance(
        "New listening port",
        ("T1571", "T1205"),
        Severity.MEDIUM,
        (
            "Find the program behind the port: `ss -ltnp`.",
            "Check whether the firewall lets it be reached from outside.",
            "Ask whether a service was deployed on this host.",
        ),
    ),
    RuleKind.NEW_SUDO_USER: Guidance(
        "Account gained sudo rights",
        ("T1548.003", "T1098"),
        Severity.HIGH,
        (
            "Read `/etc/sudoers`, `/etc/sudoers.d` and `getent group sudo wheel`.",
            "Find who granted it: `journalctl _COMM=sudo` and the audit log.",
            "Ask whether there is a request or ticket for it.",
            "See what the account ran as root since then.",
        ),
    ),
    RuleKind.NEW_USER: Guidance(
        "Account created",
        ("T1136.001",),
        Severity.MEDIUM,
        (
            "Look at the account: `getent passwd USER`, its groups, shell and home.",
            "Find who created it: `journalctl _COMM=useradd`.",
            "Ask whether a package or an onboarding made it.",
        ),
    ),
    RuleKind.PROCESS_FROM_TMP: Guidance(
        "Program ran from a temporary folder",
        ("T1059.004", "T1036"),
        Severity.HIGH,
        (
            "Look at the program and its parent: `ls -l /proc/PID/exe`, `ps -o ppid,cmd PID`.",
            "Keep a copy and its SHA-256 before it deletes itself.",
            "Rule out installers and build jobs that unpack there.",
        ),
    ),
    RuleKind.REVERSE_SHELL: Guidance(
        "Reverse shell",
        ("T1059",),
        Severity.CRITICAL,
        (
            "Find the process, its parent and its connection: `ss -tnp`, `pstree -ps PID`.",
            "See which service started it; that one is probably the way in.",
            "Look for the same remote address on other hosts.",
            "Keep memory and logs before the host is touched.",
        ),
    ),
    RuleKind.SSH_BRUTEFORCE: Guidance(
        "SSH password guessing",
        ("T1110.001",),
        Severity.MEDIUM,
        (
            "Check that none of the attempts succeeded: `journalctl -u ssh | grep Accepted`.",
            "See whether the address tries other hosts as well.",
            "Check whether SSH must be reachable from there, and whether passwords are needed.",
        ),
    ),
    RuleKind.SSH_BRUTEFORCE_SUCCESS: Guidance(
        "SSH sign-in after password guessing",
        ("T1110", "T1078"),
        Severity.CRITICAL,
        (
            "Ask the account's owner whether that sign-in was theirs.",
            "Read what the session did: `last -F`, shell history, `journalctl _UID=UID`.",
            "Look for new users, keys, sudo rights and scheduled jobs since then.",
            "Check other hosts for sign-ins of this account or from this address.",
        ),
    ),
    RuleKind.SSH_LOGIN_NEW_SOURCE: Guidance(
        "SSH sign-in from a new address",
        ("T1078", "T1021.004"),
        Severity.LOW,
        (
            "Ask the account's owner whether they signed in from there.",
            "See to whom the address belongs: a known office, VPN or provider?",
            "Check which key or password was used: `journalctl -u ssh | grep Accepted`.",
        ),
    ),
}
