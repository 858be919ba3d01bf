"""`python -m alaya_mcp` is the command `alayanew-mcp`."""

import sys

from alaya_mcp.cli import main

sys.exit(main())
