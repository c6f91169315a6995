"""Writes a small database of this very version, for the upgrade tests of all later ones.

For a release, from the project's root: ``.venv/bin/python -m tests.system.upgrade.dump``
"""

import gzip
import os
import subprocess
from decimal import Decimal
from typing import Final

import django

from exchange_poc.launcher.run import manage
from exchange_poc.launcher.servers import Servers, leased
from exchange_poc.launcher.signals import StopSignals
from exchange_poc.launcher.suite import own_local_dir
from exchange_poc.version import VERSION
from tests.system.upgrade.releases import FOLDER, SUFFIX

#: A day of a crash and of every kind of fact.
HISTORY: Final = ("--traders", "4", "--days", "1", "--seed", "7")
FORM: Final = ("--no-owner", "--no-privileges", "--inserts", "--rows-per-insert=1000")


def main() -> None:
    """Fill an exchange, have its books and its trail checked, and write the dump."""
    with (
        StopSignals() as stop,
        own_local_dir(stop=stop) as local,
        leased(local, stop=stop, throwaway=True) as servers,
    ):
        manage("migrate", "--noinput", "--verbosity", "0", stop=stop)
        manage("seed_demo", *HISTORY, "--verbosity", "0", stop=stop)
        watch_and_govern()
        manage("check_ledger", stop=stop)
        manage("verify_audit", stop=stop)
        text = dumped(servers)
    file = FOLDER / f"{VERSION}{SUFFIX}"
    file.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{file}: {file.stat().st_size:,} bytes, {len(text):,} unpacked")


def watch_and_govern() -> None:
    """Let the beat's tasks and staff do what a history of trades has none of."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "exchange_poc.settings")
    django.setup()
    from accounts.models import Account, AccountPolicy, User
    from accounts.policy import change_account_policy
    from accounts.services import suspend_account
    from kpi import tasks as watching
    from kpi.alerts.rules import change_rule
    from kpi.models import AlertRule
    from risk.models import LeverageLimit
    from risk.services import change_limits, change_policy
    from trading.steps.by_hand import set_price
    from trading.tasks import renew_bounds

    change_policy(changes={"price_collar": Decimal("0.25")}, reason="Calmer after the crash")
    advanced = LeverageLimit.objects.get(tier="advanced")
    change_limits(limit=advanced, changes={"max_leverage": 15}, reason="Fewer close-outs")
    change_account_policy(
        reason="Release",
        policy=AccountPolicy.objects.get(),
        changes={"opening_balance": Decimal(500)},
        by=User.objects.get(username="admin"),
    )
    suspend_account(reason="Release", account=Account.objects.get(user__username="beginner-2"))
    set_price(symbol="ETHUSDT", price=Decimal(3_000))
    change_rule(
        reason="Release",
        rule_id=AlertRule.objects.get(kind="mark_age").pk,
        changes={"threshold": 0},
    )
    for task in (renew_bounds, watching.beat_heart, watching.evaluate_alerts):
        task()
    for check in (watching.check_ledger, watching.seal_audit, watching.check_audit):
        check()


def dumped(servers: Servers) -> str:
    """Return the database as SQL, without what only psql understands."""
    [postgres] = [server for server in servers.all if server.name == "postgres"]
    program = postgres.quarters.postgres_programs() / "pg_dump"
    dump = subprocess.run(
        [program, *FORM, "--dbname", postgres.url], capture_output=True, text=True, check=True
    )
    lines = dump.stdout.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("\\"))


if __name__ == "__main__":
    main()
