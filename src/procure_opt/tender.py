"""The tender: lots, bidders and bids as tables people read and arrays programs compute with."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse

from procure_opt.cells import (
    NUMBER,
    TEXT,
    BadTable,
    Found,
    Problem,
    Table,
    as_arrow,
    as_frame,
    as_quantity,
    as_text,
    as_written,
    check_unique,
    check_within,
    constant,
    floats,
    read_table,
)

Filter = Mapping[str, Any] | Sequence[str] | None

LOTS = {
    "lot": TEXT, "demand": 1.0, "estimate": NUMBER, "in_house": NUMBER,
    "in_house_quality": NUMBER, "reserve": NUMBER, "period": TEXT,
}  # fmt: skip
BIDS = {
    "bid": TEXT, "bidder": TEXT, "lots": TEXT, "price": NUMBER, "fixed": 0.0,
    "quality": NUMBER, "xor": TEXT, "min_fraction": 1.0, "status": TEXT,
}  # fmt: skip
BIDDERS = {"bidder": TEXT, "owner": TEXT, "kind": TEXT, "members": TEXT, "deduction": 0.0}
DISCOUNTS = {
    "bidder": TEXT, "lots": TEXT, "threshold": NUMBER, "measure": TEXT,
    "percent": NUMBER, "amount": NUMBER, "kind": TEXT,
}  # fmt: skip
OWNERSHIP = {"owner": TEXT, "owned": TEXT}
SCORES = {"bid": TEXT, "criterion": TEXT, "evaluator": TEXT, "score": NUMBER}
REQUIRED = {
    "lots": ("lot",), "bids": ("bid", "bidder", "lots", "price"), "bidders": ("bidder",),
    "discounts": ("bidder", "threshold", "measure"), "ownership": ("owner", "owned"),
    "scores": ("bid", "criterion", "evaluator", "score"),
}  # fmt: skip
COLUMNS: dict[str, dict[str, Any]] = {
    "lots": LOTS, "bids": BIDS, "bidders": BIDDERS,
    "discounts": DISCOUNTS, "ownership": OWNERSHIP, "scores": SCORES,
}  # fmt: skip
MEASURES = ("lots", "quantity", "spend")
KINDS = ("all_units", "incremental")


@dataclass(frozen=True)
class Schedule:
    """The volume discounts one bidder offers on one scope, thresholds ascending; amounts in money units."""

    bidder: int
    lots: NDArray[np.intp]
    measure: str
    kind: str
    thresholds: NDArray[np.float64]
    percents: NDArray[np.float64]
    amounts: NDArray[np.float64]


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Tender:
    """Lots, bids and bidders of one tender.

    Args:
        lots: One row a lot. `lot`, then `demand` (1), `estimate`, `in_house` (cost of doing the whole lot
            oneself, blank = impossible), `in_house_quality` (0–100), `reserve` (ceiling price), `period`,
            and any other column.
        bids: One row a bid. `bid`, `bidder`, `lots`, `price`, then `fixed` (charged once if any part is
            accepted), `quality` (0–100), `xor` (bids of one bidder with the same label exclude each other),
            `min_fraction` (1 = all or nothing), `status` (blank or "valid"; anything else sets the bid aside),
            and any other column. `lots` is `"A;B"`, a list, or with quantities `"A:3;B:2"` or a dict; a lot
            named without a quantity means the whole lot.
        bidders: One row a bidder. `bidder`, then `owner` (blank = itself), `kind`, `members` of a consortium
            (`"A:0.7;B:0.3"`), `deduction` (share taken off the evaluated price only), and any other column.
            Left out: derived from the bids.
        discounts: `bidder`, `lots` (blank = all), `threshold`, `measure` (lots, quantity, spend), `percent`
            or `amount`, `kind` (all_units, incremental).
        ownership: `owner`, `owned`; closed transitively.
        scores: `bid`, `criterion`, `evaluator`, `score` (0–100); quality is derived from them.
        name: The tender's name.
        currency: ISO code, for display.
        money_unit: The smallest amount of money; every price is a whole multiple of it.

    Tables come back in the natural order of their names (L2 before L10), whatever the order of the input.
    Prices are whole numbers of `money_unit` inside (`tender.price`, `tender.fixed`, `tender.in_house`).

    Raises:
        BadTable: with every problem found, each with its table, row (the header is row 1), column and reason.

    >>> tender = Tender(
    ...     lots=[{"lot": "north", "estimate": 100}, {"lot": "south", "estimate": 80}],
    ...     bids=[{"bid": "b1", "bidder": "Acme", "lots": "north;south", "price": 150},
    ...           {"bid": "b2", "bidder": "Bell", "lots": "south", "price": 70.5}])
    >>> tender
    Tender('tender': 2 lots, 2 bidders, 2 bids)
    >>> tender.without("Acme").bids["bid"].tolist()
    ['b2']
    """

    name: str
    currency: str
    money_unit: float
    notes: tuple[str, ...]
    _lots: pd.DataFrame
    _every_bid: pd.DataFrame
    _bids: pd.DataFrame
    _bidders: pd.DataFrame
    _discounts: pd.DataFrame
    _ownership: pd.DataFrame
    _scores: pd.DataFrame
    _rejected: pd.DataFrame
    price: NDArray[np.int64]
    fixed: NDArray[np.int64]
    in_house: NDArray[np.float64]
    demand: NDArray[np.float64]
    estimate: NDArray[np.float64]
    reserve: NDArray[np.float64]
    quality: NDArray[np.float64]
    min_fraction: NDArray[np.float64]
    quantity: sparse.csr_array
    bidder_of: NDArray[np.intp]
    xor_group: NDArray[np.intp]
    schedules: tuple[Schedule, ...]
    _graph: nx.DiGraph[str]
    _members: dict[int, dict[str, float]]

    def __init__(
        self,
        lots: Table,
        bids: Table,
        bidders: Table | None = None,
        *,
        discounts: Table | None = None,
        ownership: Table | None = None,
        scores: Table | None = None,
        name: str = "tender",
        currency: str = "",
        money_unit: float = 0.01,
        notes: Sequence[str] = (),
    ) -> None:
        if not (math.isfinite(money_unit) and money_unit > 0):
            raise ValueError(f"money_unit is {money_unit!r}; it must be a positive amount of money, such as 0.01 or 1")
        problems: list[Problem] = []
        found = problems.append
        lot_rows = _read("lots", lots, found)
        _check_lots(lot_rows, money_unit, found)
        lot_rows = _in_natural_order(lot_rows.drop_duplicates("lot"), "lot")
        bids = as_frame("bids", bids, found, REQUIRED["bids"])
        if "lots" in bids:
            bids["lots"] = as_text(bids["lots"], _lots_text)
        # Half of the time goes into the lots the bids name, so they are read beside everything else.
        with ThreadPoolExecutor(1) as beside:
            reading = beside.submit(_read_quantities, bids.get("lots", constant(TEXT, bids.index)), lot_rows, found)
            bid_rows = _read("bids", bids, found)
            order = _natural_order(bid_rows["bid"])
            bid_rows = bid_rows if order is None else bid_rows.iloc[order]
            if (bid_rows["status"] != "").any():
                bid_rows["status"] = bid_rows["status"].where(bid_rows["status"].str.lower() != "valid", "")
            if order is not None:
                _check_namesakes(bid_rows, found)
            _check_bids(bid_rows, money_unit, found)
            who = as_arrow(bid_rows["bidder"]).dictionary_encode()
            if bidders is None:
                bidders = pd.DataFrame({"bidder": [name for name in who.dictionary.to_pylist() if name]}, dtype="str")
            bidder_rows = _read("bidders", bidders, found)
            check_unique("bidders", bidder_rows, ["bidder"], found)
            check_within("bidders", bidder_rows, "deduction", 0, 1, found, open_above=True)
            bidder_rows = _in_natural_order(bidder_rows.drop_duplicates("bidder"), "bidder")
            bidder_of = _find_bidders(bid_rows, who, bidder_rows, found)
            quantity = reading.result() if order is None else reading.result()[order]
        discount_rows = _read("discounts", discounts, found)
        ownership_rows = _read("ownership", ownership, found)
        score_rows = _read("scores", scores, found)

        members = _read_members(bidder_rows, found)
        graph = _ownership_graph(bidder_rows, ownership_rows, found)
        _check_scores(score_rows, bid_rows, found)
        schedules = _read_schedules(discount_rows, bidder_rows, lot_rows, money_unit, found)
        if problems:
            raise BadTable(sorted(problems, key=_place))

        score_rows = score_rows.sort_values(["bid", "criterion", "evaluator"])
        keep, reasons = _judge(bid_rows, quantity, lot_rows)
        rejected = bid_rows[~keep].assign(reason=pd.Series(reasons, index=bid_rows.index[~keep], dtype="str"))
        valid = bid_rows.drop(columns="status")
        if reasons:
            valid, quantity, bidder_of = valid[keep], quantity[np.flatnonzero(keep)], bidder_of[keep]

        put = self._put
        put("name", str(name).strip())
        put("currency", str(currency))
        put("money_unit", float(money_unit))
        put("notes", tuple(notes))
        put("_lots", lot_rows.reset_index(drop=True))
        put("_every_bid", bid_rows.reset_index(drop=True))
        put("_bids", valid.reset_index(drop=True))
        put("_rejected", rejected.reset_index(drop=True))
        put("_bidders", bidder_rows.reset_index(drop=True))
        put("_discounts", discount_rows.reset_index(drop=True))
        put("_ownership", ownership_rows.sort_values(["owner", "owned"]).reset_index(drop=True))
        put("_scores", score_rows.reset_index(drop=True))
        put("price", _in_units(floats(valid, "price"), money_unit).astype(np.int64))
        put("fixed", _in_units(floats(valid, "fixed"), money_unit).astype(np.int64))
        put("in_house", _in_units(floats(lot_rows, "in_house"), money_unit))
        for column in ("demand", "estimate", "reserve"):
            put(column, floats(lot_rows, column))
        put("quality", floats(valid, "quality"))
        put("min_fraction", floats(valid, "min_fraction"))
        put("quantity", quantity)
        put("bidder_of", bidder_of)
        put("xor_group", _xor_groups(valid["xor"], bidder_of))
        put("schedules", schedules)
        put("_graph", graph)
        put("_members", members)

    def _put(self, name: str, value: object) -> None:
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
        object.__setattr__(self, name, value)

    # Shallow copies: pandas copies on write, so nobody can change a tender through its tables.
    @property
    def lots(self) -> pd.DataFrame:
        """One row a lot, every standard column present."""
        return self._lots.copy(deep=False)

    @property
    def bids(self) -> pd.DataFrame:
        """The valid bids, one row each, every standard column present."""
        return self._bids.copy(deep=False)

    @property
    def bidders(self) -> pd.DataFrame:
        """One row a bidder, every standard column present."""
        return self._bidders.copy(deep=False)

    @property
    def rejected(self) -> pd.DataFrame:
        """The bids set aside, each with the `reason`."""
        return self._rejected.copy(deep=False)

    @property
    def discounts(self) -> pd.DataFrame:
        """Volume discounts, one row a threshold."""
        return self._discounts.copy(deep=False)

    @property
    def ownership(self) -> pd.DataFrame:
        """Who owns whom, as given."""
        return self._ownership.copy(deep=False)

    @property
    def scores(self) -> pd.DataFrame:
        """Scores by bid, criterion and evaluator."""
        return self._scores.copy(deep=False)

    @property
    def every_bid(self) -> pd.DataFrame:
        """All bids as handed in, valid or not, with their `status`."""
        return self._every_bid.copy(deep=False)

    def __repr__(self) -> str:
        parts = [(len(self._lots), "lot"), (len(self._bidders), "bidder"), (len(self._bids), "bid")]
        text = ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in parts)
        aside = f", {len(self._rejected)} rejected" if len(self._rejected) else ""
        return f"Tender({self.name!r}: {text}{aside})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tender):
            return NotImplemented
        plain = ("name", "currency", "money_unit")
        tables = ("_lots", "_every_bid", "_bidders", "_discounts", "_ownership", "_scores", "_bids")
        return all(getattr(self, key) == getattr(other, key) for key in plain) and all(
            getattr(self, key).equals(getattr(other, key)[getattr(self, key).columns])
            if set(getattr(self, key).columns) == set(getattr(other, key).columns)
            else False
            for key in tables
        )

    __hash__ = None  # type: ignore[assignment]

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}  # what is derived is not sent along

    def replace(self, **changes: Any) -> Tender:
        """The tender with some arguments of `Tender(...)` changed; bids set aside are judged anew.

        >>> tender = Tender([{"lot": "A"}], [{"bid": "b", "bidder": "X", "lots": "A", "price": 5}])
        >>> tender.replace(lots=[{"lot": "A", "reserve": 4}]).rejected["reason"].tolist()
        ['above the reserve: 5 > 4']
        """
        now: dict[str, Any] = {
            "lots": self._lots, "bids": self._every_bid, "bidders": self._bidders, "discounts": self._discounts,
            "ownership": self._ownership, "scores": self._scores, "name": self.name, "currency": self.currency,
            "money_unit": self.money_unit, "notes": self.notes,
        }  # fmt: skip
        unknown = changes.keys() - now.keys()
        if unknown:
            raise TypeError(f"a tender has no {', '.join(sorted(unknown))}; it has {', '.join(now)}")
        return Tender(**(now | changes))

    def without(self, *bidders: str) -> Tender:
        """The tender without the bids of these bidders; lots, bidders and totals stay as they are."""
        gone = [self.bidder_index(bidder) for bidder in bidders]
        return self.keep(~np.isin(self.bidder_of, gone))

    def keep(self, mask: NDArray[np.bool_]) -> Tender:
        """The tender with only the valid bids that `mask` (one truth value a bid) marks."""
        kept = object.__new__(Tender)
        for name in self.__dataclass_fields__:
            object.__setattr__(kept, name, getattr(self, name))
        gone = set(self._bids["bid"][~mask])
        rows = np.flatnonzero(mask)
        kept._put("_bids", self._bids[mask].reset_index(drop=True))
        kept._put("_every_bid", self._every_bid[~self._every_bid["bid"].isin(gone)].reset_index(drop=True))
        kept._put("_scores", self._scores[~self._scores["bid"].isin(gone)].reset_index(drop=True))
        for name in ("price", "fixed", "quality", "min_fraction", "quantity", "bidder_of", "xor_group"):
            kept._put(name, getattr(self, name)[rows])
        return kept

    def set_aside(self, reasons: Mapping[int, str]) -> Tender:
        """The tender with some valid bids (by position) moved to the rejected ones, each with its reason."""
        if not reasons:
            return self
        gone = np.zeros(len(self._bids), dtype=bool)
        gone[list(reasons)] = True
        rest = self.keep(~gone)
        aside = self._bids[gone].assign(status="", reason=[reasons[int(i)] for i in np.flatnonzero(gone)])
        rest._put("_rejected", pd.concat([self._rejected, aside], ignore_index=True))
        rest._put("_every_bid", self._every_bid)
        rest._put("_scores", self._scores)
        return rest

    def with_quality(self, quality: NDArray[np.float64]) -> Tender:
        """The tender with these qualities, one a valid bid."""
        rated = object.__new__(Tender)
        for name in self.__dataclass_fields__:
            object.__setattr__(rated, name, getattr(self, name))
        rated._put("quality", np.array(quality, dtype=float))
        rated._put("_bids", self._bids.assign(quality=quality))
        return rated

    def scored(self, weights: Mapping[str, float] | None = None) -> Tender:
        """The tender with the quality of its bids derived from the scores.

        quality = Σ_criterion weight · mean over evaluators of score, weights scaled to sum to 1 (None: equal).
        Bids without scores keep the quality they have.

        Raises:
            ValueError: weights that do not match the criteria, or weights without any scores.
        """
        if self._scores.empty:
            if weights:
                raise ValueError("quality_weights are given, but the tender has no scores table to weigh")
            return self
        criteria = sorted(self._scores["criterion"].unique())
        weight = dict.fromkeys(criteria, 1.0) if weights is None else dict(weights)
        if set(weight) != set(criteria):
            raise ValueError(f"quality_weights name {sorted(weight)}, the scores have the criteria {criteria}")
        if min(weight.values()) < 0 or not sum(weight.values()) > 0:
            raise ValueError(f"quality_weights must not be negative and must not all be 0, got {weight}")
        mean = self._scores.groupby(["bid", "criterion"])["score"].mean().unstack()
        share = np.array([weight[criterion] for criterion in mean.columns])
        derived = pd.Series((mean.to_numpy() * (share / share.sum())).sum(axis=1), index=mean.index)
        quality = self._bids["bid"].map(derived).to_numpy(dtype=float)
        return self.with_quality(np.where(np.isnan(quality), self.quality, quality))

    # ---- names to positions -------------------------------------------------------------------------------

    @cached_property
    def lot_names(self) -> NDArray[np.object_]:
        """The lots' names in the order of the arrays."""
        return self._lots["lot"].to_numpy(dtype=object)

    @cached_property
    def bid_names(self) -> NDArray[np.object_]:
        """The valid bids' names in the order of the arrays."""
        return self._bids["bid"].to_numpy(dtype=object)

    @cached_property
    def bidder_names(self) -> NDArray[np.object_]:
        """The bidders' names in the order of the arrays."""
        return self._bidders["bidder"].to_numpy(dtype=object)

    def bidder_index(self, name: str) -> int:
        """The position of a bidder.

        Raises:
            ValueError: if there is no such bidder.
        """
        return _position(self.bidder_names, name, "bidder")

    def bid_index(self, name: str) -> int:
        """The position of a valid bid.

        Raises:
            ValueError: if there is no such valid bid, with the reason where it was rejected.
        """
        aside = self._rejected[self._rejected["bid"] == as_written(name)]
        if len(aside):
            raise ValueError(f"bid {name!r} was rejected: {aside['reason'].iloc[0]}")
        return _position(self.bid_names, name, "valid bid")

    def scope(self, lots: Filter = None) -> NDArray[np.bool_]:
        """Which lots a filter names: None (all), a list of lots, or `{column: value or values}`.

        Raises:
            ValueError: an unknown lot or column, or a filter that matches nothing.
        """
        return _matching(self._lots, "lot", lots)

    def among_bidders(self, bidders: Filter = None) -> NDArray[np.bool_]:
        """Which bidders a filter names; like `scope`."""
        return _matching(self._bidders, "bidder", bidders)

    def among_bids(self, bids: Filter = None) -> NDArray[np.bool_]:
        """Which valid bids a filter names; like `scope`. A rejected bid in a list is a valid name that matches none."""
        if bids is None or isinstance(bids, (str, Mapping)):
            return _matching(self._bids, "bid", bids)
        known = [name for name in bids if as_written(name) not in set(self._rejected["bid"])]
        return _matching(self._bids, "bid", known) if known else np.zeros(len(self._bids), dtype=bool)

    @cached_property
    def derived(self) -> dict[Any, Any]:
        """What was computed from this tender and is wanted again and again; it goes with the tender."""
        return {}

    @cached_property
    def offers(self) -> sparse.csr_array:
        """How much of each lot each bid takes, lots × bids: `quantity` the other way round."""
        return sparse.csr_array(self.quantity.T)

    @cached_property
    def part(self) -> sparse.csr_array:
        """How much of each lot a bid takes: quantity / demand, bids × lots."""
        part: sparse.csr_array = self.quantity.copy()
        part.data = part.data / self.demand[part.indices]
        return part

    def groups(
        self, per: str, *, winners: bool = False, split: bool = False
    ) -> tuple[NDArray[np.object_], sparse.csr_array]:
        """Who counts for whom: names of the entities, and the weight of each bidder in each (bidders × entities).

        Args:
            per: "bidder" (a consortium counts for its members), "owner" (ultimate owners), or a bidders column.
            winners: count contract partners: with per="bidder" a consortium is then one bidder.
            split: divide a bidder that counts in full for several entities among them, as a sum of shares needs.

        Raises:
            ValueError: no such column, or blanks in it.
        """
        key = ("groups", per, winners, split)
        if key not in self.derived:
            self.derived[key] = self._groups(per, winners, split)
        found: tuple[NDArray[np.object_], sparse.csr_array] = self.derived[key]
        return found

    def _groups(self, per: str, winners: bool, split: bool) -> tuple[NDArray[np.object_], sparse.csr_array]:
        names = self.bidder_names
        if per == "bidder":
            rows = [{str(name): 1.0} for name in names]
            for bidder, members in () if winners else self._members.items():
                rows[bidder] = members
        elif per == "owner":
            rows = []
            for bidder, name in enumerate(names):
                weights: dict[str, float] = {}
                for member, weight in self._members.get(bidder, {str(name): 1.0}).items():
                    for owner in self.ultimate_owners(member):
                        weights[owner] = min(1.0, weights.get(owner, 0.0) + weight)
                rows.append(weights)
        else:
            if per not in self._bidders.columns:
                raise ValueError(f"per={per!r}: the bidders have no such column; they have {list(self._bidders)}")
            values = as_text(self._bidders[per])
            blank = names[(values == "").to_numpy()]
            if len(blank):
                raise ValueError(f"per={per!r} needs a value for every bidder; it is blank for {', '.join(blank)}")
            rows = [{value: 1.0} for value in values]
        entities = sorted({entity for row in rows for entity in row}, key=_natural_key)
        position = {entity: i for i, entity in enumerate(entities)}
        entries = [(b, position[e], weight) for b, row in enumerate(rows) for e, weight in row.items()]
        i, j, w = (np.array(part) for part in zip(*entries, strict=True)) if entries else (np.empty(0, int),) * 3
        table = sparse.csr_array((w.astype(float), (i, j)), shape=(len(names), len(entities)))
        if split:
            table.data = table.data / np.repeat(np.maximum(table.sum(axis=1), 1.0), np.diff(table.indptr))
        return np.array(entities, dtype=object), table

    def ultimate_owners(self, name: str) -> tuple[str, ...]:
        """The owners above a bidder (or member) that nobody owns; itself if nobody owns it."""
        if name not in self._graph:
            return (name,)
        above = nx.ancestors(self._graph, name) | {name}
        return tuple(sorted(node for node in above if self._graph.in_degree(node) == 0))


