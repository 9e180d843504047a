"""Budgets: what agents may spend on models, reserved before each call and kept where it outlives them."""

from civitas.budgets.allowance import Budget, Claim, Per, read_more
from civitas.budgets.amounts import Amounts
from civitas.budgets.metered import MeteredModel
from civitas.budgets.prices import Prices
from civitas.budgets.purses import Purses
from civitas.budgets.spending import Reservation, Spending, Tells
from civitas.budgets.treasury import Treasury

__all__ = [
    "Amounts",
    "Budget",
    "Claim",
    "MeteredModel",
    "Per",
    "Prices",
    "Purses",
    "Reservation",
    "Spending",
    "Tells",
    "Treasury",
    "read_more",
]
