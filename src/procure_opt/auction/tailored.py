"""Rules written for one bidder: requirements that one alone meets, criteria that price cannot make up for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from procure_opt.auction.past import PastBids, past_bids
from procure_opt.cells import NUMBER, TEXT, BadTable, Problem, Table, read_table
from procure_opt.offers import as_tender, lot_of
from procure_opt.reversals import best, winner_map
from procure_opt.scoring import SCALE, Scoring
from procure_opt.tender import Tender

Floats = NDArray[np.float64]

REQUIREMENTS: dict[str, Any] = {"requirement": TEXT, "attribute": TEXT, "least": NUMBER, "most": NUMBER, "one_of": TEXT}
CRITERIA: dict[str, Any] = {"criterion": TEXT, "weight": NUMBER, "low": 0.0, "high": 100.0}
PAST = ("past_bids", "past_wins", "past_total", "past_largest")  # attributes that past bids tell

ANY_PRICE = 1_000_000.0  # for formulas to which cents and millions are the same
WIDEST = 1_000.0  # a bid so many times as dear as another is beyond any that is sent in earnest
TRIED = 200  # prices tried at once, before the next are tried between the last that wins and the first that does not


@dataclass(frozen=True, eq=False)
class Tailored:
    """How far the rules of a tender leave it open, and what to ask where they do not.

    Attributes:
        requirements: One row a requirement: `requirement`, `meet` (known bidders who meet it), `fail`, `unknown`,
            `only` (the one who meets it, if it is one alone and nobody is unknown), `past_winner` (whether that one
            won before), `left_without` (bidders left if this requirement alone were dropped).
        bidders: One row a bidder: `bidder`, `past_wins`, `fails` (requirements), `unknown`, `left` (fails none; what is
            not known is not held against it).
        criteria: One row a criterion: `criterion`, `share` (of quality), `span`, `pays_for` (how much dearer the best
            bid in this criterion may be and still beat the worst, all else equal; inf: price cannot make up for it),
            `spread` (how much dearer the dearest bid is usually), `decides_alone` (pays_for ≥ spread).
        rivals: One row a bid that does not win: `lot`, `bid`, `price`, `quality`, `winner`, `price_to_win` (NaN: it
            does not win at any price), `out_of_reach` (below what the usual spread leaves room for).
        winners: `winner_map` of the bids, with `always`: one bid wins at every weight of price the law admits.
        questions: What to look into, in words.
        notes: What was assumed and what was not looked at.
    """

    requirements: pd.DataFrame
    bidders: pd.DataFrame
    criteria: pd.DataFrame
    rivals: pd.DataFrame
    winners: pd.DataFrame
    questions: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        left = (
            f"{int(self.bidders['left'].sum())} of {len(self.bidders)} bidders left, " if len(self.requirements) else ""
        )
        return f"Tailored({left}{len(self.questions)} questions)"


def tailored(
    *,
    requirements: Table = (),
    bidders: Table = (),
    past: Table | PastBids | None = None,
    criteria: Table = (),
    scoring: Scoring | None = None,
    bids: Tender | Table = (),
    spread: float | None = None,
    price: float | None = None,
) -> Tailored:
    """Whether the rules of a tender are such that one bidder alone can meet or win them.

    Requirements are held against the bidders known: how many meet each alone, how many meet all, who is kept away by
    one requirement alone. Criteria are held against price by the formula itself: a criterion decides alone if the
    dearest bid with its best mark is not beaten by the cheapest with its worst, all other marks halfway. A bid is out
    of reach of the winner if the price at which it would win is below winner's price / (1 + spread).

    Args:
        requirements: One row a requirement: `requirement` (its name), `attribute` (a column of bidders), and `least`,
            `most` (numbers) or `one_of` (texts with semicolons).
        bidders: One row a bidder that might come: `bidder` and its attributes; a blank one is not known.
        past: Past bids (`past_bids`). They add bidders, and the attributes past_bids, past_wins (numbers of tenders),
            past_total and past_largest (amounts won).
        criteria: One row a criterion of quality: `criterion`, `weight` (among them; scaled to 1), `low` and `high`, the
            marks bids are expected to get (left out: 0 and 100).
        scoring: The formula, `RelativePrice(0.4)`.
        bids: Bids expected: `bidder`, `price`, `quality`, and `lots` if there are several.
        spread: How much dearer than the lowest the highest bid is (0.3: 30 %); left out: the 95 % quantile over past
            tenders with several bids.
        price: The lowest price expected, for criteria under a formula that sets quality against amounts of money.

    Raises:
        BadTable: a column is missing or a cell cannot be read.
        ValueError: nothing is given to look at, something needs the formula, a spread or a price, or the formula
            refuses.

    References: Decarolis and Giorgiantonio (2022), EPJ Data Science 11, on red flags in calls for tenders.

    >>> from procure_opt.scoring import RelativePrice
    >>> found = tailored(
    ...     requirements=[{"requirement": "size", "attribute": "staff", "least": 50},
    ...                   {"requirement": "parks cleaned here", "attribute": "parks", "least": 3}],
    ...     bidders=[{"bidder": "Acer", "staff": 60, "parks": 4}, {"bidder": "Briar", "staff": 90, "parks": 0},
    ...              {"bidder": "Cedar", "staff": 20, "parks": 1}],
    ...     criteria=[{"criterion": "concept", "weight": 3}, {"criterion": "staffing", "weight": 1}],
    ...     scoring=RelativePrice(0.3), spread=0.2)
    >>> found.requirements[["requirement", "meet", "only", "left_without"]]
              requirement  meet  only  left_without
    0                size     2                   1
    1  parks cleaned here     1  Acer             2
    >>> found.criteria[["criterion", "share", "pays_for", "decides_alone"]].round(3)
      criterion  share  pays_for  decides_alone
    0   concept   0.75       inf           True
    1  staffing   0.25       1.4           True
    """
    history = None if past is None else past_bids(past)
    problems: list[Problem] = []
    asked = _asked(requirements, problems)
    known = _known(bidders, history, problems)
    marks = read_table(
        "criteria", criteria, problems.append, CRITERIA, ("criterion", "weight") if len(criteria) else ()
    )
    _check(asked, known, marks, problems)
    if problems:
        raise BadTable(problems)
    if asked.empty and marks.empty and not _some(bids):
        raise ValueError("there is nothing to look at: give requirements, criteria or bids")
    if scoring is None and (len(marks) or _some(bids)):
        raise ValueError("criteria and bids are held against price by the formula: give scoring=RelativePrice(0.4)")
    if not asked.empty and known.empty:
        raise ValueError("requirements are held against bidders: give bidders, or past bids")
    notes: list[str] = []
    wide = _spread(spread, history, bool(len(marks)) or _some(bids), notes)
    held, people = _held(asked, known)
    weighed = _weighed(marks, scoring, wide, price)
    rivals, winners = _contest(bids, scoring, wide, notes)
    questions = (*_of_requirements(held, people), *_of_criteria(weighed), *_of_bids(rivals, winners))
    return Tailored(held, people, weighed, rivals, winners, questions, tuple(notes))


# ---- requirements -----------------------------------------------------------------------------------------


def _asked(requirements: Table, problems: list[Problem]) -> pd.DataFrame:
    must = ("requirement", "attribute") if len(requirements) else ()
    return read_table("requirements", requirements, problems.append, REQUIREMENTS, must)


def _known(bidders: Table, history: PastBids | None, problems: list[Problem]) -> pd.DataFrame:
    """The bidders by name, with what past bids tell of them."""
    table = read_table("bidders", bidders, problems.append, {"bidder": TEXT}, ("bidder",) if len(bidders) else ())
    for row in table.index[table["bidder"].duplicated().to_numpy()]:
        problems.append(Problem("bidders", int(row), "bidder", f"{table['bidder'][row]!r} stands twice"))
    table = table.drop_duplicates("bidder").set_index("bidder")
    if history is None:
        return table
    each = history.table.assign(bidder=history.table["bidder"].astype(str)).groupby("bidder")
    won = history.table[history.table["winner"]]
    amounts = won.groupby(won["bidder"].astype(str))["bid"]
    told = pd.DataFrame({"past_bids": each.size()}).astype(float)
    told["past_wins"], told["past_total"], told["past_largest"] = amounts.size(), amounts.sum(), amounts.max()
    told = told.fillna(0.0)
    for column in PAST:
        if column in table:
            told = told.drop(columns=column)
    names = [*table.index, *(name for name in told.index if name not in table.index)]
    # Who is known but never bid has no past; of who bid but is not in the table the other attributes are unknown.
    return table.reindex(names).join(told.reindex(names, fill_value=0.0)).rename_axis("bidder")


def _check(asked: pd.DataFrame, known: pd.DataFrame, marks: pd.DataFrame, problems: list[Problem]) -> None:
    for at, one in zip(asked.index.tolist(), asked.to_dict("records")):
        numeric = not (math.isnan(one["least"]) and math.isnan(one["most"]))
        if one["attribute"] and one["attribute"] not in known:
            there = ", ".join(map(str, known.columns)) or "none"
            reason = f"bidders have no attribute {one['attribute']!r}; there are {there}"
            problems.append(Problem("requirements", at, "attribute", reason))
        elif numeric == bool(one["one_of"]):
            problems.append(Problem("requirements", at, None, "give least or most, or one_of, and not both"))
        elif numeric and one["attribute"] and not pd.api.types.is_numeric_dtype(known[one["attribute"]]):
            reason = (
                f"{one['attribute']!r} is not a number for all bidders, so that least and most say nothing: use one_of"
            )
            problems.append(Problem("requirements", at, "attribute", reason))
    for row in asked.index[asked["requirement"].duplicated().to_numpy()]:
        problems.append(Problem("requirements", int(row), "requirement", f"{asked['requirement'][row]!r} stands twice"))
    for at, one in zip(marks.index.tolist(), marks.to_dict("records")):
        if not one["weight"] > 0:
            problems.append(Problem("criteria", at, "weight", f"{one['weight']:g}: a weight is above 0"))
        if not one["low"] < one["high"]:
            problems.append(Problem("criteria", at, "high", "the best mark must be above the worst"))


def _held(asked: pd.DataFrame, known: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Each requirement against each bidder: 1 meets, 0 fails, NaN not known."""
    met = np.full((len(known), len(asked)), np.nan)
    for column, one in enumerate(_each(asked)):
        values = known[one.attribute]
        if one.one_of:
            allowed = {text.strip().lower() for text in one.one_of.split(";")}
            texts = values.astype("str").fillna("").str.strip().str.lower()
            met[:, column] = np.where(texts == "", np.nan, texts.isin(allowed))
        else:
            figures = values.to_numpy(dtype=float)
            least = -math.inf if math.isnan(one.least) else one.least
            most = math.inf if math.isnan(one.most) else one.most
            met[:, column] = np.where(np.isnan(figures), np.nan, (figures >= least) & (figures <= most))
    fails, unknown = met == 0, np.isnan(met)
    names = [str(name) for name in known.index]
    wins = known["past_wins"].to_numpy(dtype=float) if "past_wins" in known else np.full(len(known), np.nan)
    words = asked["requirement"].tolist()
    rows = []
    for column, word in enumerate(words):
        meet = np.flatnonzero(met[:, column] == 1)
        alone = len(meet) == 1 and not unknown[:, column].any()
        others = np.arange(len(words)) != column
        rows.append(
            {
                "requirement": word,
                "meet": len(meet),
                "fail": int(fails[:, column].sum()),
                "unknown": int(unknown[:, column].sum()),
                "only": names[meet[0]] if alone else "",
                "past_winner": bool(alone and wins[meet[0]] > 0),
                "left_without": int((~fails[:, others].any(axis=1)).sum()),
            }
        )
    people = pd.DataFrame(
        {
            "bidder": pd.Series(names, dtype="str"),
            "past_wins": wins,
            "fails": [tuple(word for word, no in zip(words, row) if no) for row in fails],
            "unknown": [tuple(word for word, no in zip(words, row) if no) for row in unknown],
            "left": ~fails.any(axis=1),
        }
    )
    columns = ["requirement", "meet", "fail", "unknown", "only", "past_winner", "left_without"]
    return pd.DataFrame(rows, columns=columns), people


