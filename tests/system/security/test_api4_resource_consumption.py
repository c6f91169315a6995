"""API4: no input, however large or odd, costs more than a refusal; never a 500."""

import json
from copy import copy
from typing import Any
from urllib.parse import urlencode

import pytest

from accounts.models import User
from tests.conftest import ApiClient
from tests.each import each
from trading.models import Order

PATHS = ("/auth/token", "/orders", "/orders/batch")
ORDER = {"symbol": "BTCUSDT", "side": "buy", "size": "0.001"}
MEGABYTE = 1_048_576


def sent(client: ApiClient, path: str, body: bytes | str, **headers: str) -> Any:
    return client.generic("POST", path, body, content_type="application/json", headers=headers)


@pytest.mark.usefixtures("collector_at_rest")
@each(
    ("body", "status"),
    [
        (b'{"size": "' + b"9" * MEGABYTE + b'"}', 413),
        (b" " * (MEGABYTE + 1), 413),
        (b"[" * 500_000, 400),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400),
        (b'{"a": ' + b"9" * 100_000 + b"}", 400),
        (b'{"a": 1e' + b"9" * 1_000 + b"}", 400),
        (b'{"a": NaN}', 400),
        (b'{"a": -Infinity}', 400),
        (b'{"api_key": "x", "api_key": "y"}', 400),
        (b'{"orders": [{"size": 1, "size": 2}]}', 400),
        (b"\xef\xbb\xbf{}", 400),
        (b"\xff\xfe{\x00}\x00", 400),
        (b'{"a": "\x00"}', 400),
        (b"", 400),
        (b"null", 400),
        (b'"text"', 400),
        (b"[]", 400),
        (b"{}{}", 400),
    ],
)
def test_a_monstrous_body_is_refused(intruder: ApiClient, body: bytes, status: int) -> None:
    for path in PATHS:
        answer = sent(intruder, path, body)
        assert answer.status_code == status
        assert answer.json()["code"] in {"parse_error", "validation_error", "body_too_large"}


ODD_NUMBERS = [
    "NaN",
    "sNaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "1e-400",
    "1e999999999",
    "9" * 5_000,
    "0." + "0" * 5_000 + "1",
    "-1",
    "-0",
    "0",
    "0x10",
    "1_000",
    "1,5",
    "٣",
    "½",
    "",
    " ",
    "0.001\0",
    None,
    True,
    [],
    ["0.001"],
    {"value": "0.001"},
]


@pytest.mark.parametrize("field", ["size", "price"])
def test_an_odd_number_is_refused_with_a_code(intruder: ApiClient, field: str) -> None:
    for value in ODD_NUMBERS:
        body = {**ORDER, "type": "limit", "price": "60000", field: value}
        answer = intruder.post("/orders", body)
        [result] = intruder.post("/orders/batch", {"orders": [body]}).json()["results"]
        assert answer.status_code == result["status_code"] == 400, value
        assert answer.json()["code"] == result["code"]
        assert result["code"] in {"validation_error", "invalid_size", "invalid_price"}, value


@each("raw", ["1e400", "1e-400", "9" * 4_000, "-0.0", "1E-5", "0." + "1" * 900])
def test_an_odd_json_number_is_refused(intruder: ApiClient, raw: str) -> None:
    for field in ("price", "leverage", "user_id"):
        body = json.dumps({**ORDER, "type": "limit", "price": "1", field: "@"})
        answer = sent(intruder, "/orders", body.replace('"@"', raw))
        assert answer.status_code in {400, 403}, (field, answer.json())
        assert answer.json()["code"]


ODD_TEXTS = [
    "\0",
    "BTC\0USDT",
    "\ud800",
    "\u202eTDSUCTB",
    "💩" * 10,
    "ß" * 20,
    "İ" * 20,
    "A\u0301" * 500,
    "x" * 100_000,
    "'; DROP TABLE trading_order; --",
    "../../etc/passwd",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "%s%n%x",
    "${jndi:ldap://127.0.0.1:1/a}",
    "\r\nSet-Cookie: a=b",
]


@each("text", ODD_TEXTS)
def test_an_odd_text_is_stored_as_it_is_or_refused(intruder: ApiClient, text: str) -> None:
    for field in ("symbol", "side", "type", "client_order_id", "reduce_only"):
        answer = sent(intruder, "/orders", json.dumps({**ORDER, field: text}))
        if answer.status_code == 200:
            assert field == "client_order_id"
            assert answer.json()["order"]["client_order_id"] == text.strip()
            assert Order.objects.filter(client_order_id=text.strip()).count() == 1
        else:
            assert answer.status_code == 400
            assert answer.json()["code"] in {"validation_error", "parse_error", "unknown_symbol"}


