"""``python -m steelyard_boot`` serves."""

import sys

from .main import main

sys.exit(main())
