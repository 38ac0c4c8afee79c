"""Transaction costs before, at and after the award, as costs on the program's columns."""

from __future__ import annotations

from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from procure_opt.constraints import MOST, staying
from procure_opt.measures import accept, known, rated, spend, take, wins
from procure_opt.program import Floats, Linear
from procure_opt.tender import Tender


@dataclass(frozen=True)
class Ledger:
    """What an award costs besides its prices: each figure a number, or the name of a column.

    Costs before, at and after the award (Williamson 1985, The Economic Institutions of Capitalism).

    Before: search + Σ specification over lots + Σ (bid_preparation + per_bid_evaluated) over valid bids. At the award:
    Σ per_contract over accepted bids + Σ per_switch over lots that leave their incumbent. After it: Σ per_supplier over
    winners + Σ monitoring over lots let (pro rata) + Σ adaptation · net price + Σ enforcement over accepted bids + Σ
    default · replacement over lots let (pro rata).

    What arises before the award is the same for every award of a tender: it is reported and decides nothing.

    Args:
        per_contract: Money for each accepted bid (number or bids column).
        per_supplier: Money for each winner (number or bidders column).
        per_switch: Money for each lot whose incumbent does not keep all of it (number or lots column).
        per_bid_evaluated: Money for each valid bid received, won or lost (number or bids column).
        adaptation: Expected adaptation cost as a share of the net price (number or bidders column).
        monitoring: Money for each lot let (number or lots column).
        incumbent: The lots column naming incumbents; needed with per_switch.
        search: Money for finding suppliers and for the procedure, once (number).
        specification: Money for describing each lot (number or lots column).
        bid_preparation: Money for preparing each valid bid, where it is refunded or counted (number or bids column).
        enforcement: Expected cost of claims and disputes for each accepted bid (number, or column of bids or bidders).
        default: Probability that a supplier defaults, from 0 to 1 (number or bidders column).
        replacement: Money for replacing the supplier of a lot that has defaulted, net of its bond (number or lots
            column); needed with default.

    Amounts are in the tender's currency, adaptation and default shares of 1: 0.05 is 5 %.

    Raises:
        ValueError: a figure below 0, a probability above 1, or default without replacement; in an award, a column that
            is missing, blank or holds such a figure.

    >>> import procure_opt as po
    >>> bids = [{"bid": "1", "bidder": "Alder", "lots": "A;B", "price": 100},
    ...         {"bid": "2", "bidder": "Birch", "lots": "A", "price": 46},
    ...         {"bid": "3", "bidder": "Cedar", "lots": "B", "price": 50}]
    >>> award = po.award(po.Tender([{"lot": "A"}, {"lot": "B"}], bids), po.Policy(ledger=Ledger(per_contract=5)))
    >>> award.price, award.ledger, award.transaction_costs.loc["per_contract", "stage"]
    (100.0, 5.0, 'at')
    >>> float(award.ledger_ignored.at["difference", "cost"])  # two contracts for 96, and 10 for making them
    1.0
    """

    per_contract: float | str = 0.0
    per_supplier: float | str = 0.0
    per_switch: float | str = 0.0
    per_bid_evaluated: float | str = 0.0
    adaptation: float | str = 0.0
    monitoring: float | str = 0.0
    incumbent: str = "incumbent"
    search: float = 0.0
    specification: float | str = 0.0
    bid_preparation: float | str = 0.0
    enforcement: float | str = 0.0
    default: float | str = 0.0
    replacement: float | str = 0.0

    # When each item arises.
    stages: ClassVar[dict[str, str]] = {
        "search": "before",
        "specification": "before",
        "bid_preparation": "before",
        "per_bid_evaluated": "before",
        "per_contract": "at",
        "per_switch": "at",
        "per_supplier": "after",
        "monitoring": "after",
        "adaptation": "after",
        "enforcement": "after",
        "default": "after",
    }

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "incumbent":
                if not isinstance(value, str):
                    raise ValueError(f"Ledger: incumbent is {value!r}; it must name the lots column of incumbents")
            elif not isinstance(value, str) and not _amount(value):
                raise ValueError(f"Ledger: {field.name} is {value!r}; it must be at least 0, or name a column")
            if field.name == "search" and isinstance(value, str):
                raise ValueError(f"Ledger: search is {value!r}; it arises once, so that it must be a number")
        if not isinstance(self.default, str) and self.default > 1:
            raise ValueError(f"Ledger: default is {self.default!r}; it is a probability, from 0 to 1")
        if self.default and not self.replacement:
            raise ValueError("Ledger: default needs replacement, what replacing the supplier of a lot costs")

    def __call__(self, tender: Tender) -> Linear:
        """The ledger of an award, as one row in money units."""
        every_lot = np.ones(len(tender.demand), dtype=bool)
        cost = Linear.fixed([sum(self._before(tender).values())])
        of_contracts = self._of_bids(tender, self.per_contract) + self._of_bids(tender, self.enforcement)
        if of_contracts.any():
            cost = cost + accept(tender).under(of_contracts)
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
        if self.default:
            cost = cost + take(tender).under(self._at_risk(tender))
        return cost

    def amounts(self, tender: Tender, fraction: Floats, net: Floats) -> dict[str, float]:
        """Each item for accepted fractions and net prices, in money units, straight from the bids."""
        accepted = fraction > 0
        won = np.zeros(len(tender.bidder_names), dtype=bool)
        won[tender.bidder_of[accepted]] = True
        paid = np.bincount(tender.bidder_of, weights=net, minlength=len(won))
        found: dict[str, Any] = dict(self._before(tender))
        found["per_contract"] = self._of_bids(tender, self.per_contract)[accepted].sum()
        found["per_switch"] = self._switching(tender, fraction) if self.per_switch else 0.0
        found["per_supplier"] = self.of_bidders(tender, self.per_supplier)[won].sum() / tender.money_unit
        found["monitoring"] = (fraction @ tender.part) @ self._of_lots(tender, self.monitoring)
        found["adaptation"] = self.of_bidders(tender, self.adaptation) @ paid
        found["enforcement"] = self._of_bids(tender, self.enforcement)[accepted].sum()
        found["default"] = fraction @ self._at_risk(tender)
        return {name: float(found[name]) for name in self.stages}

    def of(self, tender: Tender, fraction: Floats, net: Floats) -> float:
        """The ledger of accepted fractions and net prices, in money units."""
        return sum(self.amounts(tender, fraction, net).values())

    def _before(self, tender: Tender) -> dict[str, float]:
        """What has been spent when the award is made."""
        return {
            "search": self.search / tender.money_unit,
            "specification": float(self._of_lots(tender, self.specification).sum()),
            "bid_preparation": float(self._of_bids(tender, self.bid_preparation).sum()),
            "per_bid_evaluated": float(self._of_bids(tender, self.per_bid_evaluated).sum()),
        }

    def _switching(self, tender: Tender, fraction: Floats) -> float:
        names, _ = staying(tender, self.incumbent)
        whose = names[:, None] == tender.bidder_names[tender.bidder_of][None, :]
        held = np.asarray((tender.part.T.toarray() * whose) @ fraction)
        leaves = (names != "") & (held < 1 - 1e-6)
        return float(self._of_lots(tender, self.per_switch)[leaves].sum())

    def _at_risk(self, tender: Tender) -> Floats:
        """Of each bid accepted in full, what its supplier's default is expected to cost."""
        chance = self.of_bidders(tender, self.default)
        wrong = tender.bidder_names[(chance < 0) | (chance > 1)]
        if len(wrong):
            raise ValueError(
                f"Ledger: {self.default!r} is a probability, from 0 to 1, and is not for {', '.join(wrong[:8])}"
            )
        of_bids: Floats = chance[tender.bidder_of] * (tender.part @ self._of_lots(tender, self.replacement))
        return of_bids

    @staticmethod
    def _of_bids(tender: Tender, value: float | str) -> Floats:
        if not isinstance(value, str):
            return np.full(len(tender.price), float(value)) / tender.money_unit
        return _figures(value, rated(tender, value), tender.bid_names) / tender.money_unit

    @staticmethod
    def _of_lots(tender: Tender, value: float | str) -> Floats:
        every_lot = np.ones(len(tender.demand), dtype=bool)
        if not isinstance(value, str):
            return np.full(len(every_lot), float(value)) / tender.money_unit
        return _figures(value, known(tender, value, every_lot), tender.lot_names) / tender.money_unit

    @staticmethod
    def of_bidders(tender: Tender, value: float | str) -> Floats:
        """A figure of the bidders: a number for all, or a column of theirs."""
        if not isinstance(value, str):
            return np.full(len(tender.bidder_names), float(value))
        if value not in tender.bidders.columns or not pd.api.types.is_numeric_dtype(tender.bidders[value].dtype):
            raise ValueError(f"Ledger: the bidders have no column of numbers {value!r}")
        figures: Floats = tender.bidders[value].to_numpy(dtype=float)
        blank = tender.bidder_names[np.isnan(figures)]
        if len(blank):
            raise ValueError(f"Ledger: {value!r} is needed for every bidder, and is blank for {', '.join(blank[:8])}")
        return _figures(value, figures, tender.bidder_names)


def _amount(value: Any) -> bool:
    """Whether it is a number of at least 0, and no more than can be added up exactly."""
    return isinstance(value, Real) and value is not True and value is not False and 0 <= float(value) <= MOST


def _figures(column: str, figures: Floats, names: NDArray[np.object_]) -> Floats:
    """The figures of a column, none of them below 0."""
    below = names[figures < 0]
    if len(below):
        raise ValueError(f"Ledger: {column!r} must be at least 0, and is less for {', '.join(map(str, below[:8]))}")
    return figures
