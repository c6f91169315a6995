"""Signatures are those of the venue's documentation, and credentials stay out of sight."""

import pytest

from market.binance.client import BinanceClient
from market.binance.signing import Credentials, encoded
from tests.each import each

KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"

EXAMPLE = {
    "symbol": "LTCBTC",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "1",
    "price": "0.1",
    "recvWindow": "5000",
    "timestamp": "1499827319559",
}
PAYLOAD = (
    "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
    "&recvWindow=5000&timestamp=1499827319559"
)


@pytest.mark.parametrize(
    ("symbol", "payload", "signature"),
    [
        ("LTCBTC", PAYLOAD, "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
        (
            "１２３４５６",
            PAYLOAD.replace("LTCBTC", "%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96"),
            "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
        ),
    ],
)
def test_documented_examples(symbol: str, payload: str, signature: str) -> None:
    signed = Credentials(KEY, SECRET).sign({**EXAMPLE, "symbol": symbol})
    assert signed == f"{payload}&signature={signature}"


def test_query_and_body_are_signed_without_a_separator() -> None:
    query, body = PAYLOAD.split("&quantity", 1)
    assert (
        Credentials(KEY, SECRET).signature(f"{query}quantity{body}")
        == "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77"
    )


def test_every_reserved_character_is_encoded() -> None:
    assert encoded({"a": "x/y:z", "b": "1 +&=~"}) == "a=x%2Fy%3Az&b=1%20%2B%26%3D~"


def test_no_representation_shows_credentials() -> None:
    client = BinanceClient(base_url="https://venue.invalid", api_key=KEY, api_secret=SECRET)
    credentials = Credentials(KEY, SECRET)
    for text in (repr(credentials), str(credentials), repr(client), str(vars(client))):
        assert KEY not in text
        assert SECRET not in text


@each("url", ["", "venue.invalid", "ftp://venue.invalid", "https://"])
def test_base_url_must_be_one(url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        BinanceClient(base_url=url)
