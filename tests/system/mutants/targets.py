"""The modules whose mutants must be killed, and the tests of each, its own and fast ones first."""

from dataclasses import dataclass
from typing import Final

#: How many mutants of all sampled modules together are tried.
SAMPLE: Final = 150

#: The tests of arithmetic, which need neither Django nor a database.
ARITHMETIC: Final = (
    *("tests/risk/test_engine.py", "tests/risk/test_state.py", "tests/risk/test_exposure.py"),
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
    "leverage": "policy",
    "candidate": "engine",
    "checks": "engine",
}
#: Those of the same rules over many accounts.
ARRAYS: Final = "tests/risk/arrays"
ARRAY_ORDERS: Final = tuple(
    f"{ARRAYS}/test_{name}.py" for name in ("order_limits", "largest_orders", "orders")
)
ORDERS: Final = ("tests/trading/orders",)
LIQUIDATION: Final = ("tests/trading/liquidation", "tests/risk/test_bounds.py")
#: What looks at more than one of these.
REST: Final = (
    *("tests/trading/api/test_order_controls.py", "tests/trading/api/test_limits.py"),
    *("tests/trading/api/test_batch.py", "tests/trading/venues/test_orders.py"),
    "tests/trading/steps/test_step.py",
)
#: What takes long, for the few mutants that all of these leave alive.
WHOLE: Final = ("tests/trading/booking", "tests/system/model")


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
        for name in ("units", "books", "closing", "maintenance", "search")
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
    Target("risk/arrays/rules.py", (f"{ARRAYS}/test_books.py",), pure=True),
    *(
        Target(f"risk/arrays/{name}.py", (f"{ARRAYS}/test_{name}.py",), (ARRAYS,), pure=True)
        for name in ("sent", "throttle")
    ),
)
SAMPLED: Final = (
    *(
        Target(f"trading/{name}.py", (*ORDERS, *LIQUIDATION, *REST), WHOLE)
        for name in (
            *("booking/changes", "booking/writing", "booking/pipeline", "booking/throttle"),
            *("orders/decisions", "orders/group", "orders/opened", "orders/resting"),
        )
    ),
    *(
        Target(module, (*LIQUIDATION, *ORDERS, *REST), WHOLE)
        for module in (
            *("trading/liquidation/close_out.py", "trading/liquidation/insurance.py"),
            *("trading/liquidation/sweep.py", "risk/bounds.py"),
        )
    ),
)
