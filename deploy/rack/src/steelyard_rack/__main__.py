"""``python -m steelyard_rack``."""

import sys

from .main import main

sys.exit(main())
