"""What the government says: the figures in short, what is bought, by which rules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from procure_opt.report.case import Case
from procure_opt.report.content import Block, Column, Keys, Table, Text
from procure_opt.report.wording import all_rules, money, number


def summary(case: Case) -> list[Block]:
    """Key figures, above all sections."""
    award, t = case.award, case.t
    unchecked = [each for each in case.problems if math.isnan(each.amount)]
    wrong = len(case.problems) - len(unchecked)
    told = t("key.failed", count=wrong) if wrong else t("key.unchecked", count=len(unchecked))
    pairs = [(t("key.cost"), money(award.cost)), (t("key.price"), money(award.price))]
    if len(award.in_house):
        pairs.append((t("key.in_house"), money(award.in_house["cost"].sum())))
    if award.ledger:
        pairs.append((t("key.ledger"), money(award.ledger)))
    if not math.isnan(award.score):
        pairs.append((t("key.score"), number(award.score)))
    pairs += [
        (t("key.winners"), f"{len(award.by_bidder):,}"),
        (t("key.lots"), f"{_let(case):,} / {len(case.tender.lot_names):,}"),
        (t("key.bids"), f"{len(case.tender.price):,}"),
        (t("key.hhi"), f"{award.hhi:.3f}"),
        (t("key.check"), told if case.problems else t("key.passed")),
    ]
    proof = t("proof.solver")
    key = f"say.status.{award.status}"
    lines = [t(key, proof=proof, gap=t.share(award.gap, 2))]
    if not case.audience.committee:
        lines.append(t(f"audience.limits_{case.audience.kind}"))
    return [Keys(pairs), Text(lines)]


def _let(case: Case) -> int:
    kept = set(case.award.in_house.loc[case.award.in_house["fraction"] > 1 - 1e-9, "lot"])
    return len(case.tender.lot_names) - len(kept) - len(case.award.unawarded)


def demand(case: Case) -> list[Block]:
    t, tender = case.t, case.tender
    lots = tender.lots
    received = np.bincount(tender.part.indices, minlength=len(lots))
    columns: list[tuple[Column, Sequence[Any]]] = [(Column(t("col.lot")), lots["lot"].tolist())]
    known = ("lot", "demand", "estimate", "in_house", "in_house_quality", "reserve", "period")
    own = [name for name in lots.columns if name not in known and lots[name].notna().any()]
    for name in own[:4]:
        numeric = pd.api.types.is_numeric_dtype(lots[name].dtype)
        columns.append((Column(str(name), "number" if numeric else "text"), lots[name].tolist()))
    for name in ("demand", "estimate", "reserve", *(("in_house",) if case.audience.committee else ())):
        values = lots[name].to_numpy(dtype=float)
        if not np.isnan(values).all() and not (name == "demand" and (values == 1).all()):
            columns.append((Column(t(f"col.{name}"), "number" if name == "demand" else "money"), values.tolist()))
    columns.append((Column(t("col.bids"), "count"), received.tolist()))
    columns.append((Column(t("col.winner")), [t.listed(case.winner_of[str(lot)]) or "–" for lot in lots["lot"]]))
    blocks: list[Block] = [Table("lots", [one for one, _ in columns], list(zip(*(values for _, values in columns))))]
    if case.award.unawarded:
        blocks.append(Text([t("say.unawarded", lots=t.listed(list(case.award.unawarded)))], "note"))
    if case.audience.committee and tender.notes:
        blocks.append(Text(list(tender.notes), "ul", t("say.notes")))
    return blocks


def rules(case: Case) -> list[Block]:
    t = case.t
    same = "say.hash.none" if case.announced is None else "say.hash.same"
    said = all_rules(case.award.policy, t)
    return [
        Text(said, "ol"),
        Text([t("say.rules")]),
        Text([case.announcement.hash], "pre"),
        Text([t(same)], "note"),
        Text([case.announcement.text], "pre", t("say.text")),
        Table("rules", [Column(t("col.rule"))], [[line] for line in said], page=False),
    ]
