"""What stands beside the award, for the committee alone: past bids, what the work should cost, bids in equilibrium."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from procure_opt.report.findings import Clock
from procure_opt.tender import Tender

if TYPE_CHECKING:
    from procure_opt.auction.fair_price import FairPrice
    from procure_opt.auction.flags import RedFlags
    from procure_opt.auction.network import SuspiciousGroups
    from procure_opt.auction.outcome import Equilibrium
    from procure_opt.auction.past import PastBids
    from procure_opt.auction.screens import ScreenTest

WHOLE = ""  # the name of a fair price that is for the tender as a whole
REPLICATIONS = 200  # of the bootstrap behind fair prices


@dataclass(frozen=True, eq=False)
class Evidence:
    """What past bids and the market say.

    Attributes:
        past: The past bids looked at.
        test: Their screens beside simulated competition.
        groups: Groups of bidders beside chance, with the network of all.
        flags: Red flags.
        fair: Fair prices by lot; under "" that of the whole.
        equilibria: Bids in equilibrium by rule.
    """

    past: PastBids | None = None
    test: ScreenTest | None = None
    groups: SuspiciousGroups | None = None
    flags: RedFlags | None = None
    fair: Mapping[str, FairPrice] | None = None
    equilibria: Mapping[str, Equilibrium] | None = None


def evidence(past: Any, fair: Any, market: Any, tender: Tender, seed: int, clock: Clock) -> Evidence:
    """Read what was given; what cannot be looked at is noted.

    Args:
        past: Past bids, as `past_bids` takes them, or None.
        fair: A `FairPrice`, a `CostEstimate`, one of them by lot, a column of past bids and lots, or None.
        market: A `Market`, an `Equilibrium`, a `Comparison`, a mapping of equilibria by rule, or None.
        tender: Who bids now: an estimate is asked for as many.
    """
    read = _past(past)
    test = groups = flags = None
    if read is not None:
        from procure_opt.auction.flags import red_flags
        from procure_opt.auction.network import suspicious_groups
        from procure_opt.auction.screens import screen_test

        test = clock.run("screens", lambda: screen_test(read, seed=seed))
        groups = clock.run("groups", lambda: suspicious_groups(read, seed=seed))
        flags = clock.run("flags", lambda: red_flags(read))
    return Evidence(read, test, groups, flags, _fair(fair, read, tender, seed), _equilibria(market, clock))


def _past(past: Any) -> PastBids | None:
    if past is None:
        return None
    from procure_opt.auction.past import past_bids

    return past_bids(past)


def _fair(given: Any, past: PastBids | None, tender: Tender, seed: int) -> Mapping[str, FairPrice] | None:
    if given is None:
        return None
    if isinstance(given, str):
        return _by_size(given, past, tender, seed)
    from procure_opt.auction.estimate import CostEstimate
    from procure_opt.auction.fair_price import FairPrice

    bidders = tender.bids["bidder"].nunique()
    by_lot = dict(given) if isinstance(given, Mapping) else {WHOLE: given}
    told: dict[str, FairPrice] = {}
    for lot, each in by_lot.items():
        if isinstance(each, CostEstimate):
            told[str(lot)] = each.fair_price(max(2, bidders))
        elif isinstance(each, FairPrice):
            told[str(lot)] = each
        else:
            raise TypeError(f"fair_price is a FairPrice, a CostEstimate, or one of them by lot, not {each!r}")
    return told


def _by_size(column: str, past: PastBids | None, tender: Tender, seed: int) -> dict[str, FairPrice]:
    """Fair prices of the lots by their size, from past bids counted in its units; each with as many as bid for it."""
    if past is None:
        raise ValueError(f"fair_price={column!r} is a column of past bids and of lots: give past bids (past=, --past)")
    sizes = tender.lots.get(column)
    if sizes is None or not pd.api.types.is_numeric_dtype(sizes):
        raise ValueError(f"fair_price={column!r}: the lots have no such column of numbers")
    wrong = tender.lot_names[~(sizes > 0).to_numpy(dtype=bool)]
    if len(wrong):
        raise ValueError(f"fair_price={column!r}: lot {', '.join(wrong[:8])} has no size above 0 there")
    from procure_opt.auction.estimate import estimate_costs

    costs = estimate_costs(past, scale=column, replications=REPLICATIONS, seed=seed)
    offers = tender.offers
    found = {}
    for lot, name in enumerate(tender.lot_names):
        rivals = len(np.unique(tender.bidder_of[offers[[lot]].indices]))
        found[str(name)] = costs.fair_price(max(2, rivals), at={column: float(sizes.iloc[lot])})
    return found


def _equilibria(given: Any, clock: Clock) -> Mapping[str, Equilibrium] | None:
    if given is None:
        return None
    from procure_opt.auction.compare import Comparison
    from procure_opt.auction.equilibrium import equilibrium
    from procure_opt.auction.market import Market
    from procure_opt.auction.outcome import Equilibrium
    from procure_opt.auction.rules import FirstPrice

    if isinstance(given, Market):
        found = clock.run("bid_functions", lambda: equilibrium(FirstPrice(), given))
        given = {} if found is None else {"FirstPrice()": found}
    if isinstance(given, Equilibrium):
        given = {repr(given.rule): given}
    if isinstance(given, Comparison):
        given = given.equilibria
    if not isinstance(given, Mapping):
        raise TypeError(f"market is a Market, an Equilibrium, a Comparison, or equilibria by rule, not {given!r}")
    # Bids on packages and scores are no function of one cost.
    drawn = {str(name): each for name, each in given.items() if isinstance(each, Equilibrium)}
    for name in given.keys() - drawn.keys():
        clock.skip("bid_functions", "out.failed", why=str(name))
    return drawn
