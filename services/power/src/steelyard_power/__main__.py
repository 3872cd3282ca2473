"""``python -m steelyard_power`` serves; ``… migrate`` upgrades its schema."""

import sys

from .main import main

sys.exit(main())
