"""Webhooks from the gateway's side: records, signatures, and whom we may be made to call."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from typing import Any

import orjson
import pytest
from steelyard_api_gateway.drivers.over_bus import OverBus
from steelyard_api_gateway.drivers.webhook_http import WebhookHttp
from steelyard_api_gateway.service.webhook_sender import SPARE_S, THREADS, Sender, signature
from steelyard_api_gateway.testing import SEAL_KEY, SITE, Api, Others, make_api, message
from steelyard_common.addresses import is_allowed, networks
from steelyard_common.bus import MemoryBus
from steelyard_common.errors import DeviceUnreachable, Forbidden, InvalidRequest
from steelyard_common.secrets import Sealer
from steelyard_common.testing.wait import eventually

UUID = "8ac951e5-0800-43ec-be85-0af36c7d306c"
HOME = networks("127.0.0.0/8,::1/128")
SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()


@pytest.fixture
def others() -> Others:
    made = Others(MemoryBus())
    made.serve()
    return made


@pytest.fixture
def api(others: Others) -> Api:
    return make_api(others.bus)


class Receiver:
    """Somebody's server: remembers what came, answers ``status``."""

    def __init__(self) -> None:
        self.status, self.location = 204, ""
        self.came: list[tuple[str, dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.came.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(receiver.status)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook?x=1"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.stop()


def test_a_new_webhook_has_a_secret_that_is_shown_once_and_goes_on_sealed(api: Api, others: Others) -> None:
    answer = api("POST", "/v1/webhooks", {"url": "https://hooks.example/x", "events": ["node-*"]})
    name, body = others.last
    secret = answer.get_json()["secret"]
    assert (answer.status_code, name) == (201, "cmd.create-webhook")
    assert answer.headers["Location"].endswith(f"/v1/webhooks/{body['webhook']['uuid']}")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert Sealer.from_text(SEAL_KEY).open(body["webhook"]["secret"]) == secret
    assert "secret" not in api("GET", f"/v1/webhooks/{UUID}").get_json()


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "url"),
        ({"url": "ftp://a.example"}, "https"),
        ({"url": "https://u:p@a.example/"}, "user"),
        ({"url": "https://a.example/\r\nX: y"}, "blanks"),
        ({"url": "http://[::1"}, "malformed"),
        ({"url": "http://127.0.0.1/"}, "internal"),
        ({"url": "http://169.254.169.254/latest"}, "internal"),
        ({"url": "http://[fd00:ec2::254]/"}, "internal"),
        ({"url": "http://[::ffff:10.0.0.1]/"}, "internal"),
        ({"url": "https://a.example", "secret": "short"}, "whsec_"),
        ({"url": "https://a.example", "events": []}, "patterns"),
        ({"url": "https://a.example", "events": ["a b"]}, "patterns"),
        ({"url": "https://a.example", "filters": {"colour": "red"}}, "filters"),
        ({"url": "https://a.example", "filters": {"node": "n1"}}, "node"),
        ({"url": "https://a.example", "x": 1}, "x"),
    ],
)
def test_what_makes_no_webhook_is_refused(api: Api, others: Others, body: dict[str, Any], word: str) -> None:
    answer = api("POST", "/v1/webhooks", body)
    assert answer.status_code == 400
    assert word in message(answer)
    assert others.asked == []


def test_a_patch_sets_fields_as_a_whole(api: Api, others: Others) -> None:
    patch = [{"op": "replace", "path": "/enabled", "value": False}, {"op": "remove", "path": "/description"},
             {"op": "replace", "path": "/secret", "value": SECRET}]  # fmt: skip
    assert api("PATCH", f"/v1/webhooks/{UUID}", patch).status_code == 200
    changes = others.last[1]["changes"]
    assert (changes["enabled"], changes["description"]) == (False, None)
    assert changes["secret"].startswith("sealed:")
    bad = [{"op": "add", "path": "/filters/node", "value": UUID}]
    assert api("PATCH", f"/v1/webhooks/{UUID}", bad).status_code == 400
    for method, path in (("POST", "/test"), ("POST", f"/deliveries/{UUID}/redeliver"), ("GET", "/deliveries")):
        assert api(method, f"/v1/webhooks/{UUID}{path}").status_code in (200, 202)
    assert api("GET", f"/v1/webhooks/{UUID}/deliveries?status=lost").status_code == 400


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1::1", True), ("10.1.2.3", False), ("172.16.0.1", False),
        ("192.168.1.1", False), ("127.0.0.1", False), ("169.254.169.254", False), ("0.0.0.0", False),
        ("100.64.0.1", False), ("224.0.0.1", False), ("255.255.255.255", False), ("::", False), ("::1", False),
        ("fe80::1", False), ("fd00::1", False), ("ff02::1", False), ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False), ("::7f00:1", False), ("::ffff:93.184.216.34", True),
    ],
)  # fmt: skip
def test_only_addresses_of_the_outside_may_be_called(address: str, good: bool) -> None:
    assert is_allowed(ip_address(address), ()) is good


def test_named_networks_may_be_called_and_no_others() -> None:
    allowed = networks("10.20.0.0/16, fd12::/32")
    assert is_allowed(ip_address("10.20.3.4"), allowed)
    assert is_allowed(ip_address("::ffff:10.20.3.4"), allowed)
    assert not is_allowed(ip_address("10.21.0.1"), allowed)
    assert is_allowed(ip_address("fd12::1"), allowed)


def test_a_name_that_leads_inside_is_refused_when_it_is_called(receiver: Receiver) -> None:
    with pytest.raises(Forbidden, match="internal"):
        WebhookHttp().post(receiver.url.replace("127.0.0.1", "localhost"), b"{}", {})
    assert receiver.came == []


