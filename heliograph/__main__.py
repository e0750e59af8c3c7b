"""`python -m heliograph` is the command line."""

from heliograph.cli import main

main()
