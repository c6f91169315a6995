"""Tells the webhook about alerts: signed, outside any transaction, again until it has arrived.

The signature is HMAC-SHA256 over ``<timestamp>.<body>`` with ALERT_WEBHOOK_SECRET. The body names
the delivery, so that nobody can pass an old message off as a new one.
"""

import hashlib
import hmac
import json
import time
from datetime import timedelta
from typing import Final

import requests
import structlog
from django.conf import settings
from django.db.models import F
from django.utils import timezone
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout

from kpi.models import AlertDelivery, DeliveryStatus
from market.kernel.whole_answers import whole_answer_session

log = structlog.get_logger(__name__)

#: Seconds to connect, and for a whole attempt, which is over before the next one is due.
CONNECT_PATIENCE: Final = 3
PATIENCE: Final = 8
#: Before the second attempt; doubled for each further one.
FIRST_PAUSE: Final = timedelta(seconds=15)
MOST_ATTEMPTS: Final = 8
#: Messages that one run sends at most, and seconds after which it begins no further one.
BATCH: Final = 20
LONGEST_RUN: Final = 30


def deliver_due() -> int:
    """Send messages that are due; return how many arrived. None is sent by two at once."""
    started = time.monotonic()
    due = AlertDelivery.objects.filter(
        status=DeliveryStatus.PENDING, next_attempt_at__lte=timezone.now()
    ).order_by("id")
    ids = list(due.values_list("id", flat=True)[:BATCH])
    return sum(
        deliver(delivery_id=delivery_id)
        for delivery_id in ids
        if time.monotonic() - started < LONGEST_RUN
    )


def deliver(*, delivery_id: int) -> bool:
    """Try once to send a message and record the outcome; return whether it arrived.

    Not sent if somebody else took it or if it is not due.
    """
    delivery = claim(delivery_id)
    if delivery is None:
        return False
    status, error = post(delivery)
    arrived = not error
    if arrived:
        outcome = DeliveryStatus.DELIVERED
    else:
        is_last = delivery.attempts >= MOST_ATTEMPTS
        outcome = DeliveryStatus.FAILED if is_last else DeliveryStatus.PENDING
        log.warning("webhook_failed", delivery=delivery.pk, status=status, error=error)
    # Whoever took the message meanwhile records what becomes of it.
    AlertDelivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts).update(
        status=outcome,
        response_status=status,
        error=error[:200],
        delivered_at=timezone.now() if arrived else None,
    )
    return arrived


def claim(delivery_id: int) -> AlertDelivery | None:
    """Take a due message by moving its next attempt on; return None if it was not to be had."""
    now = timezone.now()
    delivery = AlertDelivery.objects.filter(
        pk=delivery_id, status=DeliveryStatus.PENDING, next_attempt_at__lte=now
    ).first()
    if delivery is None:
        return None
    taken = AlertDelivery.objects.filter(
        pk=delivery_id, status=DeliveryStatus.PENDING, attempts=delivery.attempts
    ).update(
        attempts=F("attempts") + 1,
        next_attempt_at=now + FIRST_PAUSE * 2**delivery.attempts,
    )
    delivery.attempts += 1
    return delivery if taken else None


def post(delivery: AlertDelivery) -> tuple[int | None, str]:
    """Send a message; return the status of the answer, or None, and what went wrong."""
    message = {**delivery.body, "delivery_id": delivery.pk}
    body = json.dumps(message, separators=(",", ":"), sort_keys=True).encode()
    timestamp = str(int(timezone.now().timestamp()))
    headers = {
        "Content-Type": "application/json",
        "X-Exchange-Delivery": str(delivery.pk),
        "X-Exchange-Timestamp": timestamp,
        "X-Exchange-Signature": f"sha256={signature(timestamp, body)}",
    }
    timeout = Timeout(total=PATIENCE, connect=CONNECT_PATIENCE)
    try:
        # The status says it all: the answer's body is not read.
        with (
            whole_answer_session() as session,
            session.post(
                settings.ALERT_WEBHOOK_URL,
                data=body,
                headers=headers,
                timeout=timeout,  # type: ignore[arg-type]
                allow_redirects=False,
                stream=True,
            ) as answer,
        ):
            status = answer.status_code
    except (requests.RequestException, HTTPError) as error:
        return None, type(error).__name__
    return status, "" if 200 <= status < 300 else f"HTTP {status}"


def signature(timestamp: str, body: bytes) -> str:
    """Return the HMAC-SHA256 of ``<timestamp>.<body>`` in hexadecimal."""
    signed = timestamp.encode() + b"." + body
    return hmac.new(settings.ALERT_WEBHOOK_SECRET.encode(), signed, hashlib.sha256).hexdigest()
