"""`python -m sokuon`: the command line."""

from sokuon.cli import main

main()
