"""`python -m lawful`, and `torchrun -m lawful`."""

from lawful.cli import main

main()
