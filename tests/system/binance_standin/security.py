"""What a signed request must pass: the key, the signature, the time window."""

import hashlib
import hmac
import re
from collections.abc import Mapping

from tests.system.binance_standin.errors import ApiError
from tests.system.binance_standin.parameters import Parameters


def check_key(headers: Mapping[str, str], api_key: str) -> None:
    sent = headers.get("X-MBX-APIKEY", "")
    if not re.fullmatch("[A-Za-z0-9]{1,128}", sent):
        raise ApiError(-2014, "API-key format invalid.", status=401)
    if sent != api_key:
        raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.", status=401)


def check_signature(parameters: Parameters, query: str, body: str, api_secret: str) -> None:
    """The payload is query and body as they were sent, joined without a separator."""
    sent = parameters.text("signature").lower()
    payload = without_signature(query) + without_signature(body)
    expected = hmac.new(api_secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(sent.encode(), expected.encode()):
        raise ApiError(-1022, "Signature for this request is not valid.")


def without_signature(part: str) -> str:
    return "&".join(pair for pair in part.split("&") if not pair.startswith("signature="))


def check_time(parameters: Parameters, server_time: int) -> None:
    """Times are milliseconds since 1970."""
    timestamp = parameters.number("timestamp")
    window = parameters.number("recvWindow", 5000)
    if window > 60000:
        raise ApiError(
            -1102, "'recvWindow' contains unexpected value. Cannot be greater than '60000'."
        )
    if timestamp >= server_time + 1000:
        raise ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if server_time - timestamp > window:
        raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")
