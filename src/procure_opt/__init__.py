"""Decide who provides an outsourced public service, at what price, and under which bidding rule."""

from importlib import import_module
from typing import Any

from procure_opt.abnormal import (
    SCOTTISH_TEST,
    UKRAINIAN_TEST,
    AllOf,
    AnyOf,
    BelowAmount,
    BelowShare,
    ItalianTest,
    SpanishTest,
    WorldBankTest,
    abnormally_low,
)
from procure_opt.award import Award, OutOfTime, award
from procure_opt.by_lot import award_by_lot
from procure_opt.cells import BadTable
from procure_opt.check import check
from procure_opt.constraints import (
    AttributeBound,
    Budget,
    Capacity,
    Cover,
    Exclude,
    KeepIncumbents,
    MaxHHI,
    MaxLots,
    MaxShare,
    MaxWinners,
    MinAward,
    MinQuality,
    MinShare,
    MinWinners,
    Require,
    Resilient,
    Separate,
    Together,
)
from procure_opt.contest import contest, write_contest
from procure_opt.diagnose import (
    frontier,
    near_ties,
    price_of_constraints,
    price_to_win,
    replacement_cost,
    scenarios,
    stability,
)
from procure_opt.infeasible import Infeasible
from procure_opt.ledger import Ledger
from procure_opt.payments import Payments, pay
from procure_opt.policy import (
    BestScore,
    DrawLots,
    HigherQuality,
    LowestCost,
    Policy,
    QualityAdjusted,
    Refuse,
    Tied,
    announce,
)
from procure_opt.report import Report, report
from procure_opt.reversals import rank_reversals, winner_map
from procure_opt.scoring import (
    AdditionMethod,
    AveragePrice,
    BestQuality,
    CorrectedPrice,
    ExtendedRichtwert,
    HighestLowest,
    LifeCycleCost,
    LinearPrice,
    LowestPrice,
    MonetisedQuality,
    Qualified,
    QualityPerPrice,
    RelativePrice,
    Rounded,
    WeightedRichtwert,
)
from procure_opt.tables import read_policy, read_tender, read_tenders, write_tender
from procure_opt.tender import Tender

__all__ = [
    "SCOTTISH_TEST",
    "UKRAINIAN_TEST",
    "AdditionMethod",
    "AllOf",
    "AnyOf",
    "AttributeBound",
    "AveragePrice",
    "Award",
    "BadTable",
    "BelowAmount",
    "BelowShare",
    "BestQuality",
    "BestScore",
    "Budget",
    "Capacity",
    "CorrectedPrice",
    "Cover",
    "DrawLots",
    "Exclude",
    "ExtendedRichtwert",
    "HigherQuality",
    "HighestLowest",
    "Infeasible",
    "ItalianTest",
    "KeepIncumbents",
    "Ledger",
    "LifeCycleCost",
    "LinearPrice",
    "LowestCost",
    "LowestPrice",
    "MaxHHI",
    "MaxLots",
    "MaxShare",
    "MaxWinners",
    "MinAward",
    "MinQuality",
    "MinShare",
    "MinWinners",
    "MonetisedQuality",
    "OutOfTime",
    "Payments",
    "Policy",
    "Qualified",
    "QualityAdjusted",
    "QualityPerPrice",
    "Refuse",
    "RelativePrice",
    "Report",
    "Require",
    "Resilient",
    "Rounded",
    "Separate",
    "SpanishTest",
    "Tender",
    "Tied",
    "Together",
    "WeightedRichtwert",
    "WorldBankTest",
    "abnormally_low",
    "announce",
    "auction",
    "award",
    "award_by_lot",
    "check",
    "contest",
    "frontier",
    "governance",
    "near_ties",
    "pay",
    "price_of_constraints",
    "price_to_win",
    "rank_reversals",
    "read_policy",
    "read_tender",
    "read_tenders",
    "replacement_cost",
    "report",
    "scenarios",
    "stability",
    "winner_map",
    "write_contest",
    "write_tender",
]


def __getattr__(name: str) -> Any:
    """`auction` and `governance` on first use: what they stand on takes longer to load than all the rest."""
    if name in ("auction", "governance"):
        return import_module(f"procure_opt.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