def _of_requirements(held: pd.DataFrame, people: pd.DataFrame) -> list[str]:
    """What to ask about the requirements."""
    asked = [
        f"Of {len(people)} known bidders {row.only} alone meets the requirement {row.requirement!r}"
        f"{', and it won before' if row.past_winner else ''}. What does the service need it for?"
        for row in _each(held)
        if row.only
    ]
    if held.empty:
        return asked
    left = people[people["left"]]
    if len(left) <= 1:
        who = "no known bidder is left" if left.empty else f"{left['bidder'].iloc[0]} alone is left"
        most = held.iloc[int(held["left_without"].argmax())]
        gain = int(most["left_without"]) - len(left)
        cause = (
            f"without {most['requirement']!r} {gain} more would be" if gain else "no single requirement is the cause"
        )
        asked.append(
            f"All requirements together: {who} of {len(people)}; {cause}. Which of them are needed at this level?"
        )
    return asked


def _each(table: pd.DataFrame) -> Iterator[Any]:
    """The rows, their columns as attributes."""
    return iter(table.itertuples())


# ---- criteria against price -------------------------------------------------------------------------------


def _spread(spread: float | None, history: PastBids | None, needed: bool, notes: list[str]) -> float:
    """How much dearer than the lowest the highest bid usually is."""
    if spread is not None:
        if not 0 < spread < math.inf:
            raise ValueError(
                f"spread is {spread!r}: how much dearer the highest bid is than the lowest, as 0.3 for 30 %"
            )
        return float(spread)
    if not needed:
        return math.nan
    if history is None:
        raise ValueError("how far do prices usually lie apart? Give past bids, or spread=0.3 for 30 %")
    each = history.table.groupby("auction")["bid"].agg(["min", "max", "size"])
    each = each[each["size"] > 1]
    if each.empty:
        raise ValueError(
            "no past tender has two bids, so that they do not tell how far prices lie apart: give spread=0.3"
        )
    found = float(np.quantile(each["max"] / each["min"] - 1, 0.95, method="median_unbiased"))
    notes.append(
        f"spread: in 95 % of {len(each):,} past tenders the highest bid was at most {found:.1%} above the lowest"
    )
    return found


