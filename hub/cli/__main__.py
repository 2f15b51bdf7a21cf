"""`python -m hub.cli`, which is `monsys` where scripts are not installed."""

from hub.cli import main

main()
