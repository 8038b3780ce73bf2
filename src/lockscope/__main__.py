"""`python -m lockscope` is `lockscope`."""

import sys

from lockscope.cli import main

if __name__ == "__main__":
    sys.exit(main())