def test_an_odd_filter_is_refused_or_finds_nothing(intruder: ApiClient) -> None:
    for text in ODD_TEXTS:
        for path in ("/orders", "/trades", "/positions", "/liquidations"):
            for name in ("symbol", "since", "cursor", "page_size"):
                query = {name: text[:1_000].encode(errors="replace")}
                answer = intruder.get(path, query)
                assert answer.status_code in {200, 400, 404}, (path, name, answer.json())


@each("path", ["/kpi/history", "/market/candles/BTCUSDT", "/market/tick"])
def test_an_odd_parameter_is_refused(intruder: ApiClient, path: str) -> None:
    call = intruder.post if path == "/market/tick" else intruder.get
    names = ("metric", "window", "step", "symbols", "symbol", "interval", "limit", "since", "until")
    for text in ODD_TEXTS:
        for name in names:
            query = urlencode({name: text[:1_000]}, errors="replace")
            answer = call(f"{path}?{query}")
            assert answer.status_code in {200, 400, 404}, (name, answer.json())


def test_no_page_is_larger_than_500_rows(victim: User, staff: ApiClient) -> None:
    refused = Order(
        account_id=victim.account.pk,
        symbol="NONE",
        side="buy",
        type="market",
        size=1,
        status="REJECTED",
        accepted_as="REJECTED",
        reject_code="unknown_symbol",
        created_at=victim.date_joined,
        updated_at=victim.date_joined,
    )
    Order.objects.bulk_create(copy(refused) for _ in range(510))
    for size, rows in (("500", 500), ("", 50)):
        assert len(staff.get("/orders", {"page_size": size}).json()["results"]) == rows
    for size in ("501", "100000", "9" * 50, "-1", "0", "1e3", "NaN"):
        answer = staff.get("/orders", {"page_size": size})
        assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")
        assert set(answer.json()["errors"]) == {"page_size"}


@each("limit", ["0", "-1", "100000000", "NaN", "9" * 50])
def test_no_candles_beyond_their_bound(intruder: ApiClient, limit: str) -> None:
    answer = intruder.get("/market/candles/BTCUSDT", {"limit": limit})
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")


@each("count", [0, 51, 20_000])
def test_a_batch_holds_one_to_fifty_orders(intruder: ApiClient, count: int) -> None:
    before = Order.objects.count()
    answer = intruder.post("/orders/batch", {"orders": [ORDER] * count})
    assert answer.status_code in {400, 413}
    assert Order.objects.count() == before


@each("entry", [None, 1, "x", [], [[]], {}, {"orders": []}, True])
def test_an_odd_entry_of_a_batch_harms_no_other(intruder: ApiClient, entry: Any) -> None:
    answer = intruder.post("/orders/batch", {"orders": [ORDER, entry, ORDER]})
    assert answer.status_code == 200
    assert [r["status_code"] for r in answer.json()["results"]] == [200, 400, 200]


@each("orders", [None, 1, "x" * 50, {"0": ORDER}, [[ORDER]] * 51])
def test_what_is_no_batch_is_refused(intruder: ApiClient, orders: Any) -> None:
    answer = intruder.post("/orders/batch", {"orders": orders})
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")


def test_a_claimed_length_is_not_trusted(intruder: ApiClient) -> None:
    answer = sent(intruder, "/orders", json.dumps(ORDER)[:20])
    assert answer.status_code == 400
    answer = intruder.generic(
        "POST", "/orders", b"{}", content_type="application/json", CONTENT_LENGTH="-5"
    )
    assert answer.status_code == 400


@each(
    "content_type",
    ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/xml", ""],
)
def test_no_other_format_is_read(intruder: ApiClient, content_type: str) -> None:
    answer = intruder.generic("POST", "/orders", b"<a/>", content_type=content_type)
    assert answer.status_code in {400, 415}


def test_long_queries_and_headers_are_survived(intruder: ApiClient) -> None:
    assert intruder.get("/orders?" + "&".join(f"a{n}=1" for n in range(5_000))).status_code == 400
    assert intruder.get("/orders", headers={"Accept": "x/y," * 5_000}).status_code in {200, 406}
    assert intruder.get("/" + "a/" * 5_000).status_code == 404
