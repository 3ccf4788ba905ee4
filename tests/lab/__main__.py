"""`python -m tests.lab …`: the lab without Django."""

import argparse
import sys

from . import cli
from .process import LabError


def main() -> int:
    """Parse the command line, do it, print what went wrong."""
    parser = argparse.ArgumentParser(prog="lab", description=cli.__doc__)
    cli.add_arguments(parser)
    try:
        return cli.execute(vars(parser.parse_args()), say=lambda text: print(text, flush=True))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
