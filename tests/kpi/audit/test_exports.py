"""Exports hold what the list shows, to the last digit, and nothing that a spreadsheet would run."""

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts.models import Transfer, User
from kpi.audit.models import AuditRecord
from kpi.models import KpiSnapshot
from market.kernel.console import exports
from market.kernel.console.exports import FORMULA_SIGNS
from market.kernel.console.figures import titled
from risk.engine import Intent
from tests.console import Clerk, D
from tests.kpi.audit.conftest import Tamper, commit
from trading.models import Liquidation, Order, Trade
from trading.services import place_order

pytestmark = pytest.mark.django_db

LISTS = {
    "trading/order": Order,
    "trading/trade": Trade,
    "trading/liquidation": Liquidation,
    "accounts/transfer": Transfer,
}
CSV, XLSX = "0", "1"
VERIFIER = re.search(r"```python\n(.*?)```", Path("docs/audit.md").read_text(), re.DOTALL)


def body(client: Client, path: str, file_format: str, query: str = "") -> bytes:
    answer = client.post(f"/admin/{path}/export/{query}", {"format": file_format, "resource": "0"})
    assert answer.status_code == 200
    assert "attachment" in answer["Content-Disposition"]
    return answer.content


def rows(client: Client, path: str, query: str = "") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body(client, path, CSV, query).decode())))


def sheet(client: Client, path: str) -> list[tuple[Any, ...]]:
    """Return the cells of each row; what reads them is loaded where somebody exports."""
    from openpyxl import load_workbook

    return list(load_workbook(io.BytesIO(body(client, path, XLSX))).worksheets[0].rows)


def values(client: Client, path: str) -> list[tuple[Any, ...]]:
    return [tuple(cell.value for cell in row) for row in sheet(client, path)]


def test_both_formats_hold_every_row(staff: Client) -> None:
    for path, model in LISTS.items():
        exported = rows(staff, path)
        expected = set(model.objects.values_list("id", flat=True))
        assert {int(row["id"]) for row in exported} == expected
        header, *cells = values(staff, path)
        texts = [[cell or "" for cell in row] for row in cells]
        assert list(header) == [titled(name) for name in exported[0]]
        assert texts == [list(row.values()) for row in exported]
        assert f"/admin/{path}/export/" in staff.get(f"/admin/{path}/").content.decode()
        assert staff.get(f"/admin/{path}/export/").status_code == 200


def test_amounts_and_times_are_exact(staff: Client) -> None:
    transfer = Transfer.objects.latest("id")
    row = rows(staff, "accounts/transfer")[0]
    assert (int(row["id"]), D(row["amount"])) == (transfer.pk, transfer.amount)
    assert row["amount"] == f"{transfer.amount:f}"
    assert row["created_at"] == transfer.created_at.isoformat(timespec="microseconds")
    assert row["created_at"].endswith("+00:00")


def test_no_text_of_a_user_becomes_a_formula(staff: Client, trader: User) -> None:
    names = [*(f"{sign}HYPERLINK(1)" for sign in FORMULA_SIGNS), "a\x01b", "a=1"]
    intent = Intent("ETHUSDT", True, D("0.01"))
    for name in names:
        place_order(user_id=trader.pk, intent=intent, client_order_id=name)
    exported = [row["client_order_id"] for row in rows(staff, "trading/order")]
    signed = [f"'{sign}HYPERLINK(1)" for sign in FORMULA_SIGNS]
    assert exported[: len(names)] == ["a=1", "a�b", *reversed(signed)]
    cells = [cell for row in sheet(staff, "trading/order") for cell in row]
    assert cells
    assert not [cell for cell in cells if cell.data_type == "f"]


def test_an_export_respects_the_filters(staff: Client, trader: User) -> None:
    statuses = {row["status"] for row in rows(staff, "trading/order", "?status__exact=REJECTED")}
    assert statuses == {"REJECTED"}
    owners = {row["username"] for row in rows(staff, "trading/order", "?q=beginner")}
    assert owners == {"beginner"}
    assert rows(staff, "trading/order", "?created_at_to=2020-01-01") == []


