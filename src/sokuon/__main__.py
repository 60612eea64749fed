"""`python -m sokuon`: the command line."""

from sokuon.cli.app import main

main()
