"""What past bids say, printed: costs and fair price, screens and red flags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from procure_opt.auction.estimate import CostEstimate
from procure_opt.auction.flags import red_flags
from procure_opt.auction.independence import independence
from procure_opt.auction.missing import missing_mass
from procure_opt.auction.network import suspicious_groups
from procure_opt.auction.past import PastBids
from procure_opt.auction.past_file import read_past
from procure_opt.auction.reserve_curve import reserve_curve
from procure_opt.auction.screens import screens, turns
from procure_opt.cells import BadTable
from procure_opt.printing import say, show_table
from procure_opt.tables import JSON


def show_past(past: PastBids) -> None:
    """Print what was read, and what was set aside by which rule."""
    say(repr(past))
    aside = past.set_aside
    if len(aside):
        counts = aside.groupby("rule", sort=False).agg(bids=("why", "size"), why=("why", "first"))
        rows = {rule: ", ".join(map(str, group.index[:8])) for rule, group in aside.groupby("rule", sort=False)}
        counts["rows"] = pd.Series(rows)
        show_table("Bids set aside", counts.reset_index())
    for note in past.notes:
        say(f"Note: {note}")


def show_estimate(found: CostEstimate, bidders: int, outside: float | None, at: Mapping[str, Any]) -> None:
    """Print costs, mark-ups, the fair price of the next tender, and the reserve of least outlay."""
    show_past(found.past)
    say(repr(found))
    for note in found.notes:
        if note not in found.past.notes:
            say(f"Note: {note}")
    there = f" (for {found.reference})" if found.seen.reference else ""
    show_table(f"What the bids say{there}", found.summary().reset_index(names="figure"))
    if len(found.by_class) > 1:
        medians = {name: float(costs.ppf(0.5)) for name, costs in found.by_class.items()}
        show_table("Median cost by class", pd.DataFrame({"class": list(medians), "cost": list(medians.values())}))
        return
    fair = found.fair_price(bidders, at=at)
    said = {*found.notes, *fair.rests_on} - {*found.notes}
    say(f"Fair price, first price with {bidders} bidders:")
    for line in str(fair).splitlines():
        if not line.startswith("Rests on: ") or line.removeprefix("Rests on: ") in said:
            say(f"  {line}")
    if outside is not None:
        try:
            best = reserve_curve(found, outside, bidders, at=at).best
        except ValueError as why:
            say(f"No reserve: {why}")
        else:
            show_table("Reserve of least outlay", best.reset_index(names="bidders"))


def show_screens(
    source: Path, given: list[str] | tuple[str, ...], level: float, top: int, seed: int
) -> dict[str, pd.DataFrame]:
    """Print what stands out against competition, as questions; all tables, by name.

    Where there are too few bids for one look, the others are taken. Red flags read more of OCDS documents than bids,
    and are looked for in those without any.
    """
    documents = source.suffix.lower() in JSON
    try:
        past = read_past(source)
    except BadTable as why:
        if not documents:
            raise
        flagged = show_flags(source, top)
        say(f"Bids are not screened: {why}")
        return flagged
    show_past(past)
    say("What stands out is a question to look into, and no finding: each may have an innocent reason.")
    tables: dict[str, pd.DataFrame] = {}
    looks: dict[str, Callable[[], dict[str, pd.DataFrame]]] = {
        "auctions": lambda: _auctions(past, level, top, seed),
        "groups of bidders": lambda: _groups(past, given, level, top, seed),
        "pairs of bidders": lambda: _pairs(past, level, top),
        "turns": lambda: _turns(past, seed),
        "missing bids": lambda: _missing(past, level, seed),
    }
    for name, look in looks.items():
        try:
            tables |= look()
        except BadTable:
            raise
        except ValueError as why:
            say(f"Not looked at, {name}: {why}")
    return tables | show_flags(source if documents else past, top)


def _auctions(past: PastBids, level: float, top: int, seed: int) -> dict[str, pd.DataFrame]:
    found = screens(past)
    beside, questions = found.table, tuple[str, ...]()
    try:
        tested = found.test(level=level, seed=seed)
    except ValueError as why:
        say(f"Not tested, auctions: {why}")
    else:
        beside = beside.assign(p=tested.combined, p_adjusted=tested.adjusted).sort_values("p")
        questions = tested.questions()
    columns = [name for name in ("n", "CV", "DIFFP", "RD", "SKEW", "p", "p_adjusted") if name in beside]
    title = "Auctions least like competition" if "p" in beside else "Auctions"
    show_table(title, beside[columns].head(top).reset_index())
    for note in found.notes:
        say(f"Note: {note}")
    for question in questions[:top]:
        say(f"? {question}")
    return {"screens": beside.reset_index()}


def _groups(
    past: PastBids, given: list[str] | tuple[str, ...], level: float, top: int, seed: int
) -> dict[str, pd.DataFrame]:
    groups = suspicious_groups(past, given=given, level=level, seed=seed)
    named = groups.table.assign(members=[", ".join(map(str, each)) for each in groups.table["members"]])
    columns = ["members", "tenders", "wins", "cohesion", "exclusivity", "p", "flagged"]
    if len(named):
        show_table("Groups of bidders", named[columns].head(top))
    else:
        say("No group of bidders meets more often than chance would have it.")
    for note in groups.notes:
        say(f"Note: {note}")
    for question in groups.table.loc[groups.table["flagged"], "question"].head(top):
        say(f"? {question}")
    return {"groups": named, "group_evidence": groups.evidence, "group_tenders": groups.tenders}


def _pairs(past: PastBids, level: float, top: int) -> dict[str, pd.DataFrame]:
    pairs = independence(past)
    for note in pairs.notes:
        say(f"Note: {note}")
    for question in pairs.questions(level)[:top]:
        say(f"? {question}")
    return {"pairs": pairs.pairs}


def _turns(past: PastBids, seed: int) -> dict[str, pd.DataFrame]:
    say(f"? {turns(past, seed=seed).question}")
    return {}


def _missing(past: PastBids, level: float, seed: int) -> dict[str, pd.DataFrame]:
    if "reserve" not in past.table:
        raise ValueError("no column reserve, which distances between bids are measured by")
    mass = missing_mass(past, level=1 - level, seed=seed)
    say(f"? {mass.question}")
    return {"deviations": mass.table}


def show_flags(source: Path | PastBids, top: int) -> dict[str, pd.DataFrame]:
    """Print the red flags of OCDS documents or past bids; all tables, by name."""
    flags = red_flags(source)
    show_table("Red flags", flags.summary.reset_index(drop=True))
    for (code, what), raised in flags.table.groupby(["code", "flagged"], sort=True):
        ids = list(dict.fromkeys(raised["id"].astype(str)))
        more = f" and {len(ids) - top:,} more" if len(ids) > top else ""
        first = f" Of the first: {raised['why'].iloc[0]}" if len(ids) > 1 else f" {raised['why'].iloc[0]}"
        say(f"? {code}, {what}: {', '.join(ids[:top])}{more}.{first}")
    for row in flags.not_computed.itertuples():
        say(f"Not looked at by {row.code}: {row.left_out:,} of {row.of:,} ({row.at}): {row.why}")
    for note in flags.notes:
        say(f"Note: {note}")
    return {"flags": flags.table, "flags_summary": flags.summary, "flags_not_computed": flags.not_computed}
