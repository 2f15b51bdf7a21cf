"""The 24 hosts of Northwind Logistics, and the few of its neighbour Contoso Health."""

from dataclasses import dataclass, field

from seed.systems import (
    ALPINE_3_20,
    ALPINE_6_6_31,
    ALPINE_6_6_94,
    APPLIANCE_5_15_18,
    DEBIAN_6_1_55,
    DEBIAN_6_1_69,
    DEBIAN_6_1_90,
    DEBIAN_6_1_119,
    DEBIAN_6_1_147,
    DEBIAN_12,
    ROCKY_9,
    ROCKY_9_4,
    UBUNTU_22,
    UBUNTU_22_GA,
    UBUNTU_24,
    UBUNTU_24_GA,
    Kernel,
    Release,
)

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class DiskSpec:
    """One file system and how full it usually is."""

    mount: str
    device: str
    size_gib: int
    used_percent: float


@dataclass(frozen=True, slots=True)
class HostSpec:
    """One host. `installed_kernel` is set where a newer kernel waits for a reboot."""

    name: str
    release: Release
    kernel: Kernel
    environment: str
    role: str
    region: str
    address: str
    cpu_count: int
    memory_gib: int
    disks: tuple[DiskSpec, ...]
    installed_kernel: Kernel | None = None
    offline_days: float = 0.0  # silent since so many days; 0 is online
    applications: frozenset[str] = field(default_factory=frozenset)  # node, python, java

    @property
    def tags(self) -> list[str]:
        """How people filter for it."""
        return sorted([f"env:{self.environment}", f"region:{self.region}", f"role:{self.role}"])


def _root(size_gib: int, used_percent: float) -> DiskSpec:
    return DiskSpec("/", "/dev/vda1", size_gib, used_percent)


def _data(mount: str, size_gib: int, used_percent: float) -> DiskSpec:
    return DiskSpec(mount, "/dev/vdb1", size_gib, used_percent)


_NODE, _PYTHON, _JAVA = frozenset({"node"}), frozenset({"python"}), frozenset({"java"})

