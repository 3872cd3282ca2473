"""``python -m steelyard_firmware`` serves."""

import sys

from .main import main

sys.exit(main())