# ---- reading one table ------------------------------------------------------------------------------------


def _read(table: str, data: Table | None, found: Found) -> pd.DataFrame:
    may_be_blank = ("price",) if table == "bids" else ()  # of bids that were set aside
    return read_table(table, data, found, COLUMNS[table], REQUIRED[table], may_be_blank)


# ---- what must hold in each table -------------------------------------------------------------------------


def _whole_units(table: str, frame: pd.DataFrame, column: str, unit: float, found: Found) -> None:
    value = frame[column].to_numpy(dtype=float)
    if not value.any():
        return
    nearest = _in_units(value, unit)
    with np.errstate(over="ignore", invalid="ignore"):  # infinitely many units are too many, and said to be
        off = value / unit
        off -= nearest
    np.abs(off, out=off)
    most = np.fmax.reduce(nearest, initial=0)
    if np.fmax.reduce(off, initial=0) <= 1e-6 and most < 2**53:
        return
    large = nearest >= 2**53
    fine = (off > 1e-6 + 4e-16 * np.abs(nearest)) & ~large
    for row, one in zip(frame.index[fine], value[fine], strict=True):
        found(Problem(table, int(row), column, f"{one:.15g} is finer than the money unit {unit:g}"))
    for row, one in zip(frame.index[large], value[large], strict=True):
        found(Problem(table, int(row), column, f"{one:.17g} is too large to be held exactly"))


