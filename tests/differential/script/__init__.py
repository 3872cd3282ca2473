"""The script: every request in the order in which both sides get them. Each part leaves what the next one needs."""

from __future__ import annotations

from . import leaving, nodes, patches, ports, root, states, workers

PARTS = (root, workers, nodes, patches, ports, states, leaving)
REQUESTS = [ask for part in PARTS for ask in part.REQUESTS]
