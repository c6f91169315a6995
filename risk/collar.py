"""Which price lies so far from a mark that nobody should trade on it unseen: a quote, or a limit.

The idea is that of the price collars of RTS 6 (Regulation (EU) 2017/589), art. 15(1)(a). Decimals
in, bool out.
"""

from decimal import Decimal

from market.kernel.amounts import EXACT


def is_within_collar(*, price: Decimal, mark: Decimal, collar: Decimal) -> bool:
    """Tell whether ``price`` is one and at most ``collar × mark`` away from a positive ``mark``.

    The collar is a share of the mark, the same upwards and downwards, and belongs to its inside.
    """
    if not price.is_finite() or price <= 0:
        return False
    return abs(EXACT.subtract(price, mark)) <= EXACT.multiply(collar, mark)