def _in_units(amounts: NDArray[np.float64], unit: float) -> NDArray[np.float64]:
    """Amounts of money as whole numbers of the unit."""
    if not amounts.any():  # as the fixed charges of most tenders: a look is cheaper than a division
        return np.zeros(len(amounts))
    with np.errstate(over="ignore"):
        units = amounts / unit
    return np.rint(units, out=units)


def _check_lots(lots: pd.DataFrame, unit: float, found: Found) -> None:
    if lots.empty:
        found(Problem("lots", None, None, "there is no lot"))
    check_unique("lots", lots, ["lot"], found)
    for row, name in lots["lot"][lots["lot"].str.contains("[;:]")].items():
        stem, colon, tail = str(name).rpartition(":")
        if ";" in str(name):
            found(Problem("lots", int(str(row)), "lot", f"{name!r}: a lot's name may not hold a semicolon"))
        elif colon and as_quantity(tail) is not None and (lots["lot"] == stem.strip()).any():
            found(Problem("lots", int(str(row)), "lot", f"{name!r} reads like a quantity of lot {stem!r}: rename it"))
    check_within("lots", lots, "demand", 0, math.inf, found, open_below=True)
    for column in ("estimate", "in_house", "reserve"):
        check_within("lots", lots, column, 0, math.inf, found)
    check_within("lots", lots, "in_house_quality", 0, 100, found)
    _whole_units("lots", lots, "in_house", unit, found)


