"""Rules written for one bidder: requirements that one alone meets, criteria that price cannot make up for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from procure_opt.auction.past import PastBids, past_bids
from procure_opt.cells import NUMBER, TEXT, BadTable, Problem, Table, read_table
from procure_opt.offers import as_tender, lot_of
from procure_opt.reversals import best, winner_map
from procure_opt.scoring import Scoring
from procure_opt.tender import Tender

REQUIREMENTS: dict[str, Any] = {"requirement": TEXT, "attribute": TEXT, "least": NUMBER, "most": NUMBER, "one_of": TEXT}
CRITERIA: dict[str, Any] = {"criterion": TEXT, "weight": NUMBER, "low": 0.0, "high": 100.0}
PAST = ("past_bids", "past_wins", "past_total", "past_largest")  # attributes that past bids tell

USUAL_PRICE = 1_000_000.0  # formulas do not depend on the currency; this is far above its smallest unit
WIDEST = 1_000.0  # a bid so many times as dear as another is beyond any that is sent in earnest
STEPS = 60  # prices tried on the way down to the smallest unit of money


@dataclass(frozen=True, eq=False)
class Tailored:
    """How far the rules of a tender leave it open, and what to ask where they do not.

    Attributes:
        requirements: One row a requirement: `requirement`, `meet` (known bidders who meet it), `fail`, `unknown`,
            `only` (the one who meets it, if it is one alone and nobody is unknown), `past_winner` (whether that one
            won before), `left_without` (bidders left if this requirement alone were dropped).
        bidders: One row a bidder: `bidder`, `past_wins`, `fails` (requirements), `unknown`, `left`.
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

    Raises:
        BadTable: a column is missing or a cell cannot be read.
        ValueError: nothing is given to look at, something needs the formula or a spread, or the formula refuses.

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
    weighed = _weighed(marks, scoring, wide)
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
    for row, one in asked.iterrows():
        at = int(str(row))
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
    for row, one in marks.iterrows():
        if not one["weight"] > 0:
            problems.append(Problem("criteria", int(str(row)), "weight", f"{one['weight']:g}: a weight is above 0"))
        if not one["low"] < one["high"]:
            problems.append(Problem("criteria", int(str(row)), "high", "the best mark must be above the worst"))


def _held(asked: pd.DataFrame, known: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Each requirement against each bidder: 1 meets, 0 fails, NaN not known."""
    met = np.full((len(known), len(asked)), np.nan)
    for column, one in enumerate(asked.itertuples()):
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
        for row in held.itertuples()
        if row.only
    ]
    if held.empty:
        return asked
    left = people[people["left"]]
    if len(left) <= 1:
        who = "no known bidder is left" if left.empty else f"{left['bidder'].iloc[0]} alone is left"
        most = held.loc[held["left_without"].idxmax()]
        gain = int(most["left_without"]) - len(left)
        hint = (
            f"; without {most['requirement']!r} {gain} more would be"
            if gain
            else "; no single requirement is the cause"
        )
        asked.append(
            f"All requirements together: {who} of {len(people)}{hint}. Which of them are needed at this level?"
        )
    return asked


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


def _weighed(marks: pd.DataFrame, scoring: Any, spread: float) -> pd.DataFrame:
    """What the span of each criterion pays for, by the formula itself."""
    share = (marks["weight"] / marks["weight"].sum()).to_numpy(dtype=float)
    low, high = marks["low"].to_numpy(dtype=float), marks["high"].to_numpy(dtype=float)
    middle = share @ (low + high) / 2 if len(marks) else 0.0
    rows = []
    for word, part, span in zip(marks["criterion"], share, high - low):
        half = part * span / 2

        def still_wins(ratio: float, half: float = half) -> bool:
            return _ahead(scoring, USUAL_PRICE * ratio, middle + half, USUAL_PRICE, middle - half)

        pays = _reach(still_wins)
        rows.append(
            {"criterion": word, "share": float(part), "span": float(span), "pays_for": pays, "spread": spread,
             "decides_alone": pays >= spread}
        )  # fmt: skip
    return pd.DataFrame(rows, columns=["criterion", "share", "span", "pays_for", "spread", "decides_alone"])


def _ahead(scoring: Any, price: float, quality: float, other_price: float, other_quality: float) -> bool:
    """Whether a bid is not beaten by another, these two alone."""
    prices = round(price, 2), round(other_price, 2)
    rows = [
        {"bid": name, "price": price, "quality": quality, "estimate": max(prices), "reserve": max(prices)}
        for name, price, quality in zip(("one", "other"), prices, (quality, other_quality))
    ]
    return bool(best(np.asarray(scoring(as_tender(rows)), dtype=float))[0])


def _reach(still_wins: Any) -> float:
    """How much dearer, as a share, a bid may be: by bisection; inf where it wins however dear."""
    if not still_wins(1.0):
        return 0.0
    if still_wins(WIDEST):
        return math.inf
    low, high = 1.0, WIDEST
    while high - low > 1e-6 * low:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if still_wins(middle) else (low, middle)
    return low - 1


def _of_criteria(weighed: pd.DataFrame) -> list[str]:
    """What to ask about the criteria."""
    return [
        f"The span of {row.criterion!r} pays for a price {_more(row.pays_for)}; bids lie {row.spread:.0%} apart: "
        "who marks it, by which published scale, and who can get the best mark?"
        for row in weighed.itertuples()
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

    def wins(price: int) -> bool:
        prices = np.array(tender.price)
        prices[bid] = price
        other = tender.replace(bids=tender.bids.assign(price=prices * tender.money_unit))
        return bool(best(np.asarray(scoring(other), dtype=float))[bid])

    # Some formulas do not reward a lower price all the way down, so that the way down is walked before it is halved.
    steps = np.unique(np.geomspace(1, max(own, 1), STEPS).round().astype(int))[::-1].tolist()
    above = own
    for step in steps[1:]:
        if wins(step):
            low, high = step, above
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if wins(middle) else (low, middle)
            return float(low * tender.money_unit)
        above = step
    return math.nan


def _of_bids(rivals: pd.DataFrame, winners: pd.DataFrame) -> list[str]:
    """What to ask about the bids expected."""
    asked = []
    for lot, here in rivals.groupby("lot"):
        if here["out_of_reach"].all():
            asked.append(
                f"Lot {lot}: no rival of {here['winner'].iloc[0]} could win by any price bids usually differ by. "
                "Is quality marked so that others can catch up?"
            )
    for row in winners[winners["always"]].itertuples():
        asked.append(
            f"Lot {row.lot}: {row.winner} wins at every weight of price from {row.weight_from:.0%} to "
            f"{row.weight_to:.0%}. Is it that much better and cheaper, or are the marks made for it?"
        )
    return asked