# One host a paragraph: as a table they can be compared.
# fmt: off
PRODUCTION = (
    HostSpec("web-edge-01", DEBIAN_12, DEBIAN_6_1_90, "production", "web", "eu-west",
             "10.20.1.11", 4, 8, (_root(40, 46),), applications=_NODE),
    HostSpec("web-edge-02", DEBIAN_12, DEBIAN_6_1_147, "production", "web", "eu-west",
             "10.20.1.12", 4, 8, (_root(40, 44),), applications=_NODE),
    HostSpec("lb-prod-01", ALPINE_3_20, ALPINE_6_6_94, "production", "loadbalancer", "eu-west",
             "10.20.1.5", 2, 4, (_root(20, 22),)),
    HostSpec("api-prod-01", UBUNTU_24, UBUNTU_24_GA, "production", "api", "eu-west",
             "10.20.2.21", 8, 16, (_root(60, 51),), applications=_NODE | _PYTHON),
    HostSpec("api-prod-02", UBUNTU_24, UBUNTU_24_GA, "production", "api", "eu-west",
             "10.20.2.22", 8, 16, (_root(60, 53),), applications=_NODE | _PYTHON),
    HostSpec("api-prod-03", UBUNTU_24, UBUNTU_24_GA, "production", "api", "eu-west",
             "10.20.2.23", 8, 16, (_root(60, 52),), applications=_NODE | _PYTHON),
    HostSpec("db-prod-01", DEBIAN_12, DEBIAN_6_1_119, "production", "database", "eu-west",
             "10.20.3.31", 16, 64, (_root(40, 38), _data("/var/lib/postgresql", 800, 64)),
             installed_kernel=DEBIAN_6_1_147),
    HostSpec("db-prod-02", DEBIAN_12, DEBIAN_6_1_119, "production", "database", "eu-west",
             "10.20.3.32", 16, 64, (_root(40, 39), _data("/var/lib/postgresql", 500, 94)),
             installed_kernel=DEBIAN_6_1_147),
    HostSpec("cache-prod-01", DEBIAN_12, DEBIAN_6_1_147, "production", "cache", "eu-west",
             "10.20.3.41", 4, 32, (_root(40, 27),)),
    HostSpec("queue-prod-01", ROCKY_9, ROCKY_9_4, "production", "queue", "eu-west",
             "10.20.3.51", 4, 16, (_root(40, 33), _data("/var/lib/rabbitmq", 100, 41))),
    HostSpec("search-prod-01", ROCKY_9, ROCKY_9_4, "production", "search", "eu-west",
             "10.20.3.61", 8, 32, (_root(40, 42), _data("/var/lib/opensearch", 400, 71)),
             applications=_JAVA),
    HostSpec("bastion-prod-01", DEBIAN_12, DEBIAN_6_1_147, "production", "bastion", "eu-west",
             "10.20.0.4", 2, 4, (_root(20, 31),)),
    HostSpec("backup-prod-01", UBUNTU_22, UBUNTU_22_GA, "production", "backup", "eu-north",
             "10.21.0.8", 4, 8, (_root(40, 35), _data("/srv/backup", 4000, 78))),
)
STAGING = (
    HostSpec("web-stg-01", DEBIAN_12, DEBIAN_6_1_69, "staging", "web", "eu-west",
             "10.30.1.11", 2, 4, (_root(40, 58),), applications=_NODE),
    HostSpec("api-stg-01", UBUNTU_24, UBUNTU_24_GA, "staging", "api", "eu-west",
             "10.30.2.21", 4, 8, (_root(60, 66),), applications=_NODE | _PYTHON),
    HostSpec("db-stg-01", DEBIAN_12, DEBIAN_6_1_90, "staging", "database", "eu-west",
             "10.30.3.31", 4, 16, (_root(40, 40), _data("/var/lib/postgresql", 200, 55))),
    HostSpec("worker-stg-01", DEBIAN_12, DEBIAN_6_1_55, "staging", "worker", "eu-west",
             "10.30.4.41", 4, 8, (_root(40, 49),), applications=_PYTHON),
    HostSpec("worker-stg-02", DEBIAN_12, DEBIAN_6_1_55, "staging", "worker", "eu-west",
             "10.30.4.42", 4, 8, (_root(40, 47),), offline_days=9.2, applications=_PYTHON),
    HostSpec("ci-stg-01", UBUNTU_22, UBUNTU_22_GA, "staging", "ci", "eu-west",
             "10.30.5.51", 8, 16, (_root(120, 83),), applications=_NODE | _PYTHON | _JAVA),
)
EDGE = (
    HostSpec("gw-rotterdam-01", UBUNTU_22, APPLIANCE_5_15_18, "edge", "gateway", "rotterdam",
             "10.40.10.1", 4, 4, (_root(32, 61),)),
    HostSpec("gw-hamburg-01", UBUNTU_22, APPLIANCE_5_15_18, "edge", "gateway", "hamburg",
             "10.40.20.1", 4, 4, (_root(32, 63),)),
    HostSpec("gw-antwerp-01", UBUNTU_22, APPLIANCE_5_15_18, "edge", "gateway", "antwerp",
             "10.40.30.1", 4, 4, (_root(32, 72),), offline_days=3.4),
    HostSpec("scan-rotterdam-01", ALPINE_3_20, ALPINE_6_6_31, "edge", "scanner", "rotterdam",
             "10.40.10.20", 2, 2, (_root(16, 37),)),
    HostSpec("scan-hamburg-01", ALPINE_3_20, ALPINE_6_6_31, "edge", "scanner", "hamburg",
             "10.40.20.20", 2, 2, (_root(16, 39),), installed_kernel=ALPINE_6_6_94),
)
# fmt: on
NORTHWIND_HOSTS = PRODUCTION + STAGING + EDGE

# fmt: off
CONTOSO_HOSTS = (
    HostSpec("ehr-app-01", UBUNTU_24, UBUNTU_24_GA, "production", "app", "de-central",
             "10.90.1.10", 8, 32, (_root(80, 48),), applications=_JAVA),
    HostSpec("ehr-db-01", DEBIAN_12, DEBIAN_6_1_90, "production", "database", "de-central",
             "10.90.2.10", 16, 64, (_root(40, 36), _data("/var/lib/postgresql", 600, 69))),
    HostSpec("imaging-01", ROCKY_9, ROCKY_9_4, "production", "imaging", "de-central",
             "10.90.3.10", 8, 32, (_root(40, 51), _data("/srv/dicom", 8000, 88))),
    # The same name as one of Northwind's: a name finds the caller's own host and no other.
    HostSpec("web-edge-01", DEBIAN_12, DEBIAN_6_1_55, "production", "web", "de-central",
             "10.90.4.10", 4, 8, (_root(40, 57),), applications=_NODE),
)
# fmt: on
