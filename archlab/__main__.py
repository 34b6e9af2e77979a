"""`python -m archlab` is `archlab`."""

import sys

from archlab.commands import main

if __name__ == "__main__":
    sys.exit(main())
