"""Measure the exchange: ``python bench/run.py --help``, or ``make bench``."""

import sys
from pathlib import Path

if __name__ == "__main__":
    # Run as a file, Python looks for modules beside this one and not in the project.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from bench.command import main

    sys.exit(main())
