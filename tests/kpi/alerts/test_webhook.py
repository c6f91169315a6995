"""The webhook receives signed messages, again until they have arrived, and from one sender each."""

import contextlib
import hashlib
import hmac
import json
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat
from threading import Event, Thread

import pytest
import time_machine
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from exchange_poc.env import webhook_url
from kpi.alerts.rules import apply_rule
from kpi.alerts.webhook import MOST_ATTEMPTS, deliver, deliver_due
from kpi.models import AlertDelivery, AlertRule
from tests.each import each


class Receiver(ThreadingHTTPServer):
    """A webhook on loopback that keeps what it got and answers what ``answer`` returns."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 204
        self.answer: Callable[[], int] = lambda: self.status
        self.received: list[tuple[dict[str, str], bytes]] = []


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((dict(self.headers), body))
        self.send_response(self.server.answer())
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    with Receiver() as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        settings.ALERT_WEBHOOK_URL = f"http://127.0.0.1:{server.server_port}/hook"
        settings.ALERT_WEBHOOK_SECRET = "sesame"
        yield server
        server.shutdown()


@pytest.fixture
def delivery(db: None, receiver: Receiver) -> AlertDelivery:
    """The message about an alert that has just opened."""
    apply_rule(rule_id=AlertRule.objects.get(kind="latency_p95").pk, value=750.5)
    return AlertDelivery.objects.get()


def test_a_message_is_signed_over_its_time_and_body(
    delivery: AlertDelivery, receiver: Receiver
) -> None:
    assert deliver_due() == 1
    [(headers, body)] = receiver.received
    signed = headers["X-Exchange-Timestamp"].encode() + b"." + body
    expected = hmac.new(b"sesame", signed, hashlib.sha256).hexdigest()
    assert headers["X-Exchange-Signature"] == f"sha256={expected}"
    message = json.loads(body)
    assert (message["event"], message["rule"], message["value"]) == ("opened", "latency_p95", 750.5)
    assert message["delivery_id"] == delivery.pk == int(headers["X-Exchange-Delivery"])
    delivery.refresh_from_db()
    assert (delivery.status, delivery.response_status, delivery.attempts) == ("delivered", 204, 1)
    assert deliver_due() == 0


def test_the_end_of_an_alert_is_told_too(delivery: AlertDelivery, receiver: Receiver) -> None:
    apply_rule(rule_id=delivery.alert.rule_id, value=None)
    assert deliver_due() == 2
    assert json.loads(receiver.received[1][1])["event"] == "resolved"


def test_a_failed_message_is_sent_again_later_and_later(
    delivery: AlertDelivery, receiver: Receiver
) -> None:
    receiver.status = 500
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        for pause in (15, 30, 60):
            assert deliver_due() == 0
            clock.shift(timedelta(seconds=pause - 1))
            sent = len(receiver.received)
            assert deliver_due() == 0
            assert len(receiver.received) == sent
            clock.shift(timedelta(seconds=1))
        receiver.status = 200
        assert deliver_due() == 1
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == ("delivered", 4)


def test_it_gives_up_in_the_end(delivery: AlertDelivery, receiver: Receiver) -> None:
    receiver.status = 302
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        for _ in range(MOST_ATTEMPTS + 1):
            deliver_due()
            clock.shift(timedelta(days=1))
    delivery.refresh_from_db()
    assert (delivery.status, delivery.error) == ("failed", "HTTP 302")
    assert len(receiver.received) == MOST_ATTEMPTS


def test_a_receiver_that_is_away_is_recorded(delivery: AlertDelivery, settings: Settings) -> None:
    settings.ALERT_WEBHOOK_URL = "http://127.0.0.1:1/hook"
    assert not deliver(delivery_id=delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.error) == ("pending", "ConnectionError")


def test_a_message_that_is_being_sent_is_not_sent_by_another(
    delivery: AlertDelivery, receiver: Receiver
) -> None:
    receiver.status = 500
    assert not deliver(delivery_id=delivery.pk)
    assert not deliver(delivery_id=delivery.pk)
    assert len(receiver.received) == 1


@pytest.fixture
def dripping(settings: Settings) -> Iterator[None]:
    """A receiver that answers 200, one byte every tenth of a second, for four seconds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.ALERT_WEBHOOK_URL = f"http://127.0.0.1:{server.getsockname()[1]}/hook"
        is_over = Event()

        def drip() -> None:
            client, _ = server.accept()
            head = chain(b"HTTP/1.1 200 OK\r\nX-Drip: ", repeat(ord("x"), 20))
            with client, contextlib.suppress(OSError):
                for byte in head:
                    client.send(bytes([byte]))
                    if is_over.wait(0.1):
                        return
                client.send(b"\r\nContent-Length: 0\r\n\r\n")

        thread = Thread(target=drip)
        thread.start()
        yield
        is_over.set()
        thread.join()


def test_a_receiver_that_drips_holds_no_attempt(
    delivery: AlertDelivery, dripping: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kpi.alerts.webhook.PATIENCE", 1)
    assert not deliver(delivery_id=delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.response_status) == ("pending", None)
    assert delivery.error in {"ReadTimeout", "ConnectionError"}


@pytest.mark.django_db(transaction=True)
def test_an_attempt_that_was_overtaken_records_nothing(
    delivery: AlertDelivery, receiver: Receiver
) -> None:
    def overtake() -> int:
        receiver.answer = lambda: 204
        AlertDelivery.objects.update(next_attempt_at=timezone.now())
        assert deliver(delivery_id=delivery.pk)
        connection.close()
        return 500

    receiver.answer = overtake
    assert not deliver(delivery_id=delivery.pk)
    assert len(receiver.received) == 2
    delivery.refresh_from_db()
    assert (delivery.status, delivery.response_status, delivery.attempts) == ("delivered", 204, 2)


def test_without_a_webhook_no_message_is_kept(db: None) -> None:
    apply_rule(rule_id=AlertRule.objects.get(kind="latency_p95").pk, value=750.5)
    assert not AlertDelivery.objects.exists()


@each("url", ["http://alerts.example.org/", "ftp://127.0.0.1/", "https://", "nonsense"])
def test_only_https_or_loopback(url: str) -> None:
    good = "https://alerts.example.org/hook"
    assert webhook_url(good, secret="sesame") == good
    with pytest.raises(ImproperlyConfigured, match="https"):
        webhook_url(url, secret="sesame")


def test_a_webhook_needs_a_secret() -> None:
    assert webhook_url("", secret="") == ""
    with pytest.raises(ImproperlyConfigured, match="ALERT_WEBHOOK_SECRET"):
        webhook_url("http://127.0.0.1:9000/hook", secret="")
