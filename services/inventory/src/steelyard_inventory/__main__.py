"""``python -m steelyard_inventory [migrate]``"""

import sys

from .main import main

sys.exit(main())