def _check_bids(bids: pd.DataFrame, unit: float, found: Found) -> None:
    """What a bid must say by itself."""
    unpriced = np.isnan(bids["price"].to_numpy())
    for row in bids.index[unpriced][bids["status"][unpriced] == ""]:
        found(Problem("bids", int(row), "price", "the price is blank"))
    for column in ("price", "fixed"):
        check_within("bids", bids, column, 0, math.inf, found)
        _whole_units("bids", bids, column, unit, found)
    check_within("bids", bids, "quality", 0, 100, found)
    check_within("bids", bids, "min_fraction", 0, 1, found)


def _check_namesakes(bids: pd.DataFrame, found: Found) -> None:
    """In natural order bids of one name are neighbours."""
    names = as_arrow(bids["bid"])
    for at in np.flatnonzero(pc.equal(names[1:], names[:-1])).tolist():
        if names[at].as_py() != "":
            reason = f"{names[at].as_py()!r} stands already in row {bids.index[at]}"
            found(Problem("bids", int(bids.index[at + 1]), "bid", reason))


def _find_bidders(bids: pd.DataFrame, who: Any, bidders: pd.DataFrame, found: Found) -> NDArray[np.intp]:
    """The position of each bid's bidder; `who` are the bids' bidders, dictionary-encoded."""
    places = pd.Index(bidders["bidder"]).get_indexer(pd.Index(who.dictionary.to_pandas()))
    bidder_of: NDArray[np.intp] = places[who.indices.to_numpy()]
    names = who.dictionary.to_pylist()
    unknown = bidder_of < 0
    for row, code in zip(bids.index[unknown].tolist(), who.indices.to_numpy()[unknown].tolist(), strict=True):
        if names[code] != "":
            found(Problem("bids", row, "bidder", f"{names[code]!r} is not in the bidders table"))
    return bidder_of


