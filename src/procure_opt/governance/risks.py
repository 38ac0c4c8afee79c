"""The risk register: what the other modules found, on three levels, as questions with their evidence.

Value: does the public get what it pays for, and from more than one? Process: was the award made by the rules? And
performance: is delivered what was agreed?
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from procure_opt.auction.flags import RedFlags
from procure_opt.auction.screens import ScreenTest
from procure_opt.award import Award
from procure_opt.check import Violation
from procure_opt.governance.arguments import number
from procure_opt.governance.checklist import Checklist
from procure_opt.governance.lock_in import LockIn
from procure_opt.governance.performance import Performance, reliability

COLUMNS = ["level", "source", "subject", "finding", "evidence", "ask"]
LEVELS = ("value", "process", "performance")

# From where on a figure is worth a question. 0.25 is where merger guidelines of the European Union and of the United
# States (2010) speak of high concentration; 0.5 and 0.75 are Koo and Li's bounds of moderate and good agreement (2016,
# Journal of Chiropractic Medicine 15).
CONCENTRATED = 0.25
POOR, GOOD = 0.5, 0.75
LOCKED = 0.10

Row = tuple[str, str, str, str, str, str]


@dataclass(frozen=True, eq=False)
class PublicValue:
    """What an award delivers in quality, beside the least that the public is to get.

    Attributes:
        table: One row a lot: `lot`, `quality` (mean over its parts), `floor`, `shortfall`.
        mean: Estimate-weighted mean quality of all lots, NaN where estimates or qualities are missing.
        floor: The least.
    """

    table: pd.DataFrame
    mean: float
    floor: float


def public_value(award: Award, floor: float) -> PublicValue:
    """The quality of each lot as awarded, and what is missing to a floor.

    Lots done in-house have their `in_house_quality`; a lot left unawarded has quality 0.

    Args:
        award: An award of bids with quality.
        floor: The least quality, from 0 to 100.

    Raises:
        ValueError: a floor outside 0 to 100.

    >>> import procure_opt as po
    >>> bid = {"bid": "1", "bidder": "Alder", "lots": "A", "price": 9, "quality": 60}
    >>> found = public_value(po.award(po.Tender([{"lot": "A", "estimate": 10}], [bid])), 75)
    >>> found.mean, found.table["shortfall"].tolist()
    (60.0, [15.0])
    """
    number("floor", floor, 0, 100)
    tender, _ = award.policy.field(award.tender)
    fraction = np.zeros(len(tender.price))
    fraction[pd.Index(tender.bid_names).get_indexer(pd.Index(award.bids["bid"]))] = award.bids["fraction"]
    accepted = np.flatnonzero(fraction > 0)
    quality = (fraction[accepted] * tender.quality[accepted]) @ tender.part[accepted]
    own = tender.lots["in_house_quality"].to_numpy(dtype=float)
    kept = pd.Series(award.in_house["fraction"].to_numpy(dtype=float), index=award.in_house["lot"])
    part = kept.reindex(tender.lot_names).fillna(0.0).to_numpy()
    quality = quality + np.where(part > 0, own * part, 0.0)
    weight = tender.estimate
    table = pd.DataFrame({"lot": tender.lot_names, "quality": quality, "floor": floor})
    table["shortfall"] = np.maximum(floor - quality, 0.0)
    mean = float(quality @ weight / weight.sum()) if weight.sum() > 0 else math.nan
    return PublicValue(table, mean, float(floor))


def risk_register(*found: Any) -> pd.DataFrame:
    """What was found, as one table for the report.

    Args:
        found: Any of: an `Award`; what `check` returns; `PublicValue`; `RedFlags`; `ScreenTest`; `Performance`;
            `LockIn`; a `Checklist` of what may be outsourced; a table with the columns below. What has nothing to
            report adds no row.

    Returns:
        One row a finding, value first, then process, then performance: `level`, `source` (which module), `subject`
        (which lot, bidder, contract), `finding`, `evidence`, and what to `ask` or do. Questions, not verdicts.

    Raises:
        TypeError: something else was given.
        ValueError: a table without these columns or with another level.

    >>> table = risk_register([Violation("coverage", "lot A", 1.0, "lot A is filled twice")])
    >>> table[["level", "source", "finding"]].values.tolist()
    [['process', 'check', 'lot A is filled twice']]
    """
    rows: list[Row] = []
    for each in found:
        reader = next((reader for kind, reader in READERS.items() if isinstance(each, kind)), None)
        if reader is None:
            kinds = ", ".join(kind.__name__ for kind in READERS)
            raise TypeError(f"a risk register is not made of {type(each).__name__}; give any of {kinds}")
        rows += reader(each)
    table = pd.DataFrame(rows, columns=COLUMNS)
    wrong = table.loc[~table["level"].isin(LEVELS), "level"]
    if len(wrong):
        raise ValueError(f"there is no level {wrong.iloc[0]!r}; there are {', '.join(LEVELS)}")
    order = table["level"].map({level: place for place, level in enumerate(LEVELS)})
    return table.iloc[np.argsort(order.to_numpy(), kind="stable")].reset_index(drop=True)


def _each(table: pd.DataFrame) -> Iterator[Any]:
    yield from table.itertuples(index=False)


# ---- readers ----------------------------------------------------------------------------------------------


def _award(award: Award) -> Iterable[Row]:
    for lot in award.unawarded:
        yield ("value", "award", f"lot {lot}", "nobody provides it", "left unawarded", "Who will, and at what cost?")
    if award.hhi > CONCENTRATED:
        who, share = award.by_bidder["share"].idxmax(), award.by_bidder["share"].max()
        evidence = f"HHI {award.hhi:.3f}, above {CONCENTRATED:g}; {who} receives {share:.0%} of what is spent"
        yield ("value", "award", str(who), "few share the award", evidence,
               "Who could replace it, and what do share caps or two suppliers cost?")  # fmt: skip
    for row in _each(award.violations):
        told = f"{row.constraint} is exceeded by {row.amount:g} {row.unit}"
        yield ("process", "award", str(row.where), told, f"charged {row.charge:,.2f}", "Was the exception announced?")
    if award.status != "optimal":
        yield ("process", "award", "the award", "it is not proven to be the best", f"gap {award.gap:.2%}",
               "Give the solver more time before anything is published.")  # fmt: skip
    if award.tied:
        names = ", ".join(award.tied[:8])
        yield ("process", "award", names, "several awards cost the same", f"decided by {award.policy.tie_break!r}",
               "Was the tie-break announced before the bids were opened?")  # fmt: skip


def _violations(found: Iterable[Any]) -> Iterable[Row]:
    for each in found:
        if not isinstance(each, Violation):
            raise TypeError(f"a list in a risk register is what check returns; it holds {type(each).__name__}")
        yield ("process", "check", each.where or "the award", each.message, f"{each.rule}, {each.amount:g}",
               "Do not publish the award before this is settled.")  # fmt: skip


def _public_value(found: PublicValue) -> Iterable[Row]:
    for row in _each(found.table[found.table["shortfall"] > 0]):
        yield ("value", "public value", f"lot {row.lot}", "quality is below the floor",
               f"{row.quality:.1f} of {row.floor:g}, {row.shortfall:.1f} missing",
               "What would MinQuality cost, and is the saving worth it?")  # fmt: skip
    for row in _each(found.table[found.table["quality"].isna()]):
        yield ("value", "public value", f"lot {row.lot}", "its quality is not known", "no figure is given",
               "By what will its fulfilment be judged?")  # fmt: skip


def _red_flags(found: RedFlags) -> Iterable[Row]:
    for row in _each(found.table):
        where = " ".join(dict.fromkeys(str(part) for part in (row.process, row.lot) if str(part)))
        yield ("process", f"red flag {row.code}", f"{row.flagged} {row.id}", str(row.name), f"{where}: {row.why}",
               "Is there an explanation on file?")  # fmt: skip


def _screens(found: ScreenTest) -> Iterable[Row]:
    for auction, told in zip(found.asked, found.questions(), strict=True):
        evidence = f"adjusted p {found.adjusted[auction]:.3g} at level {found.level:g}"
        yield ("process", "screens", f"auction {auction}", "its bids are unlike competition", evidence, told)


def _performance(found: Performance) -> Iterable[Row]:
    for row in _each(found.missed()):
        if row.missed:
            charged = f"credits of {row.share:.1%} of the fees, penalties of {row.penalty:,.2f}"
            yield ("performance", "indicators", f"contract {row.contract}", f"{row.indicator} was missed",
                   f"in {row.missed} of {row.periods} periods, at worst by {row.worst:g}; {charged}",
                   "Were the credits and penalties of the contract applied?")  # fmt: skip
    unread = found.unmeasured.groupby(["contract", "indicator"], sort=False).size().reset_index(name="periods")
    for row in _each(unread):
        told = f"no reading in {row.periods} periods"
        yield ("performance", "indicators", f"contract {row.contract}", f"{row.indicator} was not measured", told,
               "Who was to measure it, and is the fee due in full?")  # fmt: skip
    for row in _each(reliability(found).reset_index()):
        if row.single < GOOD:
            finding = "evaluators do not agree" if row.mean < POOR else "one evaluator alone is not to be relied on"
            evidence = (
                f"ICC {row.single:.2f} ({row.low:.2f} to {row.high:.2f}), of the mean of {row.evaluators:.0f} "
                f"{row.mean:.2f}; {row.judged:.0f} judged by all"
            )
            yield ("performance", "third party", str(row.indicator), finding, evidence,
                   "Train the evaluators, or let more of them judge, before money depends on it.")  # fmt: skip


def _lock_in(found: LockIn) -> Iterable[Row]:
    table, last = found.table, found.table.iloc[-1]
    if found.monopoly > LOCKED:
        begins = table.loc[table["monopoly"] > LOCKED, "period"].iloc[0]
        evidence = (
            f"no entrant with probability {found.monopoly:.0%} in period {last['period']:g} (above {LOCKED:.0%} from "
            f"period {begins:g}); price {table['price'].iloc[0]:.4g} to {last['price']:.4g}"
        )
        yield ("value", "lock-in", "the market", "the incumbent may become a monopoly", evidence,
               "What do paid bids, a cap on terms or two suppliers cost, and what do they save?")  # fmt: skip


def _checklist(found: Checklist) -> Iterable[Row]:
    for row in _each(found.findings):
        subject = f"lot {row.lot}" if row.lot else "the tender"
        level = "process" if row.about == "regime" else "value"
        yield (
            level,
            "what may be outsourced",
            subject,
            str(row.sentence),
            str(row.source),
            "Settle before the tender.",
        )


def _table(found: pd.DataFrame) -> Iterable[Row]:
    missing = [column for column in COLUMNS if column not in found.columns]
    if missing:
        raise ValueError(f"a table in a risk register has the columns {', '.join(COLUMNS)}; {missing[0]!r} is missing")
    yield from _each(found[COLUMNS])


READERS: dict[type, Callable[[Any], Iterable[Row]]] = {
    Award: _award,
    list: _violations,
    PublicValue: _public_value,
    RedFlags: _red_flags,
    ScreenTest: _screens,
    Performance: _performance,
    LockIn: _lock_in,
    Checklist: _checklist,
    pd.DataFrame: _table,
}