def _weighed(marks: pd.DataFrame, scoring: Any, spread: float, price: float | None) -> pd.DataFrame:
    """What the span of each criterion pays for, by the formula itself."""
    if price is None and len(marks) and SCALE not in getattr(scoring, "claims", ()):
        raise ValueError(f"{scoring!r} sets quality against amounts of money: give price=, the lowest price expected")
    if price is not None and not 0 < price < math.inf:
        raise ValueError(f"price is {price!r}: the lowest price expected, above 0")
    lowest = price or ANY_PRICE
    share = (marks["weight"] / marks["weight"].sum()).to_numpy(dtype=float)
    low, high = marks["low"].to_numpy(dtype=float), marks["high"].to_numpy(dtype=float)
    middle = float(share @ (low + high)) / 2
    rows = []
    for word, part, span in zip(marks["criterion"], share.tolist(), (high - low).tolist()):
        marked = (middle + part * span / 2, middle - part * span / 2)
        pays = _pays_for(scoring, lowest, *marked)
        about = {"criterion": word, "share": part, "span": span, "pays_for": pays}
        rows.append(about | {"spread": spread, "decides_alone": pays >= spread})
    return pd.DataFrame(rows, columns=["criterion", "share", "span", "pays_for", "spread", "decides_alone"])


def _pays_for(scoring: Any, lowest: float, better: float, worse: float) -> float:
    """How much dearer, as a share, a better bid may be and not be beaten; inf where it is not however dear."""
    ratios = np.geomspace(1.0, WIDEST, TRIED)
    for _ in range(4):
        wins = np.flatnonzero(_not_beaten(scoring, lowest, ratios, better, worse))
        if not len(wins):
            return 0.0
        last = int(wins[-1])
        if last == len(ratios) - 1:
            return math.inf if ratios[last] >= WIDEST else float(ratios[last]) - 1
        ratios = np.linspace(ratios[last], ratios[last + 1], TRIED)
    return float(ratios[0]) - 1