def test_a_call_carries_body_and_headers_and_follows_no_redirect(receiver: Receiver) -> None:
    assert WebhookHttp(HOME).post(receiver.url, b"{}", {"webhook-id": "e1"}) == 204
    path, headers, body = receiver.came[0]
    assert (path, headers["webhook-id"], body) == ("/hook?x=1", "e1", b"{}")
    receiver.status, receiver.location = 302, "http://127.0.0.1:1/"
    assert WebhookHttp(HOME).post(receiver.url, b"{}", {}) == 302
    assert len(receiver.came) == 2


def test_a_receiver_that_drips_meets_the_deadline() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            while not done.wait(0.05):
                try:
                    connection.send(b"H")
                except OSError:
                    return

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    began = time.monotonic()
    with pytest.raises(DeviceUnreachable, match=r"within 0\.5 s"):
        WebhookHttp(HOME, timeout_s=0.5).post(f"http://127.0.0.1:{listener.getsockname()[1]}/", b"{}", {})
    assert time.monotonic() - began < 15
    done.set()
    thread.join(5)
    listener.close()


def test_errors_name_no_address_and_a_plain_server_is_no_tls_server(receiver: Receiver) -> None:
    with pytest.raises(DeviceUnreachable) as told:
        WebhookHttp(HOME).post(receiver.url.replace("http:", "https:"), b"{}", {})
    assert "did not answer" in told.value.message
    with pytest.raises(DeviceUnreachable, match="name is not known"):
        WebhookHttp(HOME).post("http://no-such-host.invalid/", b"{}", {})
    with pytest.raises(InvalidRequest):
        WebhookHttp(HOME).post("gopher://x/", b"{}", {})


def make_sender(others: Others, allowed: Any = HOME, now: Callable[[], float] = lambda: 1_700_000_000.5) -> Sender:
    inventory = OverBus(others.bus, SITE, "inventory", query_timeout_s=30, command_timeout_s=30)
    return Sender(inventory, Sealer.from_text(SEAL_KEY), WebhookHttp(allowed, timeout_s=30), now=now)


def lend(others: Others, url: str, secret: str = SECRET) -> None:
    sealed = Sealer.from_text(SEAL_KEY).seal(secret)
    row = {"uuid": UUID, "event_id": "e1", "body": '{"a":1}', "url": url, "secret": sealed, "tries": 0}
    others.replies["cmd.take-deliveries"] = orjson.dumps({"deliveries": [row], "idle": False})


def settled(others: Others) -> list[dict[str, Any]]:
    return [body["answers"][0] for name, body, _ in others.asked if name == "cmd.settle-deliveries"]


def test_what_is_sent_is_signed_so_that_the_receiver_can_check_it(others: Others, receiver: Receiver) -> None:
    sender = make_sender(others)
    lend(others, receiver.url)
    sender.send_due()
    eventually(lambda: bool(settled(others)))
    sender.stop()

    _, headers, body = receiver.came[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(b"k" * 24, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("e1", "1700000000")
    assert headers["content-type"] == "application/cloudevents+json"
    assert settled(others) == [{"uuid": UUID, "answer": 204, "error": None}]


def test_the_signature_is_the_one_of_the_standards_own_example() -> None:
    body = b'{"test": 2432232314}'
    found = signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert found["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_failure_is_told_with_its_reason(others: Others, receiver: Receiver) -> None:
    receiver.status = 503
    sender = make_sender(others)
    lend(others, receiver.url)
    sender.send_due()
    eventually(lambda: len(settled(others)) == 1)
    lend(others, "http://10.0.0.1/")
    sender.send_due()
    eventually(lambda: len(settled(others)) == 2)
    sender.stop()
    assert settled(others)[0] == {"uuid": UUID, "answer": 503, "error": "HTTP 503"}
    assert settled(others)[1]["answer"] is None
    assert "internal" in settled(others)[1]["error"]


def test_a_sender_takes_no_more_than_it_has_threads_for_and_holds_them_as_long_as_it_may_need(
    others: Others, receiver: Receiver
) -> None:
    sender = make_sender(others)
    lend(others, receiver.url)
    sender.send_due()
    eventually(lambda: len(settled(others)) == 1)
    asked = next(body for name, body, _ in others.asked if name == "cmd.take-deliveries")
    assert asked == {"most": THREADS, "hold_s": 20 + SPARE_S}

    sealed = Sealer.from_text(SEAL_KEY).seal(SECRET)
    row = {"event_id": "e2", "body": "{}", "url": receiver.url, "secret": sealed, "tries": 0}
    many = [{**row, "uuid": f"{UUID[:-2]}{number:02d}"} for number in range(THREADS)]
    others.replies["cmd.take-deliveries"] = orjson.dumps({"deliveries": many, "idle": False})
    sender.send_due()
    assert sender.send_due() == 0.1
    eventually(lambda: len(settled(others)) >= THREADS + 1)
    sender.stop()
    limits = [body["most"] for name, body, _ in others.asked if name == "cmd.take-deliveries"]
    assert all(1 <= each <= THREADS for each in limits)


def test_without_webhooks_the_sender_asks_seldom(others: Others) -> None:
    others.replies["cmd.take-deliveries"] = b'{"deliveries": [], "idle": true}'
    sender = make_sender(others)
    assert sender.send_due() == 5.0
    others.replies["cmd.take-deliveries"] = b'{"deliveries": [], "idle": false}'
    assert sender.send_due() == 1.0
    sender.stop()
