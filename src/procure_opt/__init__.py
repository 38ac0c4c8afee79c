"""Decide who provides an outsourced public service, at what price, and under which bidding rule."""

from procure_opt.award import Award, OutOfTime, award
from procure_opt.check import check
from procure_opt.constraints import (
    AttributeBound, Budget, Capacity, Cover, Exclude, KeepIncumbents, MaxHHI, MaxLots, MaxShare, MaxWinners, MinAward,
    MinQuality, MinShare, MinWinners, Require, Resilient, Separate, Together,
)  # fmt: skip
from procure_opt.infeasible import Infeasible
from procure_opt.ledger import Ledger
from procure_opt.policy import (
    BestScore, DrawLots, HigherQuality, LowestCost, Policy, QualityAdjusted, Refuse, Tied, announce,
)  # fmt: skip
from procure_opt.tender import BadTable, Tender
