"""Run the command line as `python -m hubferry`."""

import sys

from hubferry.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
