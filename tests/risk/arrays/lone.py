"""One account, its orders and how they are answered."""

from dataclasses import replace
from decimal import Decimal

import numpy as np

from risk.arrays.books import Book, Instruments
from risk.arrays.orders import Orders
from risk.arrays.placing import place
from risk.arrays.refusals import CODES
from risk.arrays.rules import Rules
from risk.arrays.units import UNITS
from risk.policy import PRESETS
from tests.risk.arrays.cases import USUAL

MARKS = np.array([1_000_000, 100_000, 100])
LOT = UNITS // 10
FREE = Rules.of(PRESETS["none"])


def lone(balance: int, **held: int) -> Book:
    """Return an account with lots of the first instrument, each worth 0.1 USDT at ``MARKS``."""
    listed = Instruments.of([replace(one, taker_fee_rate=Decimal(0)) for one in USUAL.listed])
    book = Book.empty(listed, np.zeros(1, np.int8), np.array([balance]))
    columns = {name: getattr(book, name).copy() for name in held}
    for name, value in held.items():
        columns[name][0, 0] = value
    return replace(book, **columns)


def order(
    lots: int, *, instrument: int = 0, leverage: int = 1, reduce_only: bool = False
) -> Orders:
    one = np.zeros(1, np.int64)
    return Orders(one, np.int8([instrument]), one + lots, one + leverage, np.array([reduce_only]))


def code_of(book: Book, asked: Orders, rules: Rules = FREE, total: int = 0) -> str | None:
    return CODES[place(book, rules, asked, MARKS, total).code[0]]
