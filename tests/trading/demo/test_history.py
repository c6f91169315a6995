"""``seed_demo --traders``: what it refuses; tests/system/demo lets it make a history."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from tests.each import each

pytestmark = pytest.mark.django_db


def seed(*options: str) -> str:
    out = StringIO()
    call_command("seed_demo", "--days", "1", *options, stdout=out, verbosity=0)
    return out.getvalue()


def test_a_history_needs_an_empty_exchange() -> None:
    seed()
    with pytest.raises(CommandError, match="needs an empty exchange"):
        seed("--traders", "3")
    assert "no demo data added" in seed("--traders", "3", "--if-empty")


@each("option", ["--traders", "--days"])
@each("value", ["0", "-1", "1.5", "many"])
def test_counts_are_positive_whole_numbers(option: str, value: str) -> None:
    with pytest.raises(CommandError, match="whole number"):
        call_command("seed_demo", f"{option}={value}")
    assert not User.objects.exists()
