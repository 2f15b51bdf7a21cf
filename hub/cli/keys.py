"""`monsys keys`: the hub's secret keys, and their rotation."""

from collections.abc import Awaitable, Callable

import typer

from hub.cli.connection import DataDir, in_database
from hub.cli.output import answers
from hub.cli.setting_options import settings_from
from hub.database import Database
from hub.resealing import Resealed, reseal
from hub.secret_box import SecretBox
from hub.secret_keys import configured_ring, kept_ring, new_key, rotate_kept_key
from hub.settings import Settings
from oauth.introspection import RESOURCE_SERVER_ID, introspection_secret

app = typer.Typer(
    add_completion=False, no_args_is_help=True, rich_markup_mode="markdown",
    help="The secret keys.",
)  # fmt: skip


@app.callback()
def keys() -> None:
    """Rotate the key that seals secrets and signs cookies and forms."""


@app.command("list", epilog="**Examples**\n\n`monsys keys list`")
def list_keys(data_dir: DataDir = None) -> None:
    """Show the ids of the keys that are honoured, the current one first."""
    settings = settings_from(data_dir=data_dir)
    ring = configured_ring(settings) if settings.secret_key else kept_ring(settings)
    for key in ring.keys:
        use = "current" if key == ring.current else "former, honoured"
        answers.print(f"{key.id.hex()}  {use}", markup=False)


@app.command(
    epilog="**Examples**\n\n`monsys keys rotate` · `monsys keys reseal` · `monsys keys list`"
)
def rotate(data_dir: DataDir = None) -> None:
    """Make a new key; what the old one sealed and signed is honoured while they overlap.

    Nobody is signed out. A key kept in the data folder is replaced at once; running hubs notice
    within a minute and need no restart. A configured key (MONSYS_SECRET_KEY) is yours to replace:
    this prints the new one and what to set. Settings are read at the start, so that takes two
    rolling restarts, in this order, and no replica ever meets a key it does not know.

    It is the one key the hub has: cookies, forms, mailed links and the introspection credential are
    signed with it, second factors and sign-ups are sealed with it. Tokens of apps are random and
    stored as digests, and agents hold keys of their own: neither depends on it.
    """
    settings = settings_from(data_dir=data_dir)
    if settings.secret_key is not None:
        _explain(settings)
        return
    ring = rotate_kept_key(settings)
    answers.print(f"The new key is {ring.current.id.hex()}.", markup=False)
    _print_resealed(in_database(_resealing(settings), data_dir=data_dir))


@app.command("reseal", epilog="**Examples**\n\n`monsys keys reseal`")
def reseal_secrets(data_dir: DataDir = None) -> None:
    """Move sealed secrets to the current key, so that former keys can be dropped."""
    settings = settings_from(data_dir=data_dir)
    _print_resealed(in_database(_resealing(settings), data_dir=data_dir))


@app.command(
    epilog='**Examples**\n\n`monsys keys introspection` · `curl -u "$(monsys keys introspection)"'
    " -d token=mat_… https://hub.example.com/mcp/oauth/introspect`"
)
def introspection(data_dir: DataDir = None) -> None:
    """Print the credentials with which resource servers of your own ask about tokens."""
    box = SecretBox.load(settings_from(data_dir=data_dir))
    answers.print(f"{RESOURCE_SERVER_ID}:{introspection_secret(box)}", markup=False)


def _explain(settings: Settings) -> None:
    former = len(settings.former_secret_keys)
    answers.print(
        "1. Add the new key to MONSYS_FORMER_SECRET_KEYS (a JSON list; it has"
        f" {former} now) of every\n   replica and restart them: from then on each of them honours"
        " it.\n"
        "2. Swap: MONSYS_SECRET_KEY is the new key, and the present one is in the list. Restart.\n"
        "3. Run `monsys keys reseal`.\n"
        "4. After the longest sign-in has ended, drop the former key.\n",
        markup=False,
    )
    answers.print(new_key(), markup=False)


def _resealing(settings: Settings) -> Callable[[Database], Awaitable[Resealed]]:
    async def work(database: Database) -> Resealed:
        return await reseal(database, SecretBox.load(settings))

    return work


def _print_resealed(done: Resealed) -> None:
    answers.print(
        f"Sealed secrets: {done.moved} moved to it, {done.current} there already.", markup=False
    )
    if done.former_codes:
        answers.print(
            f"{done.former_codes} people hold recovery codes that end with the key they were made"
            " under. Ask them to renew theirs under Security; codes made from now on last.",
            markup=False,
        )
    if done.unreadable:
        answers.print(
            f"{done.unreadable} do not open with any key that is honoured. Name the key they were"
            " sealed with and run `monsys keys reseal`.",
            markup=False,
        )
