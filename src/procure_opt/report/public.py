"""The public: what it gets, what that costs besides, what may go wrong, how anyone comes to the same result."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from procure_opt.report.case import Case
from procure_opt.report.content import Block, Column, Table, Text, rows_of
from procure_opt.report.wording import money, number, translated


def value(case: Case) -> list[Block]:
    t, rows = case.t, _worth(case)
    columns = [Column(t("col.what")), Column(t("col.value"), "told")]
    blocks: list[Block] = [Table("value", columns, rows)] if rows else []
    kinds = case.tender.bidders.set_index("bidder")["kind"].reindex(case.award.by_bidder.index)
    if (kinds != "").any():
        prices = case.award.by_bidder["price"].groupby(kinds.to_numpy())
        lines = [[t.named("kind", str(kind)) or "–", len(some), some.sum(), some.sum() / (case.award.price or math.nan)]
                 for kind, some in prices]  # fmt: skip
        columns = [Column(t("col.kind")), Column(t("col.winners"), "count"), Column(t("col.price"), "money"),
                   Column(t("col.share"), "share")]  # fmt: skip
        blocks.append(Table("kinds", columns, lines))
    quality = _quality(case)
    if quality is not None:
        columns = [Column(t("col.lot")), Column(t("col.winner")), Column(t("col.quality"), "number")]
        lines = [[lot, t.listed(case.winner_of[str(lot)]) or "–", got] for lot, got in quality.items()]
        blocks.append(Table("quality", columns, lines, page=False))
    return blocks


def _quality(case: Case) -> pd.Series | None:
    """The quality of each lot as awarded; None where no bid has any."""
    from procure_opt.governance.risks import public_value

    if np.isnan(case.tender.quality).all():
        return None
    table = public_value(case.award, 0).table
    return pd.Series(table["quality"].to_numpy(), index=table["lot"])


def _worth(case: Case) -> list[list[Any]]:
    """What the award is worth, each figure where the data are there."""
    t, tender, done = case.t, case.tender, case.award
    rows: list[list[Any]] = []
    quality = _quality(case)
    if quality is not None and quality.notna().all():
        known = not np.isnan(tender.estimate).any() and tender.estimate.sum() > 0
        weight = tender.estimate if known else np.ones(len(quality))
        mean = float(quality.to_numpy() @ weight / weight.sum())
        rows.append([t("value.quality"), number(mean)])
        if done.cost > 0:
            rows.append([t("value.points"), number(1000 * float(quality.sum()) / done.cost)])
    at = pd.Index(tender.bid_names).get_indexer(pd.Index(done.bids["bid"]))
    let = np.asarray(done.bids["fraction"].to_numpy(dtype=float) @ tender.part[at])
    own = tender.in_house * tender.money_unit if case.audience.committee else np.full(len(let), np.nan)
    for key, amounts in (("estimate", tender.estimate), ("reserve", tender.reserve), ("in_house", own)):
        some = let > 0
        total = float(let[some] @ amounts[some]) if some.any() and not np.isnan(amounts[some]).any() else math.nan
        if total > 0:
            rows.append([t(f"value.{key}"), t.share(done.price / total)])
    return rows


def ledger(case: Case) -> list[Block]:
    t, costs = case.t, case.award.transaction_costs
    if not len(costs):
        return [Text([t("say.ledger.none")])]
    some = costs[costs["amount"] != 0]
    rows = [[t(f"stage.{row.stage}"), t(f"item.{name}"), row.amount] for name, row in zip(some.index, rows_of(some))]
    columns = [Column(t("col.stage")), Column(t("col.item")), Column(t("col.amount"), "money")]
    told = [t("say.ledger"), t("say.ledger.total", amount=money(costs["amount"].sum()))]
    blocks: list[Block] = [Text(told), Table("ledger", columns, rows)]
    if not math.isnan(case.findings.ignored):
        blocks.append(Text([t("say.ignored", amount=money(case.findings.ignored))], "note"))
    return blocks


def risks(case: Case) -> list[Block]:
    t = case.t
    names = ("level", "source", "subject", "finding", "evidence", "ask")
    rows = [[t(f"level.{row.level}"), *(translated(str(getattr(row, name)), t) for name in names[1:])]
            for row in rows_of(case.risks)]  # fmt: skip
    blocks: list[Block] = [Text([t("say.risks")])]
    columns = [Column(t(f"col.{name}")) for name in names]
    return [*blocks, Table("risks", columns, rows) if rows else Text([t("page.none")])]


def again(case: Case) -> list[Block]:
    t, done = case.t, case.award
    rows = [[t("again.tender"), case.award.tender.name], [t("again.rules"), case.announcement.hash]]
    rows += [[t("again.input", name=name), digest] for name, digest in case.inputs.items()]
    rows += [[t("again.objective"), money(done.objective)], [t("again.bound"), money(done.bound)]]
    rows += [[t("again.tie"), repr(done.policy.tie_break)], [t("again.seed"), str(case.seed)]]
    rows += [[t("again.version", name=name), version] for name, version in case.versions.items()]
    blocks: list[Block] = [
        Text([t("say.again")]),
        Table("again", [Column(t("col.item")), Column(t("col.value"))], rows),
    ]
    told = [[t(f"out.what.{each.what}"), t(each.why, **each.values)] for each in case.left_out]
    if told:
        return [*blocks, Text([f"{what}: {why}" for what, why in told], "ul", t("say.left_out")),
                Table("left_out", [Column(t("col.what")), Column(t("col.why"))], told, page=False)]  # fmt: skip
    return [*blocks, Text([t("say.left_out.none")], "note")]
