"""Real, public vulnerabilities that hit the demo's fleet; facts as their advisories state them."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from hub.severity import Severity
from hub.vulnerabilities.commands import AdvisoryRecord

type Version = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class KernelAdvisory:
    """A kernel CVE with the kernel.org releases it is in: from, up to not including."""

    record: AdvisoryRecord
    affected: tuple[tuple[Version, Version], ...]

    def fixed_in(self, version: Version) -> Version | None:
        """Return the release that fixes this version's branch; None when it is not affected."""
        for introduced, fixed in self.affected:
            if introduced <= version < fixed:
                return fixed
        return None


def _advisory(
    advisory_id: str,
    severity: Severity,
    cvss_score: float,
    published: tuple[int, int, int],
    summary: str,
    *aliases: str,
) -> AdvisoryRecord:
    published_at = datetime(*published, tzinfo=UTC)
    return AdvisoryRecord(
        id=advisory_id,
        aliases=aliases,
        severity=severity,
        cvss_score=cvss_score,
        published_at=published_at,
        modified_at=published_at,
        summary=summary,
    )


# fmt: off
KERNEL_ADVISORIES = (
    KernelAdvisory(
        _advisory("CVE-2022-47939", Severity.CRITICAL, 9.8, (2022, 12, 23),
                  "ksmbd: use-after-free in SMB2_TREE_DISCONNECT, reachable over the network"),
        (((5, 15, 0), (5, 15, 61)), ((5, 16, 0), (5, 18, 18)), ((5, 19, 0), (5, 19, 2))),
    ),
    KernelAdvisory(
        _advisory("CVE-2022-0847", Severity.HIGH, 7.8, (2022, 3, 10),
                  "Dirty Pipe: uninitialised pipe flags let any user overwrite read-only files"),
        (((5, 8, 0), (5, 10, 102)), ((5, 11, 0), (5, 15, 25)), ((5, 16, 0), (5, 16, 11))),
    ),
    KernelAdvisory(
        _advisory("CVE-2023-0386", Severity.HIGH, 7.8, (2023, 3, 22),
                  "overlayfs: a setuid file copied from a nosuid mount keeps its capabilities"),
        (((5, 11, 0), (5, 15, 91)), ((5, 16, 0), (6, 1, 9))),
    ),
    KernelAdvisory(
        _advisory("CVE-2023-32233", Severity.HIGH, 7.8, (2023, 5, 8),
                  "netfilter nf_tables: use-after-free in batch requests, local root"),
        (((5, 11, 0), (5, 15, 111)), ((5, 16, 0), (6, 1, 28)), ((6, 2, 0), (6, 3, 2))),
    ),
    KernelAdvisory(
        _advisory("CVE-2024-1086", Severity.HIGH, 7.8, (2024, 1, 31),
                  "netfilter nf_tables: use-after-free in nft_verdict_init, local root"),
        (((5, 11, 0), (5, 15, 149)), ((5, 16, 0), (6, 1, 76)), ((6, 2, 0), (6, 6, 15)),
         ((6, 7, 0), (6, 7, 3))),
    ),
    KernelAdvisory(
        _advisory("CVE-2024-26581", Severity.HIGH, 7.8, (2024, 2, 20),
                  "netfilter nft_set_rbtree: end interval elements skipped by garbage collection"),
        (((5, 15, 124), (5, 15, 149)), ((6, 1, 43), (6, 1, 78)), ((6, 5, 0), (6, 6, 17)),
         ((6, 7, 0), (6, 7, 5))),
    ),
    KernelAdvisory(
        _advisory("CVE-2024-53104", Severity.HIGH, 7.8, (2024, 12, 2),
                  "media uvcvideo: out-of-bounds write while parsing undefined frames"),
        (((5, 11, 0), (5, 15, 172)), ((5, 16, 0), (6, 1, 117)), ((6, 2, 0), (6, 6, 61)),
         ((6, 7, 0), (6, 11, 8))),
    ),
    KernelAdvisory(
        _advisory("CVE-2025-21756", Severity.HIGH, 7.8, (2025, 2, 27),
                  "vsock: binding dropped before socket destruction, use-after-free"),
        (((5, 11, 0), (5, 15, 179)), ((5, 16, 0), (6, 1, 131)), ((6, 2, 0), (6, 6, 79)),
         ((6, 7, 0), (6, 12, 16))),
    ),
    KernelAdvisory(
        _advisory("CVE-2025-38352", Severity.HIGH, 7.8, (2025, 7, 22),
                  "posix-cpu-timers: race between handling and deleting timers, use-after-free"),
        (((5, 11, 0), (5, 15, 186)), ((5, 16, 0), (6, 1, 142)), ((6, 2, 0), (6, 6, 94)),
         ((6, 7, 0), (6, 12, 34))),
    ),
)

