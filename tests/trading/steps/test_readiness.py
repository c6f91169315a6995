"""A replay goes on when so many agents have said that they are done with the step."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from tests.conftest import ClientOf
from tests.trading.conftest import Marks, Trader
from trading.errors import AgentsMissing
from trading.steps.readiness import await_agents


def done(client: APIClient, body: Any) -> dict[str, Any]:
    return client.post("/market/ready", body, format="json").json()


def test_saying_it_twice_counts_once_and_an_ended_step_can_be_named(
    market: Any, marks: Marks, trader: Trader, client_of: ClientOf
) -> None:
    first, second = (client_of(trader("1000")) for _ in range(2))
    step = marks(BTCUSDT="65000").step
    assert first.get("/market/ready").json() == {"step": step, "ready": 0}
    for _ in range(2):
        assert first.post("/market/ready").json() == {"step": step, "ready": 1}
    assert done(second, {"step": step}) == {
        "step": step,
        "ready": 2,
    }
    refused = second.post("/market/ready", {"step": step + 1}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (400, "step_not_ended")
    assert refused.json()["step"] == step
    later = marks(BTCUSDT="65001").step
    assert first.get("/market/ready").json() == {"step": later, "ready": 0}
    assert done(first, {"step": step}) == {
        "step": later,
        "ready": 0,
    }
    assert done(first, {}) == {"step": later, "ready": 1}
    assert done(first, {"step": step}) == {
        "step": later,
        "ready": 1,
    }  # late, and takes nothing back
    for odd in (-1, "x", 2**63, 1.5):
        assert done(first, {"step": odd})["code"] == "validation_error"
    assert done(first, {"stepp": 1})["code"] == "unknown_field"


def test_a_replay_says_whom_it_waits_for_in_vain(
    market: Any, marks: Marks, trader: Trader, client_of: ClientOf, tmp_path: Path
) -> None:
    quick, slow = trader("1000"), trader("1000")
    before = marks(BTCUSDT="65000").step
    for user in (quick, slow):
        client_of(user).post("/market/ready")
    step = marks(BTCUSDT="65001").step
    client_of(quick).post("/market/ready")
    await_agents(count=1, step=step, since=before, patience=0)
    with pytest.raises(AgentsMissing, match=rf"1 of 2 .* waiting for {slow.username}\."):
        await_agents(count=2, step=step, since=before, patience=0)
    with pytest.raises(AgentsMissing, match="Another market step"):
        await_agents(count=3, step=before, since=before, patience=60)
    file = tmp_path / "btc.csv"
    file.write_text("1735689600000000,65002,65002,65002,65002\n")
    with pytest.raises(CommandError, match=r"1 of 3 .* have not been heard of yet"):
        call_command("replay", f"BTCUSDT={file}", "--wait-for", "3", "--patience", "0")
    with pytest.raises(CommandError, match=r"0 of 1 agents are done with step"):
        call_command("replay", f"BTCUSDT={file}", "--wait-for", "1", "--patience", "0")
