"""``sweep_liquidations``: close out every account below the threshold, now."""

from typing import Any

from django.core.management.base import BaseCommand

from trading.liquidation import sweep_liquidations
from trading.reporting import describe_liquidation


class Command(BaseCommand):
    help = "Close out every account whose margin ratio is below the threshold."

    def handle(self, *args: Any, **options: Any) -> None:
        sweep = sweep_liquidations()
        for liquidation in sweep.liquidations:
            self.stdout.write(describe_liquidation(liquidation))
        self.stdout.write(f"{len(sweep.liquidations)} account(s) liquidated.")
