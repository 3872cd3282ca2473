"""What a thousand machines ask for when they are switched on together, answered to many at a time: entry and script.

``boot_scripts`` has the same pages for one at a time, and all that is out of the ordinary is asked there: by machines
that nobody knows, for scripts that hold a secret or cannot be made, in words that need decoding.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import parse_qs

from steelyard_common.http.at_once import Desk, Question

from ..domain import ipxe
from ..service.scripts import Asked, Scripts
from .boot_scripts import TEXT, asked_by

_VALUE = "(?:uuid|mac)=[0-9A-Za-z:.-]{0,64}"
_PLAIN = re.compile(f"{_VALUE}(?:&{_VALUE})*")


def desks(scripts: Scripts) -> dict[str, Desk]:
    def answer(questions: Sequence[Question]) -> list[bytes | None]:
        asked = [_asked(question) for question in questions]
        texts = iter(scripts.ipxe_of_many([each for each in asked if each is not None]))
        found = [None if each is None else next(texts) for each in asked]
        return [None if text is None else text.encode() for text in found]

    return {
        "/boot.ipxe": Desk(content_type=TEXT, answer=ipxe.entry().encode()),
        "/ipxe": Desk(content_type=TEXT, answer=answer),
    }


def _asked(question: Question) -> Asked | None:
    if not _PLAIN.fullmatch(question.query):
        return None
    names = parse_qs(question.query)
    return asked_by(names.get("uuid", []), names.get("mac", []), question.address)