def test_too_many_rows_are_refused(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MOST_ROWS", 1)
    answer = staff.post("/admin/trading/order/export/", {"format": CSV, "resource": "0"})
    assert "narrow the list" in answer.content.decode()
    assert "attachment" not in answer.get("Content-Disposition", "")


def test_regulators_export_and_others_do_not(client: Client, exchange: None, clerk: Clerk) -> None:
    client.force_login(User.objects.get(username="regulator"))
    assert rows(client, "trading/order")
    assert client.get("/admin/trading/order/import/").status_code != 200
    stranger = clerk("view_trade")
    answer = stranger.post("/admin/trading/order/export/", {"format": CSV, "resource": "0"})
    assert answer.status_code == 403


def test_kpi_snapshots_are_exported(staff: Client) -> None:
    [row] = rows(staff, "kpi/kpisnapshot")
    snapshot = KpiSnapshot.objects.get()
    assert row["slot"] == snapshot.slot.isoformat(timespec="microseconds")
    assert row["global_exposure"] == f"{snapshot.global_exposure:f}"


def verified(path: Path) -> subprocess.CompletedProcess[str]:
    """Run the program of docs/audit.md on an export."""
    assert VERIFIER is not None
    program = [sys.executable, "-c", VERIFIER[1], str(path)]
    return subprocess.run(program, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_is_verified_without_us(
    trader: User, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    place_order(
        user_id=trader.pk,
        intent=Intent("ETHUSDT", True, D(500)),
        client_order_id='ÄÖ€ "q" \\ \x1f \u2028 😀',
    )
    commit()
    call_command("export_audit", format=form)
    export = tmp_path / f"audit.{form}"
    text = capsys.readouterr().out
    export.write_text(text, encoding="utf-8", newline="")
    last = AuditRecord.objects.latest("sequence").hash
    assert verified(export).stdout == f"sound; the last hash is {last}\n"
    export.write_text(text.replace("insufficient_margin", "insufficient_marg1n"), encoding="utf-8")
    forged = verified(export)
    assert (forged.returncode, "is altered" in forged.stderr) == (1, True)


def test_an_export_of_a_time_span(
    sealed: list[AuditRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("export_audit", "--since=2000-01-01", "--until=2000-02-01T00:00:00Z")
    assert capsys.readouterr().out == ""
    call_command("export_audit", "--since=2000-01-01")
    assert len(capsys.readouterr().out.splitlines()) == len(sealed)
    with pytest.raises(CommandError, match="is no time"):
        call_command("export_audit", "--since", "noon")


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_the_console_streams_the_trail(staff: Client, form: str) -> None:
    query = "?kind__exact=liquidation"
    page = staff.get(f"/admin/kpi/auditrecord/{query}").content.decode()
    url = reverse(f"admin:kpi_auditrecord_export_{form}") + query
    assert url in page
    answer = staff.get(url)
    assert answer.streaming
    text = b"".join(answer).decode()
    if form == "csv":
        kinds = [row["kind"] for row in csv.DictReader(io.StringIO(text))]
    else:
        kinds = [json.loads(line)["kind"] for line in text.splitlines()]
    assert kinds == ["liquidation"]


def test_the_page_of_a_record_leads_to_its_fact(staff: Client, sealed: list[AuditRecord]) -> None:
    record = next(record for record in sealed if record.kind == "liquidation")
    page = staff.get(f"/admin/kpi/auditrecord/{record.pk}/change/").content.decode()
    assert record.hash in page
    assert reverse("admin:trading_liquidation_change", args=[Liquidation.objects.get().pk]) in page
    for term in (str(record.sequence), record.reference, record.user.username):
        listed = staff.get("/admin/kpi/auditrecord/", {"q": term}).context["cl"].result_list
        assert record in listed, term


def test_verify_now_tells_the_result(
    staff: Client, sealed: list[AuditRecord], tamper: Tamper
) -> None:
    url = reverse("admin:kpi_auditrecord_verify")
    page = staff.post(url, {"_form_submitted": "on"}, follow=True).content.decode()
    assert "records are sound" in page
    tamper("UPDATE kpi_auditrecord SET user_id = 3 WHERE sequence = 2")
    page = staff.post(url, {"_form_submitted": "on"}, follow=True).content.decode()
    assert "record 2: altered" in page
    regulator = Client()
    regulator.force_login(User.objects.get(username="regulator"))
    assert regulator.post(url, {"_form_submitted": "on"}).status_code == 403
