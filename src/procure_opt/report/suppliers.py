"""Suppliers and social organisations: who offered what, who provides it, why others do not, and what is paid."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from procure_opt.report import drawings
from procure_opt.report.case import Case
from procure_opt.report.content import Block, Column, Table, Text, rows_of, saying
from procure_opt.report.findings import Lost
from procure_opt.report.texts import Words
from procure_opt.report.wording import blank, money, rule_in_words, translated


def bids(case: Case) -> list[Block]:
    t, tender = case.t, case.tender
    aside = [each for each in case.lost if each.bid in set(tender.rejected["bid"])]
    count = {"bids": f"{len(tender.price):,}", "bidders": len(np.unique(tender.bidder_of)), "aside": len(aside)}
    blocks: list[Block] = [Text([t("say.bids.public", **count)])]
    if case.audience.kind != "public":
        blocks += _tabulation(case)
    figures = drawings.scatter(case)
    if figures is not None:
        blocks.append(figures)
    if aside:
        columns = [Column(t("col.bid")), Column(t("col.bidder")), Column(t("col.lots")), Column(t("col.reason"))]
        rows: list[list[Any]] = [
            [each.bid, each.bidder, t.listed(list(each.lots)), _reason(each, t)] for each in aside
        ]
        if case.audience.kind != "public":
            columns.append(Column(t("col.price"), "money"))
            rows = [[*row, each.price] for row, each in zip(rows, aside)]
        blocks.append(Table("aside", columns, rows))
    if case.audience.kind != "public":
        blocks.append(_raw(case))
    return blocks


def _tabulation(case: Case) -> list[Block]:
    """Lots × bidders, from bids on single whole lots; packages below."""
    t, tender = case.t, case.tender
    every = case.award.tender.every_bid
    every = every[every["bidder"].map(case.audience.owns).astype(bool)]
    lots = {str(lot): row for row, lot in enumerate(tender.lot_names)}
    aside = set(tender.rejected["bid"])
    won = set(case.award.bids["bid"])
    alone: list[tuple[Any, list[str]]] = []
    packs: list[tuple[Any, list[str]]] = []
    for each in rows_of(every):
        named = [part for part in str(each.lots).split(";") if part.strip()]
        single = len(named) == 1 and named[0].strip() in lots
        (alone if single else packs).append((each, named))
    busiest = every["bidder"].value_counts()
    order = {name: at for at, name in enumerate(tender.bidder_names)}
    names = sorted(busiest.index, key=lambda name: (-busiest[name], order[name]))
    place = {name: column for column, name in enumerate(names)}
    cell: dict[tuple[int, int], tuple[int, float, str]] = {}
    for each, named in alone:
        at = (lots[named[0].strip()], place[each.bidder])
        offer = float(each.price + each.fixed)
        rank = 0 if each.bid in won else 2 if each.bid in aside else 1
        mark = ("won", "", "out")[rank]
        if not blank(offer) and (at not in cell or (rank, offer) < cell[at][:2]):
            cell[at] = (rank, offer, mark)
    blocks: list[Block] = []
    if cell:
        both = {"estimate": tender.estimate, "reserve": tender.reserve} if case.audience.committee else {}
        lead = {t(f"col.{key}"): amounts for key, amounts in both.items() if not np.isnan(amounts).all()}
        width = 1 + len(lead) + case.audience.committee
        columns = [Column(t("col.lot")), *(Column(name, "money") for name in lead)]
        columns += [Column(t("col.lowest"), "money")] if case.audience.committee else []
        columns += [Column(str(name), "money") for name in names]
        rows: list[list[Any]] = []
        marks: dict[tuple[int, int], str] = {}
        for lot, row in lots.items():
            here = {column: cell[row, column] for column in range(len(names)) if (row, column) in cell}
            if not (here or case.audience.committee):
                continue
            valid = [offer for rank, offer, _ in here.values() if rank < 2]
            least = min(valid, default=math.nan)
            line: list[Any] = [lot, *(amounts[row] for amounts in lead.values())]
            line += [least] if case.audience.committee else []
            line += [here[column][1] if column in here else None for column in range(len(names))]
            for column, (rank, offer, mark) in here.items():
                low = case.audience.committee and rank < 2 and offer == least
                marks[len(rows), width + column] = " ".join(filter(None, [mark, "low" if low else ""]))
            rows.append(line)
        note = t("say.tabulation" if case.audience.committee else "say.tabulation.own")
        blocks.append(Table("tabulation", columns, rows, marks, lead=width, note=note))
    if packs:
        columns = [*(Column(t(f"col.{name}")) for name in ("bid", "bidder", "lots")), Column(t("col.price"), "money")]
        rows = [[each.bid, each.bidder, t.listed(named), float(each.price + each.fixed)] for each, named in packs]
        marks = {(row, 3): "won" if each.bid in won else "out" if each.bid in aside else ""
                 for row, (each, _) in enumerate(packs)}  # fmt: skip
        blocks.append(Table("packages", columns, rows, marks))
    return blocks


def _raw(case: Case) -> Table:
    """All bids the audience may see, for the workbook."""
    t = case.t
    quality = pd.Series(case.tender.quality, index=case.tender.bid_names)
    every = case.award.tender.every_bid
    every = every[every["bidder"].map(case.audience.owns).astype(bool)]
    reasons = {each.bid: _reason(each, t) for each in case.lost}
    rows = [
        [row.bid, row.bidder, str(row.lots), row.price, row.fixed, quality.get(row.bid), row.xor or None,
         row.bid not in reasons, reasons.get(row.bid, "")]
        for row in rows_of(every)
    ]  # fmt: skip
    kinds = {"price": "money", "fixed": "money", "quality": "number", "wins": "yes"}
    names = ("bid", "bidder", "lots", "price", "fixed", "quality", "xor", "wins", "reason")
    return Table("bids", [Column(t(f"col.{name}"), kinds.get(name, "text")) for name in names], rows, page=False)


def award(case: Case) -> list[Block]:
    t, done = case.t, case.award
    kinds = case.tender.bidders.set_index("bidder")
    rows = []
    winners = done.by_bidder.sort_values("price", ascending=False, kind="stable").reset_index()
    for row in rows_of(winners):
        owners = t.listed([str(owner) for owner in case.tender.ultimate_owners(str(row.bidder))])
        kind = t.named("kind", str(kinds.at[row.bidder, "kind"])) or "–"
        rows.append([row.bidder, owners, kind, row.lots, row.estimate, row.price, row.share])
    names = [("bidder", "text"), ("owner", "text"), ("kind", "text"), ("lots", "count"), ("estimate", "money"),
             ("price", "money"), ("share", "share")]  # fmt: skip
    blocks: list[Block] = [Table("winners", [Column(t(f"col.{key}"), kind) for key, kind in names], rows)]
    figures = drawings.share_figure(case)
    if figures is not None:
        blocks.append(figures)
    blocks.append(_allocations(case))
    blocks.append(_rates(case))
    if len(done.in_house):
        columns = [Column(t("col.lot")), Column(t("col.fraction"), "share"), Column(t("col.cost"), "money")]
        blocks.append(Table("in_house", columns, done.in_house[["lot", "fraction", "cost"]].to_numpy().tolist()))
    if len(done.violations):
        kept = {repr(rule): rule_in_words(rule, t) for rule in done.policy.constraints}
        columns = [Column(t("col.rule")), Column(t("col.where")), Column(t("col.amount"), "number"),
                   Column(t("col.unit")), Column(t("col.charge"), "money")]  # fmt: skip
        soft = [[kept.get(row.constraint, row.constraint), row.where, row.amount, row.unit, row.charge]
                for row in rows_of(done.violations)]  # fmt: skip
        blocks.append(Table("soft", columns, soft))
    blocks.append(Text([_tie(case)], "note"))
    return blocks


def _tie(case: Case) -> str:
    t, tied = case.t, case.award.tied
    if tied is None:
        return t("say.tied.unknown")
    if not tied:
        return t("say.tied.none")
    name = type(case.award.policy.tie_break).__name__
    seed = getattr(case.award.policy.tie_break, "seed", "")
    rule = t(f"rule.tie.{name}", seed=seed) if t.has(f"rule.tie.{name}") else repr(case.award.policy.tie_break)
    return t("say.tied.some", bids=t.listed(list(tied)), rule=rule)


def _allocations(case: Case) -> Table:
    t = case.t
    accepted = case.award.bids
    quality = pd.Series(case.tender.quality, index=case.tender.bid_names)
    rows = []
    for row in rows_of(accepted):
        before = row.price * row.fraction + row.fixed
        rows.append([row.bid, row.bidder, t.listed(str(row.lots).split(";")), row.fraction, quality.get(row.bid),
                     before, before - row.net, row.net])  # fmt: skip
    names = [("bid", "text"), ("bidder", "text"), ("lots", "text"), ("fraction", "share"), ("quality", "number"),
             ("price", "money"), ("discount", "money"), ("net", "money")]  # fmt: skip
    return Table("allocations", *saying([Column(t(f"col.{key}"), kind) for key, kind in names], rows))


def _rates(case: Case) -> Table:
    """What each lot costs and by whom: a package is divided by estimate, or evenly where one is missing."""
    t, tender = case.t, case.tender
    rows = []
    for row in rows_of(case.award.bids):
        at = tender.bid_index(row.bid)
        lots, part = tender.part[[at]].indices, tender.part[[at]].data
        worth = tender.estimate[lots] * part
        if np.isnan(worth).any() or not worth.sum() > 0:
            worth = np.asarray(part, dtype=float)
        for lot, weight in zip(lots, worth / worth.sum()):
            quantity = float(tender.quantity[[at]].toarray()[0, lot]) * row.fraction
            rows.append([str(tender.lot_names[lot]), row.bidder, row.bid, quantity, row.net * weight,
                         row.net * weight / quantity])  # fmt: skip
    names = [("lot", "text"), ("winner", "text"), ("bid", "text"), ("quantity", "number"), ("net", "money"),
             ("unit_price", "money")]  # fmt: skip
    order = {str(lot): place for place, lot in enumerate(tender.lot_names)}
    rows.sort(key=lambda line: order[line[0]])
    return Table("rates", [Column(t(f"col.{key}"), kind) for key, kind in names], rows, page=False)


def lost(case: Case) -> list[Block]:
    """Why bids did not win; with prices only of those that the audience may see."""
    t = case.t
    aside = set(case.tender.rejected["bid"])
    valid = [each for each in case.lost if each.bid not in aside]
    if case.audience.kind == "bidder":
        valid.sort(key=lambda each: not case.audience.owns(each.bidder))
    if not valid:
        return [Text([t("say.won_all")])]
    columns = [Column(t("col.bid")), Column(t("col.bidder")), Column(t("col.lots")), Column(t("col.went_to")),
               Column(t("col.reason"))]  # fmt: skip
    rows: list[list[Any]] = [
        [each.bid, each.bidder, t.listed(list(each.lots)), t.listed(_went_to(case, each)), _reason(each, t)]
        for each in valid
    ]
    blocks: list[Block] = []
    if case.audience.kind != "public":
        columns += [Column(t("col.price"), "money"), Column(t("col.price_to_win"), "money"),
                    Column(t("col.above"), "money")]  # fmt: skip
        for row, each in zip(rows, valid):
            row += [each.price, each.price_to_win, each.price - each.price_to_win]
        blocks.append(Text([t("say.lost")]))
    blocks.append(Table("lost", columns, rows, most=(100, 24)))
    return blocks


def _went_to(case: Case, each: Lost) -> list[str]:
    return list(dict.fromkeys(name for lot in each.lots for name in case.winner_of.get(lot, [])))


def _reason(each: Lost, t: Words) -> str:
    rule = "" if each.rule is None else rule_in_words(each.rule, t)
    return t(each.why, rule=rule.rstrip(".。"), status=translated(each.status, t))


def payments(case: Case) -> list[Block]:
    t, paid = case.t, case.payments
    if paid is None:
        return [Text([t("say.payments", rule=t("pay.pay_as_bid"), total=money(case.award.price))])]
    net = case.award.by_bidder["price"].reindex(paid.amounts.index)
    rows = [[who, price, amount, amount - price] for who, price, amount in zip(net.index, net, paid.amounts)]
    columns = [Column(t(f"per.{paid.by}")), Column(t("col.price"), "money"), Column(t("col.paid"), "money"),
               Column(t("col.extra"), "money")]  # fmt: skip
    rule = t.named("pay", str(paid.rule.name))
    told = Text([t("say.payments", rule=rule, total=money(paid.total))])
    blocks: list[Block] = [told, Table("payments", columns, rows)]
    if paid.pivotal:
        blocks.append(Text([t("say.pivotal", names=t.listed(list(paid.pivotal)))], "note"))
    for over in paid.over_budget:
        blocks.append(Text([t("say.over_budget", budget=over.budget, paid=money(over.paid))], "note"))
    if case.audience.committee and paid.why_not:
        blocks.append(Text([translated(why, t) for why in paid.why_not], "ul", t("say.why_not")))
    return blocks
