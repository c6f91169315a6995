"""``sweep_liquidations``: close out accounts in breach, now; exit 1 if one failed."""

from typing import Any

from django.core.management.base import BaseCommand

from trading.liquidation.sweep import sweep_liquidations
from trading.management.arguments import must_be_finished
from trading.steps.reporting import describe_liquidation


class Command(BaseCommand):
    help = "Close out every account with less equity than its positions require."

    def handle(self, *args: Any, **options: Any) -> None:
        sweep = sweep_liquidations()
        for liquidation in sweep.liquidations:
            self.stdout.write(describe_liquidation(liquidation))
        self.stdout.write(f"{len(sweep.liquidations)} account(s) liquidated.")
        must_be_finished(sweep.unfinished)
