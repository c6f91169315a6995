"""``kill``: hold all, a user or an instrument back and cancel what is open; exit 1 if not all.

It shows how far it is. Interrupted, it is run again: the state stands, and the act goes on.
"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from market.kernel.console.figures import counted
from market.kernel.errors import ExchangeError
from market.kernel.states import TradingState
from trading.models import Kill
from trading.venues.kill import kill, scope_named

STATES = {state.lower(): state for state in (TradingState.HALTED, TradingState.REDUCING)}


class Command(BaseCommand):
    help = "Halt everybody, a user or an instrument, or let only reduce, and cancel open orders."

    def add_arguments(self, parser: ArgumentParser) -> None:
        scope = parser.add_mutually_exclusive_group(required=True)
        scope.add_argument("--everybody", action="store_true", help="the whole exchange")
        scope.add_argument("--user", help="a username")
        scope.add_argument("--symbol", help="an instrument")
        parser.add_argument("--state", choices=STATES, default="halted")
        parser.add_argument("--reason", required=True, help="kept in the audit trail for good")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            scope = scope_named(username=options["user"], symbol=options["symbol"])
            act = kill(
                scope=scope,
                state=STATES[options["state"]],
                reason=options["reason"],
                told=self.tell,
            )
        except ExchangeError as error:
            raise CommandError(error.detail) from error
        orders = counted(act.canceled, "order")
        if act.finished_at is None:
            raise CommandError(f"{act}: {orders} cancelled, some are left. Run it again.")
        self.stdout.write(f"{act}: {act.state}, {orders} cancelled.")

    def tell(self, act: Kill) -> None:
        self.stdout.write(f"{counted(act.canceled, 'order')} cancelled so far")
