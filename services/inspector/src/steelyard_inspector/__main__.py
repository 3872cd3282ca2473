"""``python -m steelyard_inspector`` serves."""

import sys

from .main import main

sys.exit(main())
