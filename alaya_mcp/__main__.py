"""`python -m alaya_mcp` is the command `alayanew-mcp`."""

import sys

from alaya_mcp.cli.main import main

# A worker process that checks schemas imports this module under another name.
if __name__ == "__main__":
    sys.exit(main())