def _not_beaten(scoring: Any, lowest: float, ratios: Floats, better: float, worse: float) -> NDArray[np.bool_]:
    """Whether the better and dearer of two bids is not beaten, at many prices at once: each pair on its own lot."""
    asked = np.round(lowest * ratios, 2)
    pairs = pd.DataFrame({"lots": [f"{k}" for k in range(len(ratios))], "estimate": asked, "reserve": asked})
    one = pairs.assign(bid="one " + pairs["lots"], price=asked, quality=better)
    other = pairs.assign(bid="other " + pairs["lots"], price=round(lowest, 2), quality=worse)
    tender = as_tender(pd.concat([one, other], ignore_index=True))
    score = dict(zip(tender.bid_names.tolist(), np.asarray(scoring(tender), dtype=float).tolist()))
    return np.array([best(np.array([score[a], score[b]]))[0] for a, b in zip(one["bid"], other["bid"])])


def _of_criteria(weighed: pd.DataFrame) -> list[str]:
    """What to ask about the criteria."""
    return [
        f"The span of {row.criterion!r} pays for a price {_more(row.pays_for)}; bids lie {row.spread:.0%} apart: "
        "who marks it, by which published scale, and who can get the best mark?"
        for row in _each(weighed)
        if row.decides_alone
    ]


def _more(share: float) -> str:
    return "however high" if math.isinf(share) else f"{share:.0%} higher"


# ---- the bids expected ------------------------------------------------------------------------------------


