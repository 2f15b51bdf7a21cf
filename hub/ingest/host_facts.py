"""What an agent may say of its host beside figures and packages: `facts` of a report."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from hub.ingest.fields import line

MAX_KERNELS = 64
MAX_ACCOUNTS = 2_000
MAX_GROUPS = 64
MAX_SUDO_RULES = 500
MAX_LISTENERS = 500
MAX_CERTIFICATES = 200
MAX_BACKUPS = 200
_LARGEST_JSON_INTEGER = 9_007_199_254_740_991
_LARGEST_ID = 4_294_967_295


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Kernel(_Part):
    """A kernel that is installed."""

    release: Annotated[str, line(128, "As `uname -r` spells it.", min_length=1)]
    is_running: bool = Field(description="Whether it is the one that runs.")
    build: Annotated[str, line(200, "`uname -v` of the one that runs.")] = ""


class Account(_Part):
    """A line of `/etc/passwd`."""

    name: Annotated[str, line(64, "Its name.", min_length=1)]
    uid: Annotated[int, Field(ge=0, le=_LARGEST_ID, description="Its number; 0 is root.")]
    shell: Annotated[str, line(200, "Its shell.")] = ""
    can_log_in: bool = Field(description="Whether the shell is one.")
    groups: Annotated[
        list[Annotated[str, line(64, "A group.")]],
        Field(max_length=MAX_GROUPS, description="The groups that it is a member of."),
    ] = []


class SudoRule(_Part):
    """A rule of sudoers."""

    who: Annotated[str, line(64, "An account, a %group or an alias.", min_length=1)]
    rule: Annotated[str, line(500, "The rule as it is written, on one line.")]
    path: Annotated[str, line(1024, "The file that it stands in.")] = ""
    is_passwordless: bool = Field(description="Whether no password is asked for.")
    allows_all: bool = Field(description="Whether any command may be run.")


class Listener(_Part):
    """An address and port that accepts connections."""

    protocol: Annotated[str, Field(pattern="^(tcp|udp)$", description="tcp or udp.")]
    address: Annotated[str, line(64, "`0.0.0.0` and `::` mean all.", min_length=1)]
    port: Annotated[int, Field(ge=0, le=65_535, description="The port.")]
    process: Annotated[str, line(64, "The program, where it is known.")] = ""
    user: Annotated[str, line(64, "The account that it runs as, where it is known.")] = ""


class Certificate(_Part):
    """A certificate that is watched."""

    place: Annotated[str, line(512, "Its file, or host:port.", min_length=1)]
    subject: Annotated[str, line(256, "Whose it is.")] = ""
    issuer: Annotated[str, line(256, "Who vouches for it.")] = ""
    not_after: AwareDatetime | None = Field(None, description="When it expires.")
    problem: Annotated[str, line(200, "Why it could not be read; empty when it was.")] = ""


class Backup(_Part):
    """A backup that has to be fresh."""

    name: Annotated[str, line(128, "What is backed up.", min_length=1)]
    path: Annotated[str, line(1024, "Where copies are looked for.")] = ""
    newest_at: AwareDatetime | None = Field(
        None, description="When the newest copy was made; null when there is none."
    )
    newest_bytes: Annotated[int, Field(ge=0, le=_LARGEST_JSON_INTEGER)] | None = Field(
        None, description="The size of the newest copy."
    )
    max_age_hours: Annotated[
        float, Field(gt=0, le=24 * 400, allow_inf_nan=False, description="How old it may be.")
    ]


class HostFacts(_Part):
    """Each kind replaces what was told of it before; a kind that is left out did not change."""

    kernels: Annotated[list[Kernel], Field(max_length=MAX_KERNELS)] | None = None
    accounts: Annotated[list[Account], Field(max_length=MAX_ACCOUNTS)] | None = None
    sudoers: Annotated[list[SudoRule], Field(max_length=MAX_SUDO_RULES)] | None = None
    listening: Annotated[list[Listener], Field(max_length=MAX_LISTENERS)] | None = None
    certificates: Annotated[list[Certificate], Field(max_length=MAX_CERTIFICATES)] | None = None
    backups: Annotated[list[Backup], Field(max_length=MAX_BACKUPS)] | None = None
