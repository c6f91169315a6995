"""A bundle is checked anywhere, and whatever was changed in it is found and named."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from django.core.management import CommandError, call_command

from kpi.audit.chain import HASHED, record_hash
from kpi.bundles.archive import Archive
from kpi.bundles.day import Day
from tests.kpi.bundles.conftest import Export, Files, files_of, zipped

Change = Callable[[Files], None]


def verify(*paths: Path) -> None:
    call_command("verify_audit", "--bundle", *map(str, paths))


def differences(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what is said about a bundle that is not sound."""
    capsys.readouterr()
    with pytest.raises(CommandError) as refused:
        verify(path)
    return capsys.readouterr().err + str(refused.value)


def forged(path: Path, files: Files) -> Path:
    """Write a bundle with a seal and hashes that fit, as somebody might who knows how."""
    manifest = json.loads(files["manifest.json"])
    for told in manifest["files"]:
        content = files[told["name"]]
        told |= {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    with path.open("wb") as file, Archive(file) as archive:
        for name, content in files.items():
            if name != "manifest.json":
                archive.add(name, [content])
        archive.add("manifest.json", [json.dumps(manifest).encode()])
    return path


def test_a_sound_bundle_is_sound(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verify(bundle)
    said = capsys.readouterr().out
    assert "is sound" in said
    assert bundle.read_bytes()[-64:].decode() in said


def test_each_byte_counts(bundle: Path) -> None:
    content = bundle.read_bytes()
    for place in [*Random(7).sample(range(len(content)), 100), 0, len(content) - 1]:
        changed = bytearray(content)
        changed[place] ^= 0x10
        bundle.write_bytes(changed)
        with pytest.raises(CommandError):
            verify(bundle)


def test_a_changed_file_is_named(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = files_of(bundle)
    files["transfers.csv"] = files["transfers.csv"].replace(b"deposit", b"deposix", 1)
    said = differences(zipped(bundle, files), capsys)
    assert "transfers.csv: its bytes are not those that the manifest tells of" in said


def remove(files: Files) -> None:
    del files["trades.csv"]


def add(files: Files) -> None:
    files["extra.csv"] = b"id\n1\n"


def swap(files: Files) -> None:
    files["trades.csv"], files["orders.csv"] = files["orders.csv"], files["trades.csv"]


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (remove, ["trades.csv is missing"]),
        (add, ["extra.csv was added"]),
        (swap, ["orders.csv: its columns", "trades.csv: its columns"]),
    ],
)
def test_files_that_come_or_go_are_named(
    bundle: Path, capsys: pytest.CaptureFixture[str], change: Change, names: list[str]
) -> None:
    files = files_of(bundle)
    change(files)
    said = differences(zipped(bundle, files), capsys)
    assert [name for name in names if name in said] == names


def drop_transfer(files: Files) -> None:
    lines = files["transfers.csv"].splitlines(keepends=True)
    files["transfers.csv"] = b"".join(lines[:-1])


def keep_rows(files: Files) -> None:
    files["transfers.csv"] = files["transfers.csv"].replace(
        b",10000.00000000,", b",10001.00000000,"
    )


def sell_more(files: Files) -> None:
    files["positions.csv"] = files["positions.csv"].replace(b",0.10000000,", b",0.20000000,")


def cheaper(files: Files) -> None:
    files["trades.csv"] = files["trades.csv"].replace(b",3200.00000000,", b",3199.00000000,", 1)


def rewrite_record(files: Files) -> None:
    """Change a fact and its record's own hash."""
    lines = files["audit.jsonl"].splitlines()
    record = json.loads(lines[4])
    record["reference"] += "0"
    record["hash"] = record_hash({name: record[name] for name in HASHED})
    lines[4] = json.dumps(record).encode()
    files["audit.jsonl"] = b"\n".join(lines) + b"\n"


def alter_record(files: Files) -> None:
    lines = files["audit.jsonl"].splitlines(keepends=True)
    lines[4] = lines[4].replace(b'"reference":"', b'"reference":"x')
    files["audit.jsonl"] = b"".join(lines)


def drop_record(files: Files) -> None:
    lines = files["audit.jsonl"].splitlines(keepends=True)
    files["audit.jsonl"] = b"".join(lines[:4] + lines[5:])


def hide_record(files: Files) -> None:
    """Drop a record from the middle, and let the manifest tell of the two runs that are left."""
    drop_record(files)
    manifest = json.loads(files["manifest.json"])
    [[first, last]] = manifest["audit"]["spans"]
    manifest["audit"]["spans"] = [[first, first + 3], [first + 5, last]]
    manifest["audit"]["records"] -= 1
    [told] = [one for one in manifest["files"] if one["name"] == "audit.jsonl"]
    told["rows"] -= 1
    files["manifest.json"] = json.dumps(manifest).encode()


def end_early(files: Files) -> None:
    """Drop the last record, and let the manifest tell of no more than are left."""
    files["audit.jsonl"] = b"".join(files["audit.jsonl"].splitlines(keepends=True)[:-1])
    manifest = json.loads(files["manifest.json"])
    manifest["audit"]["spans"][-1][1] -= 1
    [told] = [one for one in manifest["files"] if one["name"] == "audit.jsonl"]
    told["rows"] -= 1
    files["manifest.json"] = json.dumps(manifest).encode()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop_transfer, "transfers.csv: it has 5 rows, the manifest tells of 6"),
        (keep_rows, "its transfers do not lead to its balance"),
        (sell_more, "is not what its trades lead to"),
        (cheaper, "its notional is not its size times its price"),
        (alter_record, "record 5 was altered"),
        (rewrite_record, "record 6 does not follow record 5"),
        (drop_record, "audit.jsonl: it has"),
        (hide_record, "audit.jsonl: records 5 to 5 are missing"),
        (end_early, "audit.jsonl: they do not lead to record"),
    ],
)
def test_hashes_that_fit_hide_no_forgery(
    bundle: Path, capsys: pytest.CaptureFixture[str], change: Change, said: str
) -> None:
    files = files_of(bundle)
    change(files)
    assert said in differences(forged(bundle, files), capsys)


