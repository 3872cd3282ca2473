"""``python -m tests.differential OURS THEIRS``: what differs between two running, empty servers."""

from __future__ import annotations

import sys

from .asking import Server
from .comparing import differences
from .differences import unexplained
from .script import REQUESTS


def main(ours: str, theirs: str) -> int:
    here, there = Server(ours), Server(theirs)
    unexpected = 0
    for ask in REQUESTS:
        found = unexplained(ask, differences(here.ask(ask), there.ask(ask)))
        unexpected += bool(found)
        if found:
            print(str(ask)[:200], *found, sep="\n    ")
    print(f"{len(REQUESTS)} requests, {unexpected} with an answer that differs without a reason")
    return min(unexpected, 1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
