"""``set_price SYMBOL PRICE``: one market step at a price of your choice; exit 1 if one failed."""

from argparse import ArgumentParser
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from market.kernel.errors import ExchangeError
from trading.management.arguments import must_be_finished
from trading.steps.by_hand import set_price
from trading.steps.reporting import describe_step


class Command(BaseCommand):
    help = "Run one market step of SYMBOL with the mark price PRICE."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("symbol")
        parser.add_argument("price")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            price = Decimal(options["price"])
            result = set_price(symbol=options["symbol"], price=price)
        except InvalidOperation:
            raise CommandError(f"{options['price']!r} is no number.") from None
        except ExchangeError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(describe_step(result))
        must_be_finished(result.unfinished, result.unmarked)
