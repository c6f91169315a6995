"""Tells the webhook about alerts: signed, outside any transaction, again until it has arrived.

The signature is HMAC-SHA256 over ``<timestamp>.<body>`` with ALERT_WEBHOOK_SECRET.
"""

import hashlib
import hmac
import json
from datetime import timedelta
from typing import Final

import requests
import structlog
from django.conf import settings
from django.db.models import F
from django.utils import timezone

from kpi.models import AlertDelivery, DeliveryStatus

log = structlog.get_logger(__name__)

#: Seconds to connect and to wait for bytes.
TIMEOUTS: Final = (3, 5)
#: Before the second attempt; doubled for each further one.
FIRST_PAUSE: Final = timedelta(seconds=15)
MOST_ATTEMPTS: Final = 8
#: Messages that one run sends.
BATCH: Final = 20


def deliver_due() -> int:
    """Send the messages that are due; return how many arrived. None is sent by two at once."""
    due = AlertDelivery.objects.filter(
        status=DeliveryStatus.PENDING, next_attempt_at__lte=timezone.now()
    ).order_by("id")
    ids = list(due.values_list("id", flat=True)[:BATCH])
    return sum(deliver(delivery_id=delivery_id) for delivery_id in ids)


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
    AlertDelivery.objects.filter(pk=delivery.pk).update(
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
    body = json.dumps(delivery.body, separators=(",", ":"), sort_keys=True).encode()
    timestamp = str(int(timezone.now().timestamp()))
    headers = {
        "Content-Type": "application/json",
        "X-Exchange-Delivery": str(delivery.pk),
        "X-Exchange-Timestamp": timestamp,
        "X-Exchange-Signature": f"sha256={signature(timestamp, body)}",
    }
    try:
        answer = requests.post(
            settings.ALERT_WEBHOOK_URL,
            data=body,
            headers=headers,
            timeout=TIMEOUTS,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        return None, type(error).__name__
    status = answer.status_code
    return status, "" if 200 <= status < 300 else f"HTTP {status}"


def signature(timestamp: str, body: bytes) -> str:
    """Return the HMAC-SHA256 of ``<timestamp>.<body>`` in hexadecimal."""
    signed = timestamp.encode() + b"." + body
    return hmac.new(settings.ALERT_WEBHOOK_SECRET.encode(), signed, hashlib.sha256).hexdigest()
