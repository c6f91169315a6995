"""Demo data: three traders with well-known API keys, a staff user, two instruments, a fund."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from django.contrib.auth.models import Group
from django.db import transaction

from accounts.access import REGULATORS
from accounts.keys import issue_api_key
from accounts.models import ApiKey, Tier, User
from accounts.selectors import insurance_fund_balance
from accounts.services import create_user, fund_insurance
from market.models import Instrument
from market.services import list_instrument
from trading.steps.by_hand import step_at_prices

#: Known to everybody who reads this: for machines that nobody else can reach.
STAFF_USERNAME: Final = "admin"
STAFF_PASSWORD: Final = "admin"  # noqa: S105
REGULATOR_USERNAME: Final = "regulator"
INSURANCE_FUND: Final = Decimal(100_000)


@dataclass(frozen=True, slots=True)
class DemoTrader:
    """A demo user; the API key is ``<tier>-key``."""

    tier: Tier
    balance: Decimal

    @property
    def api_key(self) -> str:
        return f"{self.tier.value}-key"


TRADERS: Final = (
    DemoTrader(Tier.BEGINNER, Decimal(10_000)),
    DemoTrader(Tier.INTERMEDIATE, Decimal(50_000)),
    DemoTrader(Tier.ADVANCED, Decimal(100_000)),
)
INSTRUMENTS: Final = (
    ("BTC", Decimal("0.01"), Decimal("0.00001"), Decimal(65_000)),
    ("ETH", Decimal("0.01"), Decimal("0.0001"), Decimal(3_200)),
)


#: Of what the demo makes, as histories and the audit trail tell it.
REASON: Final = "manage.py seed_demo"


def is_empty() -> bool:
    """Whether nobody has an account here yet."""
    return not User.objects.exists()


def seed_demo() -> list[str]:
    """Create what is missing of the demo data and return a line for each thing created."""
    with transaction.atomic():
        done = [*seed_traders(), *seed_staff(), *seed_regulator(), *seed_insurance_fund()]
        listed = list(seed_instruments())
    prices = {f"{base}USDT": price for base, _, _, price in INSTRUMENTS}
    if listed:
        step_at_prices({symbol: prices[symbol] for symbol in listed})
    return [*done, *(f"instrument {symbol} at {prices[symbol]}" for symbol in listed)]


def seed_traders() -> list[str]:
    done = []
    for trader in TRADERS:
        user = User.objects.filter(username=trader.tier.value).first()
        if user is None:
            user = create_user(
                username=trader.tier.value,
                tier=trader.tier,
                opening_balance=trader.balance,
                reason=REASON,
            )
            done.append(f"user {user.pk} {user.username} with {trader.balance} USDT")
        if not ApiKey.objects.filter(user=user).exists():
            issue_api_key(user=user, label="Demo", key=trader.api_key, reason=REASON)
            done.append(f"API key {trader.api_key}")
    return done


def seed_staff() -> list[str]:
    if User.objects.filter(username=STAFF_USERNAME).exists():
        return []
    User.objects.create_superuser(username=STAFF_USERNAME, password=STAFF_PASSWORD)
    return [f"staff user {STAFF_USERNAME} with the password {STAFF_PASSWORD}"]


def seed_regulator() -> list[str]:
    """A member of the group that sees everything and changes nothing, without an account."""
    if User.objects.filter(username=REGULATOR_USERNAME).exists():
        return []
    user = User.objects.create_user(
        username=REGULATOR_USERNAME, password=STAFF_PASSWORD, is_staff=True
    )
    user.groups.set(Group.objects.filter(name=REGULATORS))
    return [f"regulator {REGULATOR_USERNAME} with the password {STAFF_PASSWORD}"]


def seed_insurance_fund() -> list[str]:
    if insurance_fund_balance():
        return []
    fund_insurance(amount=INSURANCE_FUND, reason="Demo capital of the insurance fund")
    return [f"insurance fund of {INSURANCE_FUND} USDT"]


def seed_instruments() -> list[str]:
    listed = []
    for base, tick_size, lot_size, _ in INSTRUMENTS:
        symbol = f"{base}USDT"
        if not Instrument.objects.filter(symbol=symbol).exists():
            list_instrument(
                symbol=symbol,
                base_asset=base,
                tick_size=tick_size,
                lot_size=lot_size,
                min_notional=Decimal(5),
                reason=REASON,
            )
            listed.append(symbol)
    return listed
