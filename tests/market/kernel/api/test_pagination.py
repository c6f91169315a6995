"""A cursor is a client's word: only one that a list handed out turns a page."""

from base64 import b64encode
from urllib.parse import quote

import pytest

from accounts.models import User
from tests.conftest import ApiClient
from tests.each import each

LISTS = ("/orders", "/trades", "/positions", "/liquidations", "/audit")
FORGED = [
    *("p=", "p=abc", "p=1.5", "p=\0", "p=NaN", "p=-1", "p=+1", "p= 1", "p=1e3", "p=Infinity"),
    *("p=9223372036854775808", "p=" + "9" * 400, "p=1_0", "o=x", "o=-1", "r=x", "r="),
    *("p=1\n", "p=1&o=%00", "o=" + "9" * 5_000),
]


@pytest.fixture
def staff(api: ApiClient) -> ApiClient:
    """A client that may read every list."""
    User.objects.update(is_staff=True)
    return api


@each("path", LISTS)
def test_a_forged_cursor_is_refused(staff: ApiClient, path: str) -> None:
    texts = [*(b64encode(forged.encode()).decode() for forged in FORGED), "garbage", "é", "\0"]
    for text in texts:
        answer = staff.get(f"{path}?cursor={quote(text)}")
        assert answer.status_code == 400, (text, answer.json())
        assert answer.json()["code"] in {"invalid_cursor", "bad_request"}


@each("path", LISTS)
def test_a_cursor_beyond_every_row_opens_an_empty_page(staff: ApiClient, path: str) -> None:
    for place in ("p=0", "p=9223372036854775807&r=1", "p=1&o=1000"):
        answer = staff.get(path, {"cursor": b64encode(place.encode()).decode()})
        assert (answer.status_code, answer.json()["results"]) == (200, [])
