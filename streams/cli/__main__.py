"""`python -m streams.cli`: the same as `stockwire`."""

from streams.cli import main

main()
