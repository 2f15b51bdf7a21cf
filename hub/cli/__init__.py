"""`monsys`: the command line. Each command's module is imported when that command runs.

The agent shares this entry point and has to stay small, so nothing heavy may be imported here.
"""

import sys

import typer

from hub.cli.failures import failure_message
from hub.cli.lazy import LazyCommands

_INTERRUPTED = 130  # what shells expect of a program that Ctrl-C ended

app = typer.Typer(
    name="monsys",
    cls=LazyCommands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(
    epilog="Start with `monsys demo`: a living fleet on this machine, in one command."
    " Settings are environment variables, `MONSYS_…`; `monsys serve --help` lists them."
)
def monsys() -> None:
    """Infrastructure monitoring and security: one hub for people, engineers and Claude."""


def main() -> None:
    """Run the command line; a known failure is one line on standard error, and no traceback."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except Exception as error:
        message = failure_message(error)
        if message is None:
            raise
        sys.stderr.write(f"monsys: {message}\n")
        sys.exit(1)