def _xor_groups(labels: pd.Series, bidder_of: NDArray[np.intp]) -> NDArray[np.intp]:
    """One number for each bidder and label, -1 for a blank label."""
    given = (labels != "").to_numpy()
    groups = np.full(len(labels), -1)
    if given.any():
        label = pd.factorize(labels[given])[0]
        groups[given] = pd.factorize(label * (bidder_of.max() + 1) + bidder_of[given])[0]
    return groups


def _place(problem: Problem) -> tuple[int, int, int]:
    """Table, row and column in the order in which they stand, since tables are read at the same time."""
    columns = list(COLUMNS.get(problem.file, ()))
    table = list(COLUMNS).index(problem.file) if problem.file in COLUMNS else len(COLUMNS)
    column = columns.index(problem.column) if problem.column in columns else len(columns)
    return table, problem.row or 0, column


def _judge(
    bids: pd.DataFrame, quantity: sparse.csr_array, lots: pd.DataFrame
) -> tuple[NDArray[np.bool_], list[str]]:  # fmt: skip
    """Which bids are valid, and the reason for each that is not."""
    keep = (bids["status"] == "").to_numpy()
    above = np.zeros(len(bids), dtype=bool)
    reserve = floats(lots, "reserve")
    if not np.isnan(reserve).all():
        share = quantity.copy()
        share.data = share.data / floats(lots, "demand")[share.indices]
        ceiling = share @ reserve
        offered = floats(bids, "price") + floats(bids, "fixed")
        above = keep & (offered > ceiling + 1e-9 * np.abs(ceiling))
    reasons = [
        f"above the reserve: {offered[row]:.15g} > {ceiling[row]:.15g}" if above[row] else bids["status"].iloc[row]
        for row in np.flatnonzero(~keep | above)
    ]
    return keep & ~above, reasons


