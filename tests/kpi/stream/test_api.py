"""The way to a stream, and who may take it."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.test import Client, RequestFactory

from accounts.errors import KeyExpired, NetworkNotAllowed
from accounts.keys import issue_api_key
from accounts.models import ApiKey, User
from kpi.errors import InvalidTicket
from kpi.stream.api import user_of
from kpi.stream.frames import KEY_EXPIRED, KEY_REVOKED, NETWORK_NOT_ALLOWED
from kpi.stream.holders import Holder, farewells
from kpi.stream.tickets import Ticket, read_ticket
from tests.conftest import ApiClient, ClientOf
from tests.each import each

pytestmark = pytest.mark.django_db


def query_of(location: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(location).query))


def test_it_leads_to_the_stream_server_with_a_ticket_of_the_key(api: ApiClient, user: User) -> None:
    answer = api.get("/stream?channels=trades,marks,marks", headers={"last-event-id": "1.2.3:9:4"})
    assert (answer.status_code, answer["Cache-Control"]) == (307, "no-store")
    assert answer["Location"].startswith("http://testserver:8001/stream?")
    query = query_of(answer["Location"])
    assert (query["channels"], query["last_event_id"]) == ("marks,trades", "1.2.3:9:4")
    ticket = read_ticket(query["ticket"])
    assert (ticket.user_id, ticket.channels, ticket.whose) == (user.pk, "marks,trades", "")
    assert ticket.key_id is not None


@each(
    ("query", "status", "code"),
    [
        ("channels=news", 400, "validation_error"),
        ("channels=marks,", 400, "validation_error"),
        ("user_id=everybody", 400, "validation_error"),
        ("channel=marks", 400, "unknown_parameter"),
        ("last_event_id=garbage", 400, "invalid_last_event_id"),
        ("user_id=all", 403, "permission_denied"),
        ("user_id=999999", 403, "permission_denied"),
        ("channels=kpi", 403, "permission_denied"),
    ],
)
def test_what_is_not_granted_is_said_at_once(
    api: ApiClient, query: str, status: int, code: str
) -> None:
    answer = api.get(f"/stream?{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_the_console_leads_there_too(user: User, client: Client) -> None:
    assert client.get("/admin/stream/").status_code == 403
    clerk = User.objects.create_user("clerk", is_staff=True)
    client.force_login(clerk)
    answer = client.get("/admin/stream/?channels=kpi,marks&user_id=all")
    assert answer.status_code == 307
    ticket: Ticket = read_ticket(query_of(answer["Location"])["ticket"])
    assert (ticket.key_id, ticket.user_id, ticket.whose) == (None, clerk.pk, "all")
    assert client.get("/admin/stream/?channels=x").status_code == 400


def test_a_person_of_the_same_number_is_another_one(client: Client) -> None:
    clerk = User.objects.create_user("clerk", password="before", is_staff=True)
    client.force_login(clerk)
    location = client.get("/admin/stream/?channels=marks")["Location"]
    ticket = read_ticket(query_of(location)["ticket"])
    request = RequestFactory().get("/stream")
    assert user_of(ticket, request) == clerk
    holder = Holder(None, clerk.pk, is_staff=True, person=ticket.person)
    assert farewells([holder]) == {}
    clerk.set_password("after")  # as whoever has the number after a restore has another one
    clerk.save()
    with pytest.raises(InvalidTicket):
        user_of(ticket, request)
    assert farewells([holder]) == {holder: KEY_REVOKED}


def test_streams_end_as_the_terms_of_their_keys_do(user: User) -> None:
    key, _ = issue_api_key(user=user, reason="A test")
    holder = Holder(key.pk, user.pk, is_staff=False, address="192.0.2.7")
    ticket = Ticket(key.pk, user.pk, "marks", "", time.time() + 600, "http://exchange")
    request = RequestFactory().get("/stream", REMOTE_ADDR="192.0.2.7")
    assert (farewells([holder]), user_of(ticket, request)) == ({}, user)
    for limit, closing, refusal in (
        ({"networks": ["192.0.2.0/29"]}, NETWORK_NOT_ALLOWED, NetworkNotAllowed),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, KEY_EXPIRED, KeyExpired),
        ({"revoked_at": datetime(2020, 1, 1, tzinfo=UTC)}, KEY_REVOKED, InvalidTicket),
    ):
        ApiKey.objects.filter(pk=key.pk).update(**limit)
        if closing is NETWORK_NOT_ALLOWED:
            assert farewells([holder]) == {}
            holder = replace(holder, address="192.0.2.8")
            request.META["REMOTE_ADDR"] = "192.0.2.8"
        assert farewells([holder]) == {holder: closing}
        with pytest.raises(refusal):
            user_of(ticket, request)


def test_regulators_watch_everybody(client_of: ClientOf) -> None:
    regulator = User.objects.create_user("regulator", is_staff=True)
    assert client_of(regulator).get("/stream?user_id=all&channels=kpi").status_code == 307
