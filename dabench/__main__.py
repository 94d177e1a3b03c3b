"""``python -m dabench`` is the command line."""

from dabench.cli import main

main()
