"""``python -m similarix_sdk`` is the command ``similarix``."""

from similarix_sdk.cli import main

main()
