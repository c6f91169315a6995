"""The modules whose mutants must be killed, and the tests of each, its own and fast ones first."""

from dataclasses import dataclass
from typing import Final

#: How many mutants of all sampled modules together are tried.
SAMPLE: Final = 150

#: The tests of arithmetic, which need neither Django nor a database.
ARITHMETIC: Final = (
    *("tests/risk/test_engine.py", "tests/risk/test_sent.py", "tests/risk/test_state.py"),
    "tests/risk/test_exposure.py",
    *("tests/risk/test_execution.py", "tests/risk/test_collar.py", "tests/risk/test_margin.py"),
    *("tests/risk/test_fills.py", "tests/risk/test_closing.py", "tests/risk/test_reducing.py"),
    "tests/risk/test_what_if.py",
    *("tests/risk/test_maintenance.py", "tests/risk/test_restraint.py"),
    *("tests/risk/test_volatility.py", "tests/risk/test_throttle.py"),
    *("tests/risk/test_brackets.py", "tests/risk/test_policy.py"),
    "tests/risk/test_below_maintenance.py",
)
#: Which of them are those of a module of another name.
OWN: Final = {
    "policy_checks": "policy",
    "leverage": "engine",
    "candidate": "engine",
    "checks": "engine",
}
#: Those of the same rules over many accounts.
ARRAYS: Final = "tests/risk/arrays"
ARRAY_ORDERS: Final = tuple(
    f"{ARRAYS}/test_{name}.py" for name in ("order_limits", "largest_orders", "sent", "orders")
)
#: What looks at what is sampled; what takes long comes last.
TRADING: Final = (
    *(
        f"tests/trading/orders/test_{name}.py"
        for name in (
            *("placement", "resting", "replays", "edges", "open_orders", "states"),
            *("throttle", "brackets", "volatility"),
        )
    ),
    *("tests/trading/liquidation", "tests/risk/test_bounds.py", "tests/risk/test_breach.py"),
    *("tests/trading/api/test_order_controls.py", "tests/trading/api/test_limits.py"),
    *("tests/trading/api/test_batch.py", "tests/trading/venues/test_orders.py"),
    *("tests/trading/steps/test_step.py", "tests/trading/orders/test_desk.py"),
    *("tests/trading/booking", "tests/system/model"),
)


@dataclass(frozen=True)
class Target:
    """A module, its tests, and those that run once these have passed.

    ``pure`` ones run in processes without Django.
    """

    module: str
    tests: tuple[str, ...]
    then: tuple[str, ...] = ()
    pure: bool = False


def arithmetic(name: str) -> Target:
    """Return a module of arithmetic; its own tests notice most of its mutants."""
    own = f"tests/risk/test_{OWN.get(name, name)}.py"
    others = tuple(tests for tests in ARITHMETIC if tests != own)
    return Target(f"risk/{name}.py", (own,), others, pure=True)


PURE: Final = (
    *(
        arithmetic(name)
        for name in (
            *("margin", "maintenance", "collar", "fills", "leverage", "exposure", "state"),
            *("execution", "candidate", "checks", "engine"),
            *("closing", "reducing", "what_if"),
            *("restraint", "volatility", "throttle", "brackets"),
            *("policy", "policy_checks"),
        )
    ),
    *(
        Target(f"risk/arrays/{name}.py", (f"{ARRAYS}/test_{name}.py",), (ARRAYS,), pure=True)
        for name in ("units", "books", "closing", "maintenance", "search", "rules")
    ),
    Target(
        "risk/arrays/reducing.py",
        (f"{ARRAYS}/test_reducing.py", f"{ARRAYS}/test_closing.py"),
        (ARRAYS,),
        pure=True,
    ),
    *(
        Target(f"risk/arrays/{name}.py", ARRAY_ORDERS, (ARRAYS,), pure=True)
        for name in ("orders", "fills", "refusals", "placing")
    ),
    *(
        Target(f"risk/arrays/{name}.py", (f"{ARRAYS}/test_{name}.py",), (ARRAYS,), pure=True)
        for name in ("sent", "throttle")
    ),
)


def trading(module: str, *own: str) -> Target:
    """Return a module, a sample of whose mutants is tried, first on tests that notice most."""
    first = tuple(f"tests/{name}.py" for name in own)
    return Target(module, first, tuple(one for one in TRADING if one not in first))


PLACEMENT: Final = "trading/orders/test_placement"
CLOSE_OUT: Final = "trading/liquidation/test_close_out"
SAMPLED: Final = (
    trading("trading/booking/changes.py", PLACEMENT, "trading/orders/test_resting", CLOSE_OUT),
    trading("trading/booking/writing.py", "trading/orders/test_resting", CLOSE_OUT),
    trading("trading/booking/pipeline.py", PLACEMENT),
    trading("trading/booking/throttle.py", "trading/orders/test_throttle"),
    trading("trading/orders/decisions.py", PLACEMENT),
    trading("trading/orders/group.py", "trading/orders/test_replays", "trading/orders/test_desk"),
    trading("trading/orders/opened.py", "trading/orders/test_throttle"),
    trading("trading/orders/resting.py", "trading/orders/test_resting"),
    trading("trading/liquidation/close_out.py", CLOSE_OUT),
    trading("trading/liquidation/insurance.py", CLOSE_OUT),
    trading("trading/liquidation/sweep.py", "trading/liquidation/test_sweep", CLOSE_OUT),
    trading("risk/bounds.py", "risk/test_bounds"),
)
