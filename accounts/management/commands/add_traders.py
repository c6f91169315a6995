"""``add_traders``: many traders with accounts and API keys, by a prefix."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from accounts.key_file import KeyFile
from accounts.key_terms import KeyTerms
from accounts.models import KeyScopes, Tier
from accounts.traders import MOST_TRADERS, add_traders, names_in_use, trader_names
from market.kernel.errors import ExchangeError

#: How many names of those that are skipped are told.
TOLD: Final = 5


class Command(BaseCommand):
    help = (
        "Create the traders PREFIX-1 to PREFIX-COUNT, each with an account, an opening deposit "
        "and one API key. Those that exist are left as they are, so that a call can be repeated, "
        "or made again with a higher count. The keys stand in the file of --keys and nowhere else."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--count", type=number, required=True, help=f"How many, up to {MOST_TRADERS}."
        )
        parser.add_argument(
            "--keys", type=Path, required=True, help="A new CSV file: user_id, username, api_key."
        )
        parser.add_argument("--prefix", default="agent", help="Of their names (agent).")
        parser.add_argument(
            "--tier", choices=Tier.values, default=Tier.BEGINNER.value, help="(beginner)"
        )
        parser.add_argument(
            "--balance", type=amount, help="USDT to open with; left out: the account policy's."
        )
        parser.add_argument(
            "--scopes",
            choices=KeyScopes.values,
            default=KeyScopes.READ_TRADE.value,
            help="Of the keys (read trade).",
        )
        parser.add_argument(
            "--expires-at", type=instant, help="Of the keys, ISO 8601; left out: never."
        )
        parser.add_argument(
            "--networks",
            nargs="+",
            default=(),
            help="Where the keys may be used from, such as 192.0.2.0/24; left out: anywhere.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            names = trader_names(prefix=options["prefix"], count=options["count"])
            taken = names_in_use(names)
            new = [name for name in names if name not in taken]
            self.tell_skipped([name for name in names if name in taken])
            if new:
                self.add(new, **options)
            else:
                self.stdout.write("Nothing to do: all of them exist.")
        except ExchangeError as error:
            raise CommandError(str(error)) from error

    def add(
        self,
        names: Sequence[str],
        *,
        keys: Path,
        tier: str,
        balance: Decimal | None,
        verbosity: int,
        scopes: str,
        expires_at: datetime | None,
        networks: Sequence[str],
        **_: Any,
    ) -> None:
        terms = KeyTerms(scopes, expires_at, networks)
        bar = tqdm(names, desc="Traders", unit="trader", disable=verbosity == 0)
        file = KeyFile(keys)
        try:
            with file:
                add_traders(
                    names=bar,
                    tier=Tier(tier),
                    opening_balance=balance,
                    keep=file.keep,
                    terms=terms,
                )
        except FileExistsError:
            raise CommandError(f"{keys} exists; keys are only written to a new file.") from None
        except OSError as error:
            raise CommandError(f"{keys}: {error.strerror}; nothing was done.") from error
        except Exception as error:
            if file.is_whole:
                raise CommandError(
                    f"{error}\nWhether the traders exist is not known. Their keys are kept in "
                    f"{keys}: repeat the call with another file, and those that exist are skipped."
                ) from error
            raise
        self.stdout.write(
            f"Created {len(names)} {tier} trader(s), {names[0]} to {names[-1]}; "
            f"their keys are in {keys}, and nowhere else."
        )

    def tell_skipped(self, names: Sequence[str]) -> None:
        if names:
            more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
            self.stdout.write(
                f"Skipped {', '.join(names[:TOLD])}{more}: they exist, and keep tier, balance "
                "and keys."
            )


def number(text: str) -> int:
    """Read how many traders. Raises ArgumentTypeError."""
    if not text.isdecimal() or len(text) > 4 or not 1 <= int(text) <= MOST_TRADERS:
        raise ArgumentTypeError(f"{text!r} is no whole number from 1 to {MOST_TRADERS}.")
    return int(text)


def amount(text: str) -> Decimal:
    """Read an amount of USDT. Raises ArgumentTypeError."""
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ArgumentTypeError(f"{text!r} is no number.") from None


def instant(text: str) -> datetime:
    """Read an instant, in UTC where it names no zone. Raises ArgumentTypeError."""
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text!r} is no instant like 2027-01-31T12:00:00Z.") from None
