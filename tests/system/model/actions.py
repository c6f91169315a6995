"""What may happen to the exchange in one step, and how often.

Every action may come at any time: a machine of many rules would leave half of them out of each
example, and reach little in a short run.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from accounts.models import Tier
from tests.system.model.exchange import TIERS

D = Decimal
TIER_NAMES = ["beginner", "intermediate", "advanced"]

#: What staff decides on (tier, leverage, tier_limit, fees, rule, policy), for whom or which, and
#: the value, of a tier's limit and an instrument's rule with its name.
Decision = tuple[str, str, Any]


@dataclass(frozen=True)
class Sketch:
    """An order in proportion to what the account can pay and to the mark.

    ``share`` is the percentage of the available margin, ``lots`` what is added to the size, and
    ``away`` how many percent the limit is behind the mark; None at market.
    """

    symbol: str
    sign: int
    share: int
    lots: int = 0
    away: int | None = None
    leverage: int | None = None
    reduce_only: bool = False


#: None for CCC.
LADDERS = "AAA 1500: 0.02 12x, 9000: 0.06 6x, 20000: 0.12 3x; BBB 1000: 0.01 20x, 15000: 0.08 4x"
names = st.sampled_from(list(TIERS))
symbols = st.sampled_from(["AAA", "AAA", "BBB", "BBB", "CCC"])
amounts = st.integers(1, 10**11).map(lambda units: D(units) / 10**7)
percents = st.sampled_from([1, -1, 3, -3, 5, -5, 12, -12, 40, -30])
small_percents = st.sampled_from([-3, -1, 0, 1, 3])
rates = st.sampled_from([D(0), D("0.0002"), D("0.00075"), D("0.013")])
sketches = st.builds(
    Sketch,
    symbol=symbols,
    sign=st.sampled_from([1, -1]),
    share=st.sampled_from([20, 45, 20, 3, 45, 10, 90, 100, 150]),
    lots=st.sampled_from([0, 0, 1, -1]),
    away=st.sampled_from([None, None, None, 1, 1, 3, 3, 10, 0, -2]),
    leverage=st.sampled_from([None, None, None, 1, 3, 5, 7, 20]),
    reduce_only=st.sampled_from([False] * 6 + [True]),
)
decisions = st.one_of(
    st.tuples(st.just("tier"), names, st.sampled_from(TIER_NAMES)),
    st.tuples(st.just("leverage"), st.sampled_from(TIER_NAMES), st.sampled_from([2, 7, 30])),
    st.tuples(st.just("fees"), symbols, st.tuples(rates, rates)),
    st.sampled_from(
        [
            ("policy", "liquidation_mode", "largest_loss_first"),
            ("policy", "liquidation_mode", "full"),
            ("policy", "liquidation_mode", "partial"),
            ("policy", "margin_mode", "brackets"),
            ("policy", "margin_mode", "initial_share"),
            ("policy", "maintenance_brackets", LADDERS),
            ("policy", "maintenance_brackets", "AAA 900: 0.1 9x, 4000: 0.25 3x"),
            ("policy", "close_out_target", D("1.1")),
            ("policy", "close_out_share", D("0.2")),
            ("policy", "close_out_share", D(1)),
            ("policy", "liquidation_threshold", D("0.85")),
            ("policy", "liquidation_threshold", D("0.33333333")),
            ("policy", "liquidation_threshold", D(0)),
            ("policy", "liquidation_fee_rate", D("0.0123")),
            ("policy", "liquidation_threshold", D("0.5")),
            ("policy", "max_open_orders", 1),
            ("policy", "max_open_orders", 200),
            ("policy", "volatility_bands", "0.04: 0.7, 0.12: 0.33"),
            ("policy", "volatility_bands", ""),
            ("policy", "volatility_window_minutes", 1),
            ("policy", "volatility_window_minutes", 61),
            ("policy", "duplicate_seconds", 10),
            ("policy", "duplicate_seconds", 0),
            ("policy", "max_fills", 3),
            ("policy", "max_fills", 0),
            ("policy", "price_band", D("0.03")),
            ("policy", "price_band", D(0)),
            ("policy", "user_exposure_limit", D(15_000)),
            ("policy", "user_exposure_limit", D(5_000_000)),
            ("policy", "global_exposure_threshold", D(25_000)),
            ("policy", "global_exposure_threshold", D(10_000_000)),
        ]
    ),
    st.sampled_from(
        [
            ("tier_limit", "beginner", ("max_order_value", D(1_500))),
            ("tier_limit", "beginner", ("max_order_value", None)),
            ("tier_limit", "advanced", ("max_minute_value", D(9_000))),
            ("tier_limit", "advanced", ("max_minute_value", None)),
            ("rule", "AAA", ("max_order_size", D(7))),
            ("rule", "AAA", ("max_order_size", None)),
            ("rule", "BBB", ("max_order_value", D(900))),
            ("rule", "BBB", ("max_order_value", None)),
        ]
    ),
)
picks = st.integers(0, 999)

#: The arguments of each action, by the name of the machine's method.
ARGUMENTS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "order": {"name": names, "sketch": sketches},
    "batch": {
        "name": names,
        "batch": st.lists(sketches, min_size=2, max_size=4),
        "and_back": st.booleans(),
    },
    "order_against_position": {
        "pick": picks,
        "thirds": st.sampled_from([3, 1, 6]),
        "lots": st.sampled_from([0, 1, -1]),
        "away": st.sampled_from([None, 1, 1, 3, 0]),
        "reduce_only": st.booleans(),
    },
    "careless_order": {
        "name": names,
        "symbol": st.sampled_from(["AAA", "BBB", "BBB", "NOPE"]),
        "size": st.sampled_from(["1", "0.001", "0.001", "0", "-1", "0.0005", "10000000000"]),
        "price": st.sampled_from([None, "100", "0", "-1", "0.005", "99.999"]),
        "leverage": st.sampled_from([None, 1, 1000]),
        "reduce_only": st.booleans(),
    },
    "named_orders": {
        "name": names,
        "calls": st.lists(
            st.tuples(st.sampled_from(["one", "two"]), st.sampled_from([1, 2])),
            min_size=1,
            max_size=4,
        ),
        "price": st.sampled_from([None, D(29)]),
    },
    "close": {"name": names, "symbol": symbols},
    "cancel_all": {"name": names, "symbol": st.sampled_from([None, None, "AAA", "BBB"])},
    "cancel": {"pick": picks, "any_order": st.sampled_from([False, False, True])},
    "one_price_moves": {"symbol": symbols, "percent": percents},
    "all_prices_move": {"moves": st.tuples(percents, percents, small_percents)},
    "market_turns_against": {
        "pick": picks,
        "percent": st.sampled_from([5, 8, 12, 20, 30]),
        "splits": st.booleans(),
    },
    "price_reaches_an_order": {
        "pick": picks,
        "ticks": st.integers(-1, 1),
        "state": st.sampled_from([None, None, "REDUCING", "HALTED"]),
    },
    "price_moves_to_the_threshold": {"pick": picks, "ticks": st.integers(-1, 1)},
    "time_passes": {"seconds": st.sampled_from([1, 1, 3_600]), "renew": st.booleans()},
    "money_moves": {
        "name": names,
        "amount": amounts,
        "kind": st.sampled_from(["deposit", "deposit", "deposit", "withdraw", "correct", "fund"]),
    },
    "brackets_rise_to_equity": {"pick": picks, "away": st.sampled_from([None, 1])},
    "owner_of_an_order_withdraws_all": {"pick": picks},
    "decide": {"decision": decisions},
    "hold_back": {
        "what": st.sampled_from(["trading", "AAA", "BBB", *TIERS, *Tier.values]),
        "state": st.sampled_from(["HALTED", "REDUCING"]),
    },
}
WEIGHTED = [
    *["order"] * 5,
    *["order_against_position"] * 4,
    *("batch", "batch", "cancel", "cancel", "careless_order", "named_orders"),
    *("close", "close", "cancel_all"),
    *["one_price_moves"] * 2,
    *["price_reaches_an_order"] * 4,
    *["market_turns_against"] * 2,
    *["all_prices_move"] * 2,
    *["price_moves_to_the_threshold"] * 4,
    *(
        "time_passes",
        "money_moves",
        "money_moves",
        "owner_of_an_order_withdraws_all",
        "decide",
        "brackets_rise_to_equity",
        "brackets_rise_to_equity",
        "hold_back",
        "hold_back",
    ),
]


@dataclass(frozen=True)
class Action:
    kind: str
    arguments: dict[str, Any]


#: Made once, since hypothesis validates each strategy when it is first drawn from.
BY_KIND = {
    kind: st.builds(Action, st.just(kind), st.fixed_dictionaries(arguments))
    for kind, arguments in ARGUMENTS.items()
}
actions = st.sampled_from(WEIGHTED).flatmap(BY_KIND.__getitem__)