def _read_quantities(column: pd.Series, lots: pd.DataFrame, found: Found) -> sparse.csr_array:
    """The quantity of each lot in each bid (bids × lots)."""
    names, demand = pd.Index(lots["lot"]), floats(lots, "demand")
    texts = as_arrow(column)
    pieces = pc.split_pattern(texts, ";")
    starts, tokens = pieces.offsets.to_numpy().astype(np.int32), pieces.values
    lot = pc.index_in(tokens, as_arrow(lots["lot"])).fill_null(-1).to_numpy().copy()
    odd = np.flatnonzero(lot < 0)
    if len(odd):
        kinds = tokens.take(pa.array(odd)).dictionary_encode()
        read = [_quantity_of(kind.strip(), names, demand) for kind in kinds.dictionary.to_pylist()]
        codes = kinds.indices.to_numpy()
        lot[odd] = np.array([found_lot for found_lot, _, _ in read])[codes]
    taken = demand[lot] if len(demand) else np.full(len(lot), math.nan)
    if len(odd):
        taken[odd] = np.array([units for _, units, _ in read])[codes]
        rows = np.searchsorted(starts, odd, side="right") - 1
        blank = pc.equal(texts, "").to_numpy(zero_copy_only=False)
        for at, code in zip(rows[~blank[rows]].tolist(), codes[~blank[rows]].tolist(), strict=True):
            if read[code][2]:
                found(Problem("bids", int(column.index[at]), "lots", read[code][2]))
    good = lot >= 0
    if not good.all():
        starts = np.concatenate([[0], np.cumsum(good)])[starts]
        lot, taken = lot[good], taken[good]
    quantity = sparse.csr_array((taken, lot, starts), shape=(len(column), len(names)))
    if _repeats(quantity, np.greater_equal).any():
        quantity.sort_indices()
        for at in np.flatnonzero(_repeats(quantity, np.equal)):
            row = int(np.searchsorted(starts, at, side="right")) - 1
            reason = f"lot {names[quantity.indices[at]]!r} stands twice in the bid"
            found(Problem("bids", int(column.index[row]), "lots", reason))
    return quantity


def _repeats(quantity: sparse.csr_array, compare: Callable[..., Any]) -> NDArray[np.bool_]:
    """Which lots compare so with the lot before them in the same bid."""
    mark = np.zeros(len(quantity.indices) + 1, dtype=bool)
    mark[1:-1] = compare(quantity.indices[:-1], quantity.indices[1:])
    mark[quantity.indptr] = False
    return mark


def _lots_text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ";".join(f"{as_written(lot)}:{as_written(quantity)}" for lot, quantity in value.items())
    if isinstance(value, (list, tuple, set, frozenset, np.ndarray)):
        return ";".join(as_written(lot) for lot in (sorted(value) if isinstance(value, (set, frozenset)) else value))
    return as_written(value)


def _quantity_of(token: str, names: pd.Index, demand: NDArray[np.float64]) -> tuple[int, float, str]:
    """Position, quantity and what is wrong of one `lot:quantity`."""
    stem, _, tail = token.rpartition(":")
    stem, units = stem.strip(), as_quantity(tail)
    if not token:
        return -1, math.nan, "there is an empty lot name between semicolons"
    if token in names:
        lot = int(names.get_indexer(pd.Index([token]))[0])
        return lot, float(demand[lot]), ""
    if not stem or stem not in names:
        return -1, math.nan, f"{token!r} is not in the lots table"
    lot = int(names.get_indexer(pd.Index([stem]))[0])
    if units is None:
        return -1, math.nan, f"{tail!r} is not a quantity of lot {stem!r}"
    if units <= 0 or units > demand[lot] * (1 + 1e-12):
        return -1, math.nan, f"a quantity of {units:g} of lot {stem!r}: it must be above 0 and at most {demand[lot]:g}"
    return lot, units, ""


def _weights(text: str, bidders: Container[str]) -> tuple[dict[str, float], str]:
    """`A:0.7;B:0.3` as weights, and what is wrong with it; the name of a bidder may hold a colon too."""
    weights: dict[str, float] = {}
    bare = 0
    for piece in text.split(";"):
        name, _, tail = piece.strip().rpartition(":")
        weight = as_quantity(tail)
        if not name or weight is None or piece.strip() in bidders:
            name, weight, bare = piece.strip(), 1.0, bare + 1
        name = name.strip()
        if not name:
            return {}, f"{text!r} has an empty member name"
        if name in weights:
            return {}, f"member {name!r} stands twice"
        if not 0 < weight <= 1:
            return {}, f"the weight of member {name!r} is {weight:g}; it must be above 0 and at most 1"
        weights[name] = weight
    if 0 < bare < len(weights):
        return {}, f"{text!r} gives some members a weight and others none"
    if not bare and abs(sum(weights.values()) - 1) > 1e-9:
        return {}, f"the weights of the members sum to {sum(weights.values()):g} instead of 1"
    return weights, ""


