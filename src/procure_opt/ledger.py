"""Transaction costs before, at and after the award, as costs on the program's columns."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from procure_opt.constraints import staying
from procure_opt.measures import accept, known, rated, spend, take, wins
from procure_opt.program import Floats, Linear
from procure_opt.tender import Tender


@dataclass(frozen=True)
class Ledger:
    """What an award costs besides its prices (Williamson): each figure a number, or the name of a column.

    Σ per_contract over accepted bids + Σ per_supplier over winners + Σ per_switch over lots that leave their incumbent
    + Σ per_bid_evaluated over valid bids + Σ adaptation · net price + Σ monitoring over lots let (pro rata).

    Args:
        per_contract: Money for each accepted bid (number or bids column).
        per_supplier: Money for each winner (number or bidders column).
        per_switch: Money for each lot whose incumbent does not keep all of it (number or lots column).
        per_bid_evaluated: Money for each valid bid received, won or lost (number or bids column).
        adaptation: Expected adaptation cost as a share of the net price (number or bidders column).
        monitoring: Money for each lot let (number or lots column).
        incumbent: The lots column naming incumbents; needed with per_switch.
    """

    per_contract: float | str = 0.0
    per_supplier: float | str = 0.0
    per_switch: float | str = 0.0
    per_bid_evaluated: float | str = 0.0
    adaptation: float | str = 0.0
    monitoring: float | str = 0.0
    incumbent: str = "incumbent"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, str) and not (np.isfinite(value) and value >= 0):
                raise ValueError(f"Ledger: {field.name} is {value!r}; it must be at least 0, or name a column")

    def __call__(self, tender: Tender) -> Linear:
        """The ledger of an award, as one row in money units."""
        every_lot = np.ones(len(tender.demand), dtype=bool)
        cost = Linear.fixed([self._of_bids(tender, self.per_bid_evaluated).sum()])
        if self.per_contract:
            cost = cost + accept(tender).under(self._of_bids(tender, self.per_contract))
        if self.per_supplier:
            found, won = wins(tender, every_lot, "bidder")
            cost = cost + won.under(self.of_bidders(tender, self.per_supplier)[found.who] / tender.money_unit)
        if self.per_switch:
            names, stays = staying(tender, self.incumbent)
            switch = np.where(names != "", self._of_lots(tender, self.per_switch), 0.0)
            cost = cost + Linear.fixed([switch.sum()]) - stays.under(switch)
        if self.adaptation:
            cost = cost + spend(tender).under(self.of_bidders(tender, self.adaptation))
        if self.monitoring:
            cost = cost + take(tender).under(tender.part @ self._of_lots(tender, self.monitoring))
        return cost

    def of(self, tender: Tender, fraction: Floats, net: Floats) -> float:
        """The ledger of accepted fractions and net prices, in money units, straight from the bids."""
        won = np.zeros(len(tender.bidder_names), dtype=bool)
        won[tender.bidder_of[fraction > 0]] = True
        paid = np.bincount(tender.bidder_of, weights=net, minlength=len(won))
        total = self._of_bids(tender, self.per_bid_evaluated).sum()
        total += self._of_bids(tender, self.per_contract)[fraction > 0].sum()
        total += self.of_bidders(tender, self.per_supplier)[won].sum() / tender.money_unit
        total += self.of_bidders(tender, self.adaptation) @ paid
        total += (fraction @ tender.part) @ self._of_lots(tender, self.monitoring)
        if self.per_switch:
            names, _ = staying(tender, self.incumbent)
            whose = names[:, None] == tender.bidder_names[tender.bidder_of][None, :]
            held = np.asarray((tender.part.T.toarray() * whose) @ fraction)
            leaves = (names != "") & (held < 1 - 1e-6)
            total += self._of_lots(tender, self.per_switch)[leaves].sum()
        return float(total)

    @staticmethod
    def _of_bids(tender: Tender, value: float | str) -> Floats:
        money = rated(tender, value) if isinstance(value, str) else np.full(len(tender.price), float(value))
        return money / tender.money_unit

    @staticmethod
    def _of_lots(tender: Tender, value: float | str) -> Floats:
        every_lot = np.ones(len(tender.demand), dtype=bool)
        money = known(tender, value, every_lot) if isinstance(value, str) else np.full(len(every_lot), float(value))
        return money / tender.money_unit

    @staticmethod
    def of_bidders(tender: Tender, value: float | str) -> Floats:
        """A figure of the bidders: a number for all, or a column of theirs."""
        if not isinstance(value, str):
            return np.full(len(tender.bidder_names), float(value))
        if value not in tender.bidders.columns:
            raise ValueError(f"Ledger: the bidders have no column {value!r}")
        figures: Floats = tender.bidders[value].to_numpy(dtype=float)
        blank = tender.bidder_names[np.isnan(figures)]
        if len(blank):
            raise ValueError(f"Ledger: {value!r} is needed for every bidder, and is blank for {', '.join(blank[:8])}")
        return figures
