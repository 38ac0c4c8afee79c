"""Which drawings a case has, and what is drawn: of bids only those that the audience may see."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from procure_opt.constraints import MaxShare
from procure_opt.policy import BestScore, QualityAdjusted
from procure_opt.report import figures
from procure_opt.report.content import Figure, Figures
from procure_opt.report.findings import shares
from procure_opt.tender import Tender

if TYPE_CHECKING:
    from procure_opt.report.case import Case

Floats = NDArray[np.float64]
Lines = Callable[[Floats, Floats], Floats]

PANELS = 6  # lots drawn
BARS = 14
FEWEST = 4  # bids from which on a drawing says more than the table
GRID = 11  # points a side at which a formula is asked for a score


def scatter(case: Case) -> Figures | None:
    """Price and quality: lot by lot with lines of equal value where the rules weigh one against the other."""
    seen, t = case.seen, case.t
    if seen["quality"].isna().all() or not len(seen):
        return None
    seen = seen[seen["quality"].notna()]
    objective = case.award.policy.objective
    weighed = isinstance(objective, (QualityAdjusted, BestScore)) and not case.tender.bidders["deduction"].any()
    if weighed:
        drawn = _panels(case, seen)
        if drawn:
            return Figures(t("fig.scatter"), tuple(drawn))
    if len(seen) < FEWEST:
        return None
    part = case.tender.part @ case.tender.estimate
    worth = pd.Series(part, index=case.tender.bid_names)[seen["bid"]].to_numpy()
    known = bool(np.isfinite(worth).all() and (worth > 0).all())
    price = 100 * seen["offer"].to_numpy() / worth if known else seen["offer"].to_numpy(dtype=float)
    axis = t("fig.axis.price_share" if known else "fig.axis.price")
    drawing = figures.price_quality("scatter", _groups(case, seen, price), t, axis)
    return Figures(t("fig.scatter"), (drawing,))


def _groups(case: Case, seen: pd.DataFrame, price: Floats) -> list[tuple[str, Floats, Floats, bool]]:
    won = seen["won"].to_numpy(dtype=bool)
    quality = seen["quality"].to_numpy(dtype=float)
    other = case.t("fig.own" if case.audience.kind == "bidder" else "fig.other")
    return [(other, price[~won], quality[~won], False), (case.t("fig.won"), price[won], quality[won], True)]


def _panels(case: Case, seen: pd.DataFrame) -> list[Figure]:
    """One drawing for each of the largest lots with at least two bids on it alone."""
    t, tender = case.t, case.tender
    at = pd.Index(tender.bid_names).get_indexer(pd.Index(seen["bid"]))
    single = np.diff(tender.quantity.indptr)[at] == 1
    alone, places = seen[single], at[single]
    lot = tender.quantity.indices[tender.quantity.indptr[places]]
    size = np.nan_to_num(tender.estimate)
    several = [each for each in np.unique(lot) if (lot == each).sum() > 1]
    lots = sorted(several, key=lambda each: (-size[each], each))[:PANELS]
    drawn = []
    for each in sorted(lots):
        here = alone[lot == each]
        groups = _groups(case, here, here["offer"].to_numpy(dtype=float))
        title = t("fig.scatter.lot", lot=tender.lot_names[each])
        drawing = figures.price_quality(f"scatter{each}", groups, t, t("fig.axis.price"), _lines(case, int(each)))
        note = "fig.scatter.iso" if isinstance(case.award.policy.objective, QualityAdjusted) else "fig.scatter.score"
        drawn.append(Figure(drawing.key, drawing.svg, drawing.alt, t(note), title))
    return drawn


def _lines(case: Case, lot: int) -> Lines | None:
    """What the rules make of a price and a quality on one lot; None where they cannot say."""
    objective, tender = case.award.policy.objective, case.tender
    if isinstance(objective, QualityAdjusted):
        point = objective.value
        worth = float(tender.lots[point].iloc[lot]) if isinstance(point, str) else float(point)
        return lambda price, quality: price - worth * quality
    if not isinstance(objective, BestScore) or not case.audience.committee:
        return None  # a score relative to other bids would tell what these are
    scoring = objective.scoring

    def scored(price: Floats, quality: Floats) -> Floats:
        try:
            coarse = [np.linspace(each.min(), each.max(), GRID) for each in (price, quality)]
            value = np.array([[_score(scoring, tender, lot, p, q) for p in coarse[0]] for q in coarse[1]])
        except (ValueError, TypeError):
            return np.full(price.shape, math.nan)
        from scipy.interpolate import RegularGridInterpolator

        fine = RegularGridInterpolator((coarse[1], coarse[0]), value)
        return np.asarray(fine(np.stack([quality, price], axis=-1)), dtype=float)

    return scored


def _score(scoring: Any, tender: Tender, lot: int, price: float, quality: float) -> float:
    """The score of one bid more on a lot, beside the bids on this lot alone."""
    name = tender.lot_names[lot]
    table = tender.bids
    table = table[table["lots"].astype(str).isin({str(name)})].drop(columns=["won", "offer"], errors="ignore")
    unit = tender.money_unit
    more = table.iloc[[0]].assign(
        bid="one more", price=max(round(price / unit), 0) * unit, fixed=0.0, xor="",
        quality=min(max(quality, 0.0), 100.0),
    )
    field = Tender(
        tender.lots.iloc[[lot]], pd.concat([table, more], ignore_index=True),
        tender.bidders.drop(columns=["members", "owner"]), money_unit=unit,
    )  # fmt: skip
    return float(np.asarray(scoring(field), dtype=float)[list(field.bid_names).index("one more")])


def share_figure(case: Case) -> Figures | None:
    """Shares by what the first cap over all lots counts; without one, of spend by owner."""
    t, policy = case.t, case.award.policy
    caps = [rule for rule in policy.constraints
            if isinstance(rule, MaxShare) and rule.lots is None and rule.each is None and rule.existing is None
            and rule.base == "scope" and rule.of in ("estimate", "lots", "demand", "spend")]  # fmt: skip
    of, per, cap = ("spend", "owner", math.nan) if not caps else (caps[0].of, caps[0].per, caps[0].share)
    found = shares(case.award, of, per)
    if not len(found) or found.isna().any():
        return None
    top = found.head(BARS)
    per_word, of_word = t.named("per", per), t.named("of", of)
    drawing = figures.share_bars("shares", [str(name) for name in top.index], top.to_numpy(), cap, per_word, of_word, t)
    note = "" if len(top) == len(found) else t("out.bars", shown=len(top), all=len(found))
    return Figures(f"{t('fig.shares')} · {of_word}", (Figure("shares", drawing.svg, drawing.alt, note),))


def frontier_figure(case: Case, curve: pd.DataFrame) -> Figures | None:
    """Cost against concentration, where at least two awards differ."""
    done = curve[curve["status"] != "infeasible"]
    if len(done[["hhi", "cost"]].drop_duplicates()) < 2:
        return None
    t = case.t
    caps = [t("fig.no_cap") if cap >= 1 else t.share(cap) for cap in done["value"]]
    spot = (case.award.hhi, case.award.cost)
    drawing = figures.cost_concentration("frontier", done["hhi"].to_numpy(), done["cost"].to_numpy(), caps, spot, t)
    return Figures(t("fig.frontier"), (drawing,))


def bid_figure(case: Case) -> Figures | None:
    """What suppliers bid at each cost, where a market was given."""
    if not case.evidence.equilibria:
        return None
    return Figures(case.t("fig.bid_functions"), (figures.bid_functions("bids", case.evidence.equilibria, case.t),))


def network_figure(case: Case) -> Figures | None:
    """Past bidders and who they meet."""
    groups = case.evidence.groups
    if groups is None or not len(groups.network.pairs):
        return None
    flagged = groups.table[groups.table["flagged"].astype(bool)]["members"].head(5).tolist()
    return Figures(case.t("fig.network"), (figures.network("network", groups.network, flagged, case.t),))
