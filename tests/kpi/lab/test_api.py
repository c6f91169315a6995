"""Studies over the API: what staff and regulators read, page by page, as JSON and as CSV."""

import csv
import io
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group

from accounts.access import REGULATORS
from accounts.models import User
from kpi.lab.answers.compare import compare
from kpi.lab.columns import COLUMNS
from kpi.lab.models import LabStudy
from kpi.lab.selectors import results_of
from kpi.lab.services import store_answer
from tests.conftest import ApiClient, ClientOf
from tests.each import each
from tests.kpi.lab.stored import compute, store, study

pytestmark = pytest.mark.django_db
Get = Callable[[str], ApiClient]


@pytest.fixture
def regulator(client_of: ClientOf) -> ApiClient:
    user = User.objects.create_user("regulator", is_staff=True)
    user.groups.add(Group.objects.get(name=REGULATORS))
    return client_of(user)


def answered() -> LabStudy:
    """A study whose cells are done, with its comparison."""
    stored = store()
    compute(stored)
    comparison = compare(study(), results_of(stored))
    store_answer(study=stored, comparison=comparison, manifest={"seeds": [1, 2]})
    return stored


def test_traders_see_no_study(api: ApiClient) -> None:
    stored = store()
    for path in ("", f"/{stored.pk}", f"/{stored.pk}/cells", f"/{stored.pk}/cells?format=csv"):
        answer = api.get(f"/lab/studies{path}")
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied"), path


def test_studies_are_listed_newest_first_with_their_progress(regulator: ApiClient) -> None:
    compute(store(), most=2)
    store(name="more", seeds=(1, 2, 3))
    page = regulator.get("/lab/studies?page_size=1").json()
    [latest] = page["results"]
    assert (latest["name"], latest["state"]) == ("more", "queued")
    assert latest["cells"] == {"total": 9, "queued": 7, "running": 0, "done": 2, "failed": 0}
    [first] = regulator.get(page["next"]).json()["results"]
    assert (first["name"], first["cells"]["done"]) == ("caps", 2)
    assert [policy["name"] for policy in first["policies"]] == ["seed", "esma", "none"]


def test_a_study_tells_its_answer(regulator: ApiClient) -> None:
    body = regulator.get(f"/lab/studies/{answered().pk}").json()
    assert body["state"] == "done"
    assert body["comparison"]["baseline"] == "seed"
    assert body["manifest"] == {"seeds": [1, 2]}
    waiting = regulator.get(f"/lab/studies/{store(name='more', seeds=(7,)).pk}").json()
    assert (waiting["answer"], waiting["comparison"], waiting["state"]) == (None, None, "queued")


@each("path", ["/{}", "/{}/cells", "/{}/cells?format=csv"])
@each("key", ["0", "999", "9" * 30])
def test_an_unknown_study_is_not_found(regulator: ApiClient, path: str, key: str) -> None:
    answer = regulator.get(f"/lab/studies{path.format(key)}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_cells_are_pages_of_json(regulator: ApiClient) -> None:
    stored = answered()
    page = regulator.get(f"/lab/studies/{stored.pk}/cells?page_size=4").json()
    rest = regulator.get(page["next"]).json()
    cells = page["results"] + rest["results"]
    assert (len(page["results"]), len(cells), rest["next"]) == (4, 6, None)
    assert {(cell["policy"], cell["seed"]) for cell in cells} == {
        (name, seed) for name in ("seed", "esma", "none") for seed in (1, 2)
    }
    assert all(cell["metrics"]["bad_debt"].endswith(".5") for cell in cells)


def test_cells_are_one_csv(regulator: ApiClient) -> None:
    stored = answered()
    for query, headers in (("?format=csv", {}), ("", {"HTTP_ACCEPT": "text/csv"})):
        answer = regulator.get(f"/lab/studies/{stored.pk}/cells{query}", **headers)
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        text = b"".join(answer.streaming_content).decode()
        rows = list(csv.DictReader(io.StringIO(text)))
        assert tuple(rows[0]) == COLUMNS
        assert [row["policy"] for row in rows] == ["seed", "esma", "none"] * 2
        assert {row["bad_debt"][-2:] for row in rows} == {".5"}
    answer = regulator.get(f"/lab/studies/{stored.pk}/cells?format=xml")
    assert (answer.status_code, set(answer.json()["errors"])) == (400, {"format"})


@each(
    ("method", "query", "accept", "status"),
    [
        ("options", "?format=csv", "*/*", 200),
        ("options", "", "text/csv", 200),
        ("get", "", "text/html", 406),
        ("post", "?format=csv", "*/*", 403),
    ],
)
def test_all_else_of_cells_is_said_in_json(
    regulator: ApiClient, method: str, query: str, accept: str, status: int
) -> None:
    path = f"/lab/studies/{store().pk}/cells{query}"
    answer = getattr(regulator, method)(path, HTTP_ACCEPT=accept)
    assert answer.status_code == status
    assert answer.json()
