"""Bidding rules compared with bidders who respond to them, and what past bids say."""

from procure_opt.auction.asymmetric import NotConverged
from procure_opt.auction.compare import Comparison, compare
from procure_opt.auction.equilibrium import equilibrium
from procure_opt.auction.market import Market, Quality
from procure_opt.auction.market_file import MarketFile, read_market
from procure_opt.auction.outcome import Equilibrium
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
    "Comparison",
    "Equilibrium",
    "FirstPrice",
    "FirstScore",
    "LocalLocalGlobal",
    "Market",
    "MarketFile",
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
    "compare",
    "equilibrium",
    "free_entry",
    "optimal_reserve",
    "read_market",
]
