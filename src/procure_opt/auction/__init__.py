"""Bidding rules compared with bidders who respond to them, and what past bids say."""

from procure_opt.auction.adaptation import adaptation_costs
from procure_opt.auction.asymmetric import NotConverged
from procure_opt.auction.bid_preparation import entry_cost, selective_entry
from procure_opt.auction.cartels import simulated_tenders
from procure_opt.auction.classes import invert_classes, risk_aversion, scores_to_types
from procure_opt.auction.common_cost import CommonCostTest, common_cost_test
from procure_opt.auction.compare import Comparison, compare
from procure_opt.auction.equilibrium import equilibrium
from procure_opt.auction.estimate import CostEstimate, estimate_costs
from procure_opt.auction.fair_price import FairPrice, fair_price
from procure_opt.auction.flags import RedFlags, red_flags
from procure_opt.auction.heterogeneity import deconvolve, private_share
from procure_opt.auction.incumbency import incumbency
from procure_opt.auction.independence import exchangeability, independence
from procure_opt.auction.market import Market, Quality
from procure_opt.auction.market_file import MarketFile, read_market
from procure_opt.auction.missing import MissingMass, missing_mass
from procure_opt.auction.network import BidNetwork, SuspiciousGroups, bid_network, suspicious_groups
from procure_opt.auction.outcome import Equilibrium
from procure_opt.auction.packages import LocalLocalGlobal, PackageEquilibrium, PackageRule, RandomPackages
from procure_opt.auction.past import PastBids, past_bids
from procure_opt.auction.past_file import read_past
from procure_opt.auction.reserve import free_entry, optimal_reserve
from procure_opt.auction.reserve_curve import ReserveCurve, reserve_curve
from procure_opt.auction.revealed import Estimate
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
from procure_opt.auction.screens import Screens, digits, screen_test, screens, subgroup_screens, turns
from procure_opt.auction.smooth import smooth
from procure_opt.auction.tailored import Tailored, tailored
from procure_opt.auction.weibull import compare_fits, fit_weibull

__all__ = [
    "AverageBid",
    "BidNetwork",
    "CommonCostTest",
    "Comparison",
    "CostEstimate",
    "Equilibrium",
    "Estimate",
    "FairPrice",
    "FirstPrice",
    "FirstScore",
    "LocalLocalGlobal",
    "Market",
    "MarketFile",
    "MissingMass",
    "NotConverged",
    "PackageEquilibrium",
    "PackageRule",
    "PastBids",
    "PricePoints",
    "Quality",
    "RandomPackages",
    "RatioScore",
    "RedFlags",
    "ReserveCurve",
    "ScoreEquilibrium",
    "Screens",
    "SecondPrice",
    "SecondScore",
    "SuspiciousGroups",
    "Tailored",
    "adaptation_costs",
    "bid_network",
    "common_cost_test",
    "compare",
    "compare_fits",
    "deconvolve",
    "digits",
    "entry_cost",
    "equilibrium",
    "estimate_costs",
    "exchangeability",
    "fair_price",
    "fit_weibull",
    "free_entry",
    "incumbency",
    "independence",
    "invert_classes",
    "missing_mass",
    "optimal_reserve",
    "past_bids",
    "private_share",
    "read_market",
    "read_past",
    "red_flags",
    "reserve_curve",
    "risk_aversion",
    "scores_to_types",
    "screen_test",
    "screens",
    "selective_entry",
    "simulated_tenders",
    "smooth",
    "subgroup_screens",
    "suspicious_groups",
    "tailored",
    "turns",
]
