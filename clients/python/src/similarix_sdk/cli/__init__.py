"""The command ``similarix``, of the extra ``cli``."""

import sys


def main() -> None:
    """Run the command with the arguments of the process, and exit."""
    try:
        import typer  # noqa: F401, PLC0415  # here, so that its absence is told in a sentence
    except ImportError:
        sys.exit("The command needs more packages: pip install 'similarix-sdk[cli]'")
    from similarix_sdk.cli.app import run  # noqa: PLC0415  # it imports typer

    run()