def _contest(bids: Tender | Table, scoring: Any, spread: float, notes: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What each rival would have to ask to win, and who wins at which weight of price."""
    rows: list[dict[str, Any]] = []
    winners = pd.DataFrame(columns=["lot", "weight_from", "weight_to", "winner"])
    if _some(bids):
        tender = as_tender(bids)
        lots = lot_of(tender, "a ranking")
        for lot in np.unique(lots):
            rows += _rivals(tender.keep(lots == lot), str(tender.lot_names[lot]), scoring, spread, notes)
        try:
            winners = winner_map(tender, scoring)
        except ValueError as refused:
            notes.append(f"who wins at which weight of price is not looked at: {refused}")
    winners["always"] = winners.groupby("lot")["winner"].transform("size") == 1
    columns = ["lot", "bid", "price", "quality", "winner", "price_to_win", "out_of_reach"]
    return pd.DataFrame(rows, columns=columns), winners


def _some(bids: Tender | Table) -> bool:
    return isinstance(bids, Tender) or len(bids) > 0


def _rivals(tender: Tender, lot: str, scoring: Any, spread: float, notes: list[str]) -> list[dict[str, Any]]:
    """The bids on one lot that do not win, each with the price at which it would."""
    first = best(np.asarray(scoring(tender), dtype=float))
    if not first.any():
        notes.append(f"lot {lot!r}: the formula admits no bid")
        return []
    names, prices = tender.bid_names, tender.price * tender.money_unit
    winner = int(np.argmax(first))
    floor = float(prices[winner]) / (1 + spread)
    rows = []
    for at in np.flatnonzero(~first):
        price = _price_to_win(tender, scoring, int(at))
        rows.append(
            {
                "lot": lot,
                "bid": str(names[at]),
                "price": float(prices[at]),
                "quality": float(tender.quality[at]),
                "winner": str(names[winner]),
                "price_to_win": price,
                "out_of_reach": not price >= floor,
            }
        )
    return rows


def _price_to_win(tender: Tender, scoring: Any, bid: int) -> float:
    """The highest price below its own at which a bid wins, the others unchanged; NaN where none of those tried does."""
    own = int(tender.price[bid])
    tried = np.unique(np.geomspace(1, max(own, 1), TRIED).round().astype(int))[:-1]
    while len(tried):
        wins = np.flatnonzero(_wins_at(tender, scoring, bid, tried))
        if not len(wins):
            return math.nan
        last = int(wins[-1])
        above = int(tried[last + 1]) if last + 1 < len(tried) else own
        if above - tried[last] <= 1:
            return float(tried[last] * tender.money_unit)
        tried = np.unique(np.linspace(tried[last], above, TRIED).round().astype(int))[:-1]
    return math.nan


def _wins_at(tender: Tender, scoring: Any, bid: int, prices: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Whether a bid on the one lot there is wins at each of many prices: each on a copy of the lot."""
    lot, copies = int(tender.quantity.indices[0]), [f"{k}" for k in range(len(prices))]
    bids = pd.concat([tender.bids] * len(prices), ignore_index=True)
    label = np.repeat(copies, len(tender.price))
    asked = np.tile(tender.price, len(prices))
    asked[bid :: len(tender.price)] = prices
    bids = bids.assign(lots=label, bid=label + " " + bids["bid"], price=asked * tender.money_unit)
    lots = pd.concat([tender.lots.iloc[[lot]]] * len(prices), ignore_index=True).assign(lot=copies)
    many = Tender(lots, bids, tender.bidders, money_unit=tender.money_unit)
    score = dict(zip(many.bid_names.tolist(), np.asarray(scoring(many), dtype=float).tolist()))
    scores = np.array([score.get(name, math.nan) for name in bids["bid"]]).reshape(len(prices), -1)
    return np.array([best(row)[bid] for row in scores])


def _of_bids(rivals: pd.DataFrame, winners: pd.DataFrame) -> list[str]:
    """What to ask about the bids expected."""
    asked = []
    for lot, here in rivals.groupby("lot"):
        if here["out_of_reach"].all():
            asked.append(
                f"Lot {lot}: no rival of {here['winner'].iloc[0]} could win by any price bids usually differ by. "
                "Is quality marked so that others can catch up?"
            )
    for row in _each(winners[winners["always"]]):
        asked.append(
            f"Lot {row.lot}: {row.winner} wins at every weight of price from {row.weight_from:.0%} to "
            f"{row.weight_to:.0%}. Is it that much better and cheaper, or are the marks made for it?"
        )
    return asked
