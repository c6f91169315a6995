"""What a call does not understand it refuses by name, and it says what may have been meant."""

from typing import Any
from urllib.parse import urlencode

import pytest

from accounts.models import User
from tests.conftest import ApiClient
from tests.each import each


def refusal(api: ApiClient, path: str, **query: Any) -> dict[str, Any]:
    answer = api.get(f"{path}?{urlencode(query, doseq=True)}")
    assert answer.status_code == 400, answer.content
    body: dict[str, Any] = answer.json()
    return body


@each(
    ("sent", "meant"),
    [
        ("symbl", "Did you mean symbol?"),
        ("pageSize", "Did you mean page_size?"),
        ("page-size", "Did you mean page_size?"),
        ("SINCE", "Did you mean since?"),
    ],
)
def test_the_nearest_known_name_is_told(api: ApiClient, sent: str, meant: str) -> None:
    assert refusal(api, "/trades", **{sent: "1"}) == {
        "detail": f"Unknown parameter {sent}. {meant}",
        "code": "unknown_parameter",
        "errors": {sent: [meant]},
    }


def test_where_none_is_near_all_are_told(api: ApiClient) -> None:
    there_is = "There is: cursor, page_size, user_id, symbol, since, until."
    assert refusal(api, "/trades", qty="1")["errors"] == {"qty": [there_is]}
    assert refusal(api, "/market/prices", qty="1")["errors"] == {"qty": ["This call takes none."]}


def test_long_and_many_names_are_quoted_in_part(api: ApiClient) -> None:
    told = refusal(api, "/trades", **{f"{n}{'x' * 5_000}": 1 for n in range(500)})
    assert len(told["errors"]) == 10
    assert max(len(name) for name in told["errors"]) == 64
    assert len(told["detail"]) < 2_000


def test_a_parameter_that_is_given_twice_is_refused(api: ApiClient) -> None:
    told = refusal(api, "/trades", symbol=["BTCUSDT", "ETHUSDT"])
    assert (told["code"], set(told["errors"])) == ("validation_error", {"symbol"})


def test_a_token_is_asked_for_first(anonymous: ApiClient) -> None:
    assert anonymous.get("/trades?symbl=x").status_code == 401
    assert anonymous.get("/time?symbl=x").json()["code"] == "unknown_parameter"


def test_a_wrong_method_is_told_before_its_parameters(api: ApiClient) -> None:
    assert api.delete("/trades?symbl=x").status_code == 405
    assert api.options("/trades?symbl=x").status_code == 200
    assert api.head("/trades?symbl=x").status_code == 400


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=b", "text/plain"])
def test_a_body_that_no_call_reads_is_refused(api: ApiClient, kind: str) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="symbol"\r\n\r\nX\r\n--b--\r\n'
    answer = api.generic("POST", "/market/tick", part, content_type=kind)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@each(
    ("body", "kind"),
    [
        (b"", ""),
        (b"", "application/json"),
        (b"{}", "application/json"),
        (b"", "application/x-www-form-urlencoded"),
        (b"--b--\r\n", "multipart/form-data; boundary=b"),
    ],
)
def test_a_call_that_reads_no_body_takes_an_empty_one(
    api: ApiClient, body: bytes, kind: str
) -> None:
    assert api.generic("POST", "/market/tick", body, content_type=kind).status_code == 200


def test_a_list_of_somebody_is_for_them_and_for_staff(api: ApiClient, user: User) -> None:
    other = User.objects.create_user("other")
    assert api.get(f"/trades?user_id={user.pk}").status_code == 200
    assert api.get(f"/trades?user_id={other.pk}").json()["code"] == "permission_denied"
    assert api.get(f"/account/me?user_id={other.pk}").json()["code"] == "permission_denied"
    assert api.get(f"/account/{user.pk}?user_id={other.pk}").status_code == 403
    User.objects.filter(pk=user.pk).update(is_staff=True)
    assert api.get(f"/trades?user_id={other.pk}").json()["results"] == []
    assert api.get(f"/account/{user.pk}?user_id={other.pk}").status_code == 403
