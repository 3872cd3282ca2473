"""Services that leave in order: nobody's request is lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from steelyard_common.bus import Endpoint, NatsBus, connect
from steelyard_common.contracts import subjects
from steelyard_common.embedded import EmbeddedNats

ASKING = 8
REPLICAS = 40


def test_no_request_is_lost_while_replicas_come_and_leave(nats_bus: NatsBus, own_nats: EmbeddedNats, site: str) -> None:
    verbs = [subjects.command(site, "inventory", f"verb-{number}") for number in range(60)]
    endpoints = [Endpoint(subject=verb, handler=lambda _request: {"done": True}) for verb in verbs]
    staying = connect(own_nats.url, site, "staying", wait_s=10)
    staying.serve("inventory", endpoints)
    over = threading.Event()

    def ask(number: int) -> int:
        count = 0
        while not over.is_set():
            nats_bus.request(verbs[(number + count) % len(verbs)], {}, timeout_s=20)
            count += 1
        return count

    with ThreadPoolExecutor(ASKING) as pool:
        asking = [pool.submit(ask, number) for number in range(ASKING)]
        try:
            for number in range(REPLICAS):
                leaving = connect(own_nats.url, site, f"leaving-{number}", wait_s=10)
                leaving.serve("inventory", endpoints)
                leaving.close()
        finally:
            over.set()
            answers = [each.result() for each in asking]
            staying.close()

    assert min(answers) > REPLICAS