def _read_members(bidders: pd.DataFrame, found: Found) -> dict[int, dict[str, float]]:
    members: dict[int, dict[str, float]] = {}
    everyone = set(bidders["bidder"])
    for position, (row, text) in enumerate(bidders["members"].items()):
        if text:
            members[position], wrong = _weights(text, everyone)
            if wrong:
                found(Problem("bidders", int(str(row)), "members", wrong))
            if bidders["bidder"].iloc[position] in members[position]:
                found(Problem("bidders", int(str(row)), "members", "a consortium cannot be its own member"))
    return members


def _ownership_graph(bidders: pd.DataFrame, ownership: pd.DataFrame, found: Found) -> nx.DiGraph[str]:
    """Arrows from owner to owned; a cycle is a problem."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    for owner, owned in zip(ownership["owner"], ownership["owned"], strict=True):
        graph.add_edge(owner, owned)
    for owner, owned in zip(bidders["owner"], bidders["bidder"], strict=True):
        if owner and owner != owned:
            graph.add_edge(owner, owned)
    for knot in nx.strongly_connected_components(graph):
        if len(knot) > 1 or any(graph.has_edge(name, name) for name in knot):
            ring = [edge[0] for edge in nx.find_cycle(graph.subgraph(knot))]
            among = ownership.index[ownership["owner"].isin(knot) & ownership["owned"].isin(knot)]
            table, row = ("ownership", int(among[0])) if len(among) else ("bidders", None)
            found(Problem(table, row, "owner", f"ownership runs in a circle: {' owns '.join([*ring, ring[0]])}"))
    return graph


def _check_scores(scores: pd.DataFrame, bids: pd.DataFrame, found: Found) -> None:
    if scores.empty:
        return
    check_unique("scores", scores, ["bid", "criterion", "evaluator"], found)
    check_within("scores", scores, "score", 0, 100, found)
    unknown = ~scores["bid"].isin(bids["bid"]) & (scores["bid"] != "")
    for row, name in scores["bid"][unknown].items():
        found(Problem("scores", int(str(row)), "bid", f"{name!r} is not in the bids table"))
    both = bids["bid"].isin(scores["bid"]) & bids["quality"].notna()
    for row in bids.index[both]:
        found(Problem("bids", int(row), "quality", "the bid has scores too: leave the quality blank, it is derived"))
    criteria = set(scores["criterion"])
    for name, rows in scores.groupby("bid"):
        lacking = criteria - set(rows["criterion"])
        if lacking:
            reason = f"bid {name!r} has no score for {', '.join(sorted(lacking))}"
            found(Problem("scores", int(rows.index[0]), "criterion", reason))


def _read_schedules(
    rows: pd.DataFrame, bidders: pd.DataFrame, lots: pd.DataFrame, unit: float, found: Found
) -> tuple[Schedule, ...]:
    """Tiers put together by bidder, scope, measure and kind."""
    if rows.empty:
        return ()
    names, everyone = pd.Index(lots["lot"]), pd.Index(bidders["bidder"])
    rows["measure"] = rows["measure"].where(rows["measure"] != "", "spend")
    rows["kind"] = rows["kind"].where(rows["kind"] != "", "all_units")
    check_within("discounts", rows, "threshold", 0, 1e15, found)
    check_within("discounts", rows, "percent", 0, 100, found)
    check_within("discounts", rows, "amount", 0, math.inf, found)
    _whole_units("discounts", rows, "amount", unit, found)
    tiers: dict[tuple[int, frozenset[int], str, str], list[tuple[float, float, float, int]]] = {}
    for row, tier in zip(rows.index, rows.to_dict("records"), strict=True):
        wrong = []
        if tier["bidder"] not in everyone:
            wrong.append(("bidder", f"{tier['bidder']!r} is not a bidder of this tender"))
        for column, allowed in (("measure", MEASURES), ("kind", KINDS)):
            if tier[column] not in allowed:
                wrong.append((column, f"{tier[column]!r} is none of {', '.join(allowed)}"))
        if math.isnan(tier["percent"]) == math.isnan(tier["amount"]):
            wrong.append(("percent", "give either a percent or an amount"))
        scope = [lot.strip() for lot in str(tier["lots"]).split(";")] if tier["lots"] else list(names)
        for lot in scope:
            if lot not in names:
                wrong.append(("lots", f"{lot!r} is not in the lots table"))
        for column, reason in wrong:
            found(Problem("discounts", int(row), column, reason))
        if not wrong:
            key = (everyone.get_loc(tier["bidder"]), frozenset(names.get_indexer(pd.Index(scope))))
            tiers.setdefault((*key, tier["measure"], tier["kind"]), []).append(
                (tier["threshold"], tier["percent"], tier["amount"], int(row))
            )
    for i, (first, its_rows) in enumerate(tiers.items()):
        for second in list(tiers)[:i]:
            shared = first[1] & second[1]
            if first[0] == second[0] and shared:
                reason = f"overlaps the discount of row {tiers[second][0][3]} on lot {names[min(shared)]!r}"
                found(Problem("discounts", its_rows[0][3], "lots", reason))
    schedules = []
    for (bidder, lots_in, measure, kind), steps in tiers.items():
        steps.sort()
        for (low, *_), (high, _, _, row) in pairwise(steps):
            if low == high:
                found(Problem("discounts", row, "threshold", f"the threshold {high:g} stands twice"))
        threshold, percent, amount = (np.array(column) for column in list(zip(*steps, strict=True))[:3])
        where = np.array(sorted(lots_in), dtype=np.intp)
        money = np.rint(np.nan_to_num(amount) / unit)
        if measure == "spend":
            with np.errstate(over="ignore"):  # of one that is refused already
                threshold = threshold / unit
        schedules.append(Schedule(bidder, where, measure, kind, threshold, np.nan_to_num(percent) / 100, money))
    return tuple(sorted(schedules, key=lambda s: (s.bidder, s.lots[:1].tolist())))  # of no lot: refused already


# ---- names ------------------------------------------------------------------------------------------------


DIGITS = "0123456789"


def _natural_key(name: object) -> list[tuple[int, int, str]]:
    pieces = re.split(r"(\d+)", str(name))
    return [(0, int(piece), piece) if piece.isdecimal() else (1, 0, piece) for piece in pieces]


def _in_natural_order(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    order = _natural_order(frame[column])
    return frame if order is None else frame.iloc[order]


def _natural_order(column: pd.Series) -> NDArray[np.intp] | None:
    """The order in which L2 comes before L10, by the number a name ends in within the same stem; None: as it is."""
    names = as_arrow(column)
    if _ascending(names):
        return None
    stems = pc.ascii_rtrim(names, characters=DIGITS)
    size = pc.binary_length(stems).to_numpy()
    digits = pc.binary_length(names).to_numpy() - size
    if digits.max() > 15:  # too long for a whole number
        keys = [_natural_key(name) for name in column]
        return np.array(sorted(range(len(keys)), key=keys.__getitem__))
    stems = stems.dictionary_encode()
    kinds = stems.dictionary.to_pylist()
    rank = np.empty(len(kinds), dtype=np.int64)
    rank[sorted(range(len(kinds)), key=lambda i: _natural_key(kinds[i]))] = np.arange(len(kinds))
    return np.lexsort((digits, _last_numbers(names, digits), rank[stems.indices.to_numpy()]))


def _last_numbers(names: Any, digits: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of so many digits each name ends in, -1 where there is none; read from the bytes, last digit first."""
    _, offsets, data = names.buffers()
    ends = np.frombuffer(offsets, np.int64)[names.offset + 1 : names.offset + 1 + len(names)]
    letters = np.frombuffer(data or b"", np.uint8)
    number = np.where(digits > 0, 0, -1)
    for place in range(digits.max(initial=0)):
        long = np.flatnonzero(digits > place)
        number[long] += (letters[ends[long] - 1 - place].astype(np.int64) - ord("0")) * 10**place
    return number