@pytest.mark.parametrize("name", ["../orders.csv", "/etc/passwd", "a/b.csv", "a\\b.csv", "run.exe"])
def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    path = zipped(tmp_path / "x.zip", {"manifest.json": b"{}", name: b"x"})
    with pytest.raises(CommandError, match="lead elsewhere"):
        verify(path)


def test_a_zip_bomb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"manifest.json": b"{}", "orders.csv": bytes(2_000_000)})
    with pytest.raises(CommandError, match="zip bomb"):
        verify(path)


def test_a_file_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("orders.csv", b"x")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("orders.csv", b"y")
    with pytest.raises(CommandError, match="twice"):
        verify(tmp_path / "x.zip")


@pytest.mark.usefixtures("collector_at_rest")
@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"bundle": "exchange_poc_day", "schema": 99}',
        b'{"bundle": "exchange_poc_day", "schema": []}',
        b'{"bundle": "exchange_poc_day", "schema": 1, "files": [{"name": 1}]}',
        b'{"bundle": "exchange_poc_day", "schema": 1, "files": [], "day": "2026-01-31", '
        b'"audit": 7}',
        b'{"bundle": "exchange_poc_day", "schema": 1, "files": [], "day": "2026-01-31", '
        b'"audit": {"spans": 5, '
        b'"before": {"sequence": 0, "hash": ""}, "after": {"sequence": 0, "hash": ""}}}',
        b'{"bundle": "exchange_poc_day", "schema": 1, "files": [], "day": "2026-01-31", '
        b'"audit": {"spans": [], '
        b'"before": {"sequence": 0, "hash": ""}, "after": {"sequence": Infinity, "hash": ""}}}',
    ],
)
def test_what_is_no_bundle_is_refused_in_a_sentence(tmp_path: Path, manifest: bytes) -> None:
    with pytest.raises(CommandError):
        verify(zipped(tmp_path / "x.zip", {"manifest.json": manifest}))
    (tmp_path / "y.zip").write_bytes(manifest)
    with pytest.raises(CommandError, match="no zip archive"):
        verify(tmp_path / "y.zip")
    with pytest.raises(CommandError, match=r"cannot be read|no zip archive"):
        verify(tmp_path / "nowhere.zip")


def test_a_terminal_is_told_no_commands(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = files_of(bundle)
    files["manifest.json"] = files["manifest.json"].replace(b'"trades.csv"', b'"\\u001b[2J"')
    said = differences(zipped(bundle, files), capsys)
    assert r"\x1b[2J is missing" in said
    assert "\x1b" not in said
    manifest = json.loads(files["manifest.json"]) | {"day": "\x1b[2J"}
    files["manifest.json"] = json.dumps(manifest).encode()
    with pytest.raises(CommandError, match="tells of no day"):
        verify(zipped(bundle, files))


def test_a_line_without_an_end_is_not_read_whole(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = files_of(bundle)
    files["orders.csv"] += b"".join(b"%d" % n for n in range(200_000))
    assert "a line is longer than" in differences(forged(bundle, files), capsys)


def test_days_that_follow_each_other_join(
    export: Export, today: Day, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = export(), export(name="next.zip", days=2, day=today.next)
    verify(first, second)
    files = files_of(second)
    files["balances.csv"] = files["balances.csv"].replace(b",10000.00000000", b",10000.00000001")
    forged(second, files)
    capsys.readouterr()
    with pytest.raises(CommandError):
        verify(first, second)
    assert "does not begin with the balance of day.zip" in capsys.readouterr().err
    manifest = json.loads(files["manifest.json"])
    for head in ("before", "after"):
        manifest["audit"][head]["hash"] = "f" * 64
    files["manifest.json"] = json.dumps(manifest).encode()
    forged(second, files)
    with pytest.raises(CommandError):
        verify(first, second)
    assert "the audit trail does not go on from day.zip" in capsys.readouterr().err
