"""Transaction costs before, at and after the award, as costs on the program's columns."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from procure_opt.constraints import staying
from procure_opt.measures import accept, known, rated, spend, take, wins
from procure_opt.program import Linear
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
        n, unit = len(tender.price), tender.money_unit
        every_lot, every_bid = np.ones(len(tender.demand), dtype=bool), np.ones(n, dtype=bool)

        def of_bids(value: float | str) -> np.ndarray:
            return rated(tender, value, every_bid) if isinstance(value, str) else np.full(n, float(value))

        def of_lots(value: float | str) -> np.ndarray:
            if isinstance(value, str):
                return known(tender, value, every_lot)
            return np.full(len(every_lot), float(value))

        def of_bidders(value: float | str) -> np.ndarray:
            if not isinstance(value, str):
                return np.full(len(tender.bidder_names), float(value))
            if value not in tender.bidders.columns:
                raise ValueError(f"Ledger: the bidders have no column {value!r}")
            return tender.bidders[value].to_numpy(dtype=float)

        cost = Linear.fixed([of_bids(self.per_bid_evaluated).sum() / unit])
        if self.per_contract:
            cost = cost + accept(tender).under(of_bids(self.per_contract) / unit)
        if self.per_supplier:
            _, won = wins(tender, every_lot, "bidder")
            cost = cost + won.under(of_bidders(self.per_supplier) / unit)
        if self.per_switch:
            names, stays = staying(tender, self.incumbent)
            switch = np.where(names != "", of_lots(self.per_switch), 0.0) / unit
            cost = cost + Linear.fixed([switch.sum()]) - stays.under(switch)
        if self.adaptation:
            cost = cost + spend(tender).under(of_bidders(self.adaptation))
        if self.monitoring:
            cost = cost + take(tender).under(tender.part @ of_lots(self.monitoring) / unit)
        return cost
