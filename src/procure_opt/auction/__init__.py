"""Bidding rules compared with bidders who respond to them, and what past bids say."""

from procure_opt.auction.asymmetric import NotConverged
from procure_opt.auction.equilibrium import Equilibrium, equilibrium
from procure_opt.auction.market import Market, Quality
from procure_opt.auction.packages import LocalLocalGlobal, PackageEquilibrium, PackageRule, RandomPackages
from procure_opt.auction.reserve import free_entry, optimal_reserve
from procure_opt.auction.rules import (
    AverageBid,
    FirstPrice,
    FirstScore,
    PricePoints,
    RatioScore,
    SecondPrice,
    SecondScore,
)
from procure_opt.auction.scored import ScoreEquilibrium

__all__ = [
    "AverageBid",
    "Equilibrium",
    "FirstPrice",
    "FirstScore",
    "LocalLocalGlobal",
    "Market",
    "NotConverged",
    "PackageEquilibrium",
    "PackageRule",
    "PricePoints",
    "Quality",
    "RandomPackages",
    "RatioScore",
    "ScoreEquilibrium",
    "SecondPrice",
    "SecondScore",
    "equilibrium",
    "free_entry",
    "optimal_reserve",
]
