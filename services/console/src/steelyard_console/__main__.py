"""``python -m steelyard_console`` serves."""

import sys

from .main import main

sys.exit(main())
