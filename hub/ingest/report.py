"""What an agent may say: the body of `POST /api/v1/ingest`, with units and bounds.

Fields that this hub does not know are ignored: a newer agent may say more than an older hub
understands, and a fleet is never updated at one moment.
"""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from hub.detections.events import EventKind
from hub.ingest.fields import line
from hub.ingest.host_facts import HostFacts

MAX_DISKS = 200
MAX_ADDRESSES = 64
MAX_LISTENING = 256
MAX_PACKAGES = 20_000
MAX_EVENTS = 1_000
MAX_DETAILS = 16
_LARGEST_JSON_INTEGER = 9_007_199_254_740_991

# Packages are keyed by all of their fields together, and every package manager spells them so.
_PRINTABLE_ASCII = r"^[\x20-\x7e]*$"


def _word(max_length: int, description: str, *, min_length: int = 0) -> object:
    return Field(
        min_length=min_length,
        max_length=max_length,
        pattern=_PRINTABLE_ASCII,
        description=description,
    )


type Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
type Load = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
type Mbps = Annotated[float, Field(ge=0, le=10_000_000, allow_inf_nan=False)]
type Bytes = Annotated[int, Field(ge=0, le=_LARGEST_JSON_INTEGER)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class OperatingSystem(_Part):
    """The operating system, word for word from `/etc/os-release`."""

    id: Annotated[str, line(64, "`ID`: debian, ubuntu, alpine…")] = ""
    name: Annotated[str, line(128, "`PRETTY_NAME`.")] = ""
    version: Annotated[str, line(64, "`VERSION_ID`.")] = ""


class System(_Part):
    """What the machine is."""

    os: OperatingSystem = OperatingSystem()
    kernel_release: Annotated[str, line(128, "The running kernel: `uname -r`.")] = ""
    architecture: Annotated[str, line(32, "`uname -m`.")] = ""
    addresses: Annotated[
        list[Annotated[str, line(64, "An IP address.", min_length=1)]],
        Field(max_length=MAX_ADDRESSES, description="Addresses that others can reach it by."),
    ] = []
    cpu_count: Annotated[int, Field(ge=1, le=65_536)] | None = Field(
        None, description="Logical processors."
    )
    memory_bytes: Bytes | None = Field(None, description="Installed memory, in bytes.")


class Disk(_Part):
    """One file system."""

    mount: Annotated[str, line(512, "Mount point.", min_length=1)]
    device: Annotated[str, line(512, "What is mounted there.")] = ""
    used_percent: Percent = Field(description="Percent used, as df counts: of what users may fill.")
    used_bytes: Bytes = Field(description="Used, in bytes.")
    total_bytes: Bytes = Field(description="Size, in bytes.")


class Figures(_Part):
    """What was measured. A figure that could not be known is null or left out, never zero."""

    cpu_percent: Percent | None = Field(None, description="Percent of all processors.")
    memory_percent: Percent | None = Field(None, description="Percent of memory in use.")
    load1: Load | None = Field(None, description="Load average of 1 minute.")
    load5: Load | None = Field(None, description="Load average of 5 minutes.")
    load15: Load | None = Field(None, description="Load average of 15 minutes.")
    rx_mbps: Mbps | None = Field(None, description="Received, in Mbit/s, without loopback.")
    tx_mbps: Mbps | None = Field(None, description="Sent, in Mbit/s, without loopback.")
    disks: Annotated[list[Disk], Field(max_length=MAX_DISKS)] = Field(
        [], description="Each real file system once."
    )


class Package(_Part):
    """One installed version of one package."""

    ecosystem: Annotated[
        str, _word(64, "OSV's spelling: `Debian:12`, `Ubuntu:22.04:LTS`, `npm`…", min_length=1)
    ]
    name: Annotated[str, _word(256, "Name of the package.", min_length=1)]
    version: Annotated[str, _word(256, "Installed version.", min_length=1)]
    source_name: Annotated[str, _word(256, "Name of the source package, if it has one.")] = ""
    source_version: Annotated[str, _word(256, "Version of the source package.")] = ""


class Event(_Part):
    """Something that happened on the host and that a rule may ask about.

    Of what many alike events had in common one may be sent, with their `count`.
    """

    id: Annotated[
        str, _word(64, "The sender's own id; sent again it is the same event.", min_length=1)
    ]
    kind: EventKind = Field(description="What kind of thing happened.")
    at: AwareDatetime = Field(description="When it happened (RFC 3339 with an offset).")
    summary: Annotated[str, line(500, "One line for people.", min_length=1)]
    user: Annotated[str, line(64, "The account it is about.")] | None = None
    source_address: Annotated[str, line(64, "The other end's IP address, never a name.")] | None = (
        None
    )
    process: Annotated[str, line(200, "Name of the process or module.")] | None = None
    path: Annotated[str, line(1024, "The file it is about.")] | None = None
    command: Annotated[str, line(2000, "The command line.")] | None = None
    port: Annotated[int, Field(ge=0, le=65_535)] | None = None
    protocol: Annotated[str, Field(pattern="^(tcp|udp)$")] | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    count: Annotated[int, Field(ge=1, le=1_000_000_000)] = 1
    raw: Annotated[str, Field(max_length=4000, pattern=r"^[^\x00]*$")] | None = Field(
        None, description="The host's own line. It never passes to Claude."
    )
    details: Annotated[
        dict[
            Annotated[str, Field(max_length=64, pattern="^[a-z0-9_]+$")],
            Annotated[str, line(500, "Value.")],
        ],
        Field(max_length=MAX_DETAILS),
    ] = {}


class Report(_Part):
    """One report of one agent. Sent again it changes nothing: a moment is measured once."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "at": "2026-11-03T08:00:00Z",
                    "agent_version": "0.1.0",
                    "system": {
                        "os": {
                            "id": "debian",
                            "name": "Debian GNU/Linux 12 (bookworm)",
                            "version": "12",
                        },
                        "kernel_release": "6.1.0-28-amd64",
                        "architecture": "x86_64",
                        "addresses": ["10.20.0.11"],
                        "cpu_count": 4,
                        "memory_bytes": 8_324_210_688,
                    },
                    "figures": {
                        "cpu_percent": 12.5,
                        "memory_percent": 48.1,
                        "load1": 0.42,
                        "load5": 0.38,
                        "load15": 0.31,
                        "rx_mbps": 3.2,
                        "tx_mbps": 11.8,
                        "disks": [
                            {
                                "mount": "/",
                                "device": "/dev/vda1",
                                "used_percent": 61.4,
                                "used_bytes": 24_901_238_784,
                                "total_bytes": 42_949_672_960,
                            }
                        ],
                    },
                    "packages": [
                        {
                            "ecosystem": "Debian:12",
                            "name": "libssl3",
                            "version": "3.0.15-1~deb12u1",
                            "source_name": "openssl",
                            "source_version": "3.0.15-1~deb12u1",
                        }
                    ],
                }
            ]
        },
    )

    at: AwareDatetime = Field(
        description="When it was measured (RFC 3339 with an offset). At most 5 minutes ahead of the"
        " hub's clock, and not older than 7 days."
    )
    agent_version: Annotated[str, line(32, "Version of the agent.")] = ""
    system: System = Field(System(), description="What the machine is.")
    figures: Figures = Field(Figures(), description="What was measured.")
    listening: (
        Annotated[
            list[Annotated[str, line(64, "An IP address; `0.0.0.0` and `::` mean all.")]],
            Field(max_length=MAX_LISTENING),
        ]
        | None
    ) = Field(
        None,
        description="Addresses on which sockets accept connections, each once; left out when not"
        " known.",
    )
    packages: Annotated[list[Package], Field(max_length=MAX_PACKAGES)] | None = Field(
        None,
        description="The whole inventory, replacing the one before; left out when unchanged.",
    )
    facts: HostFacts | None = Field(
        None, description="What the host is beyond this; left out when unchanged."
    )
    events: Annotated[list[Event], Field(max_length=MAX_EVENTS)] = Field(
        [], description="What happened since the last report, oldest first."
    )


class Refused(BaseModel):
    """An event that was not taken; sending it again does not help."""

    id: str = Field(description="The event's id, as it was sent.")
    reason: str = Field(description="Why it was not taken.")


class Accepted(BaseModel):
    """The report is stored durably."""

    status: str = Field("accepted", description="Always `accepted`.")
    packages: int = Field(description="How many packages of the report were stored.")
    refused_events: list[Refused] | None = Field(
        None, description="The events that were not taken; left out when there is none."
    )


class Heartbeat(BaseModel):
    """The agent counts as online."""

    status: str = Field("ok", description="Always `ok`.")