def _ascending(names: Any) -> bool:
    """Whether the names are one stem with rising numbers, such as b1 … b900: then there is nothing to sort."""
    if not len(names):
        return True
    size = pc.binary_length(names)
    stem = names[0].as_py().rstrip(DIGITS)
    numbered = pc.equal(pc.binary_length(pc.ascii_rtrim(names, characters=DIGITS)), len(stem.encode()))
    if not pc.all(pc.and_(numbered, pc.starts_with(names, stem))).as_py() or pc.max(size).as_py() - len(stem) > 15:
        return False
    longer = pc.greater(size[1:], size[:-1])
    rises = pc.or_(longer, pc.and_(pc.equal(size[1:], size[:-1]), pc.greater(names[1:], names[:-1])))
    if pc.all(rises).as_py() is False:
        return False
    return not pc.any(pc.starts_with(names[1:].filter(longer), stem + "0")).as_py()


def _position(names: NDArray[np.object_], name: str, noun: str) -> int:
    where = np.flatnonzero(names == as_written(name))
    if not len(where):
        raise ValueError(f"there is no {noun} {name!r}{_close(name, names)}")
    return int(where[0])


def _close(name: object, names: Iterable[object]) -> str:
    alike = [str(other) for other in names if str(other).strip().lower() == str(name).strip().lower()]
    return f"; did you mean {alike[0]!r}?" if alike else ""


def _matching(table: pd.DataFrame, key: str, wanted: Filter) -> NDArray[np.bool_]:
    if wanted is None:
        return np.ones(len(table), dtype=bool)
    if isinstance(wanted, str):
        raise ValueError(f"{wanted!r}: give {key}s as a list, or a filter such as {{'column': 'value'}}")
    if isinstance(wanted, Mapping):
        mask = np.ones(len(table), dtype=bool)
        for column, values in wanted.items():
            if column not in table.columns:
                raise ValueError(f"the {key}s have no column {column!r}; they have {', '.join(table.columns)}")
            one = isinstance(values, (str, bytes)) or not isinstance(values, Iterable)
            mask &= _equals_any(table[column], [values] if one else list(values))
        if not mask.any():
            raise ValueError(f"no {key} matches {dict(wanted)!r}")
        return mask
    names = [as_written(name) for name in wanted]
    known = set(table[key])
    for name in names:
        if name not in known:
            raise ValueError(f"there is no {key} {name!r}{_close(name, table[key])}")
    if not names:
        raise ValueError(f"the list of {key}s is empty; leave it out to mean all of them")
    return table[key].isin(names).to_numpy()


def _equals_any(column: pd.Series, values: list[Any]) -> NDArray[np.bool_]:
    if pd.api.types.is_numeric_dtype(column.dtype):
        numbers = [as_quantity(str(float(value) if isinstance(value, bool) else value)) for value in values]
        return column.isin([number for number in numbers if number is not None]).to_numpy()
    return column.isin([as_written(value) for value in values]).to_numpy()
