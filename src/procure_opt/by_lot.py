"""Awards lot by lot, as the law words them, beside the best award of all lots together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from procure_opt.award import Award, award
from procure_opt.constraints import MaxLots
from procure_opt.offers import evaluated_price, refuse_parts
from procure_opt.policy import BestScore, Policy
from procure_opt.scoring import Floats, Scoring, in_money
from procure_opt.tender import Tender

RULES = ("largest advantage", "order of lots")


@dataclass(frozen=True, eq=False)
class ByLot:
    """Two awards of one tender: lot by lot, and all lots together.

    Attributes:
        table: One row a lot: lot, bid, bidder, price (as offered), score of the award by lot, and optimal_bid,
            optimal_bidder of the other. Where nobody is left for a lot these are blank and NaN, and it is either done
            `in_house` (True) or left open. A package stands in each of its lots.
        price, score: Of the award by lot: prices and in-house cost; mean score, or money. NaN if a lot is left open.
        optimal: The award of all lots together under the same limit.
        lost: By how much the score falls short of the optimal one (in money if scores are); NaN if a lot is left open.
        saved: How much less the optimal award costs; negative where it pays more for a better score.
    """

    table: pd.DataFrame
    price: float
    score: float
    optimal: Award
    lost: float
    saved: float


def award_by_lot(
    tender: Tender, scoring: Scoring, max_lots: int | None = None, rule: str = "largest advantage"
) -> ByLot:
    """Give each lot to its best score, keep to a limit of lots a bidder by a published rule, and compare.

    EU, Directive 2014/24 Art. 46: a limit of lots a tenderer needs a stated rule for who keeps which; combined awards
    need a comparative assessment. By lot, bids on single lots compete; packages compete in the optimal award only.

    "largest advantage": of the lots still open, the one whose best score leads the next bidder's by most comes next (a
    lot with one bidder first); bidders at their limit drop out. "order of lots": lots come as they stand in the tender.
    Equal scores: the lower evaluated price, then the bid's place in the tender.

    Args:
        tender: Lots with estimates (unless scores are in money) and bids on whole lots.
        scoring: A formula.
        max_lots: The most lots a bidder may win; None for no limit.
        rule: "largest advantage" or "order of lots".

    Raises:
        ValueError: another rule, a limit below 1, what the formula refuses.
        Infeasible: no award of all lots together keeps to the limit.

    >>> from procure_opt.scoring import LowestPrice
    >>> bids = [{"bid": f"{b}{l}", "bidder": b, "lots": l, "price": p} for b, l, p in
    ...         [("X", "A", 10), ("X", "B", 10), ("Y", "A", 11), ("Y", "B", 14), ("Z", "B", 30)]]
    >>> found = award_by_lot(Tender([{"lot": "A"}, {"lot": "B"}], bids), LowestPrice(), 1, "order of lots")
    >>> found.table["bid"].tolist(), found.price, found.optimal.price, found.saved
    (['XA', 'YB'], 24.0, 21.0, 3.0)
    """
    if rule not in RULES:
        raise ValueError(f"rule is {rule!r}; it must be one of {', '.join(repr(one) for one in RULES)}")
    limits = [] if max_lots is None else [MaxLots(max_lots)]
    policy = Policy(limits, objective=BestScore(scoring))
    optimal = award(tender, policy)
    field, _ = policy.field(tender)
    refuse_parts(field)
    scores = np.asarray(scoring(field), dtype=float)
    won = _Race(field, scores, len(field.demand) if max_lots is None else max_lots).run(rule)
    return _compare(field, scores, won, optimal, in_money(scoring))


class _Race:
    """The award by lot as it goes on: who has won what, and who may still win a lot."""

    def __init__(self, tender: Tender, scores: Floats, limit: int):
        self.tender, self.scores, self.limit = tender, scores, limit
        self.price = evaluated_price(tender)
        single = np.diff(tender.quantity.indptr) == 1
        lot = tender.quantity.indices[tender.quantity.indptr[:-1]] if len(single) else np.zeros(0, dtype=int)
        self.on = {one: np.flatnonzero(single & (lot == one)).tolist() for one in range(len(tender.demand))}
        self.won: dict[int, int] = {}
        self.held: Counter[int] = Counter()
        self.labels: set[int] = set()

    def run(self, rule: str) -> dict[int, int]:
        """The bid that wins each lot; a lot nobody is left for is missing."""
        if rule == "order of lots":
            for lot in self.on:
                self.give(lot, self.ranked(lot))
            return self.won
        ranked = {lot: self.ranked(lot) for lot in self.on}
        while any(ranked.values()):
            lot = max((lot for lot in ranked if ranked[lot]), key=lambda one: (self.lead(ranked[one]), -one))
            if self.give(lot, ranked.pop(lot)):
                ranked = {other: self.ranked(other) for other in ranked}
        return self.won

    def give(self, lot: int, ranked: list[int]) -> bool:
        """Award a lot to the first bid, if any; whether some bids are now out."""
        if not ranked:
            return False
        bidder, label = int(self.tender.bidder_of[ranked[0]]), int(self.tender.xor_group[ranked[0]])
        self.won[lot] = ranked[0]
        self.held[bidder] += 1
        self.labels |= {label} - {-1}
        return self.held[bidder] >= self.limit or label >= 0

    def ranked(self, lot: int) -> list[int]:
        """The bids that may still win a lot, best first."""
        who, label = self.tender.bidder_of, self.tender.xor_group
        may = [bid for bid in self.on[lot] if self.held[who[bid]] < self.limit and label[bid] not in self.labels]
        return sorted(may, key=lambda bid: (-self.scores[bid], self.price[bid], bid))

    def lead(self, ranked: list[int]) -> float:
        """By how much the best bid leads the best of another bidder."""
        first, *rest = ranked
        others = [bid for bid in rest if self.tender.bidder_of[bid] != self.tender.bidder_of[first]]
        return float(self.scores[first] - self.scores[others[0]]) if others else np.inf


def _compare(tender: Tender, scores: Floats, won: dict[int, int], optimal: Award, in_money: bool) -> ByLot:
    offered = np.round((tender.price + tender.fixed) * tender.money_unit, 9)
    own = np.round(tender.in_house * tender.money_unit, 9)
    best: dict[int, int] = {}
    for name in optimal.bids["bid"]:
        place = tender.bid_index(name)
        best |= dict.fromkeys(tender.quantity[[place]].indices.tolist(), place)
    rows = []
    for lot, name in enumerate(tender.lot_names):
        bid, other = won.get(lot), best.get(lot)
        rows.append(
            {
                "lot": str(name),
                "bid": "" if bid is None else str(tender.bid_names[bid]),
                "bidder": "" if bid is None else str(tender.bidder_names[tender.bidder_of[bid]]),
                "price": (own[lot] if bid is None else offered[bid]),
                "score": np.nan if bid is None else scores[bid],
                "in_house": bid is None and not np.isnan(own[lot]),
                "optimal_bid": "" if other is None else str(tender.bid_names[other]),
                "optimal_bidder": "" if other is None else str(tender.bidder_names[tender.bidder_of[other]]),
            }
        )
    table = pd.DataFrame(rows)
    price = float(np.round(table["price"].sum(skipna=False), 9))
    kept = table["in_house"].to_numpy()
    if in_money:
        points = float(np.where(kept, -table["price"], table["score"]).sum())
    else:
        points = float(np.average(np.where(kept, 0.0, table["score"]), weights=tender.estimate))
    score = points if not np.isnan(price) else np.nan
    least = optimal.price + float(optimal.in_house["cost"].sum())
    lost, saved = (float(np.round(amount, 9)) for amount in (optimal.score - score, price - least))
    return ByLot(table, price, score, optimal, lost, saved)
