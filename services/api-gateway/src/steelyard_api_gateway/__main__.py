"""``python -m steelyard_api_gateway`` serves; ``… routes`` prints docs/reference/routes.md."""

import sys

from .main import main

sys.exit(main())
