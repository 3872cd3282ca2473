"""``python -m steelyard_local``."""

import sys

from .main import main

sys.exit(main())