OPENSSH = _advisory(
    "CVE-2024-6387", Severity.HIGH, 8.1, (2024, 7, 1),
    "OpenSSH regreSSHion: signal handler race in sshd, remote code execution",
    "DSA-5724-1", "USN-6859-1", "RLSA-2024:4312",
)
CURL = _advisory(
    "CVE-2023-38545", Severity.CRITICAL, 9.8, (2023, 10, 18),
    "curl: heap buffer overflow in the SOCKS5 proxy handshake",
    "DSA-5523-1", "USN-6429-1",
)
NGHTTP2 = _advisory(
    "CVE-2023-44487", Severity.HIGH, 7.5, (2023, 10, 10),
    "HTTP/2 Rapid Reset: cancelled streams exhaust the server",
    "DSA-5570-1", "GHSA-qppj-fm5r-hxr3",
)
GLIBC = _advisory(
    "CVE-2024-2961", Severity.HIGH, 7.3, (2024, 4, 17),
    "glibc iconv: out-of-bounds write when converting to ISO-2022-CN-EXT",
    "DSA-5673-1", "USN-6737-1",
)
EXPAT = _advisory(
    "CVE-2024-45491", Severity.CRITICAL, 9.8, (2024, 8, 30),
    "libexpat: integer overflow in dtdCopy on 32-bit platforms",
    "DSA-5770-1",
)
OPENSSL = _advisory(
    "CVE-2024-5535", Severity.CRITICAL, 9.1, (2024, 6, 27),
    "OpenSSL: SSL_select_next_proto buffer overread with an empty protocol list",
)
LODASH = _advisory(
    "GHSA-35jh-r3h4-6jhm", Severity.HIGH, 7.2, (2021, 5, 6),
    "lodash: command injection through template", "CVE-2021-23337",
)
WS = _advisory(
    "GHSA-3h5v-q93c-6h6q", Severity.HIGH, 7.5, (2024, 6, 17),
    "ws: denial of service by requests with many headers", "CVE-2024-37890",
)
SEMVER = _advisory(
    "GHSA-c2qf-rxjj-qqgw", Severity.HIGH, 7.5, (2023, 6, 21),
    "semver: regular expression denial of service", "CVE-2022-25883",
)
EXPRESS = _advisory(
    "GHSA-rv95-896h-c2vc", Severity.MEDIUM, 6.1, (2024, 3, 25),
    "express: open redirect with malformed URLs", "CVE-2024-29041",
)
PYYAML = _advisory(
    "GHSA-8q59-q68h-6hv4", Severity.CRITICAL, 9.8, (2021, 3, 25),
    "PyYAML: arbitrary code execution through full_load", "CVE-2020-14343", "PYSEC-2021-142",
)
REQUESTS = _advisory(
    "GHSA-j8r2-6x86-q33q", Severity.MEDIUM, 6.1, (2023, 5, 22),
    "requests: Proxy-Authorization header leaks on redirect", "CVE-2023-32681", "PYSEC-2023-74",
)
JINJA = _advisory(
    "GHSA-h75v-3vvj-5mfj", Severity.MEDIUM, 5.4, (2024, 5, 6),
    "jinja2: HTML attribute injection through xmlattr keys", "CVE-2024-34064",
)
LOG4J = _advisory(
    "GHSA-jfh8-c2jp-5v3q", Severity.CRITICAL, 10.0, (2021, 12, 10),
    "Log4Shell: remote code execution through JNDI lookups in log messages", "CVE-2021-44228",
)
# fmt: on
# CISA's catalogue of exploited vulnerabilities, and the day on which each was added.
EXPLOITED = (
    ("CVE-2021-44228", date(2021, 12, 10)),
    ("CVE-2022-0847", date(2022, 4, 25)),
    ("CVE-2023-0386", date(2025, 6, 17)),
    ("CVE-2023-44487", date(2023, 10, 10)),
    ("CVE-2024-1086", date(2024, 5, 30)),
    ("CVE-2024-53104", date(2025, 2, 5)),
    ("CVE-2025-38352", date(2025, 9, 4)),
)
PACKAGE_ADVISORIES = (
    OPENSSH,
    CURL,
    NGHTTP2,
    GLIBC,
    EXPAT,
    OPENSSL,
    LODASH,
    WS,
    SEMVER,
    EXPRESS,
    PYYAML,
    REQUESTS,
    JINJA,
    LOG4J,
)  # fmt: skip
