"""Third parties: the check, what rules cost, how firm the award is, what it should cost, what past bids ask."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from procure_opt.award import Award
from procure_opt.report import drawings
from procure_opt.report.case import Case
from procure_opt.report.content import Block, Column, Table, Text, rows_of, saying
from procure_opt.report.evidence import WHOLE
from procure_opt.report.wording import money, number, rough, rule_in_words, translated

MOST_FAIR = 3  # fair prices that are told one by one; more are a table


def check(case: Case) -> list[Block]:
    """What the check found; to others than the committee by rule and place, for messages may name prices."""
    t = case.t
    if not case.problems:
        return [Text([t("say.check.nothing")])]
    columns = [Column(t("col.rule")), Column(t("col.where"))]
    rows: list[list[Any]] = [[each.rule, each.where or "–"] for each in case.problems]
    if case.audience.committee:
        columns.append(Column(t("col.message")))
        for row, each in zip(rows, case.problems):
            row.append(each.message)
    return [Text([t("say.check.some")]), Table("check", columns, rows)]


def constraints(case: Case) -> list[Block]:
    """What rules cost; to others than the committee only which ones decide: the cost without may be a losing bid."""
    t, found = case.t, case.findings.constraints
    if not case.award.policy.constraints:
        return [Text([t("say.constraints.none")])]
    if found is None:
        return []
    said = [rule_in_words(rule, t) for rule in case.award.policy.constraints]
    columns = [Column(t("col.rule")), Column(t("col.binds"), "yes")]
    rows: list[list[Any]] = [[rule, bool(binds)] for rule, binds in zip(said, found["binds"])]
    if case.audience.committee:
        columns += [Column(t("col.costs"), "money"), Column(t("col.costs_share"), "share"),
                    Column(t("col.cost_without"), "money")]  # fmt: skip
        for row, each in zip(rows, rows_of(found)):
            share = each.costs / case.award.cost if case.award.cost else math.nan
            row += [each.costs, share, each.cost_without]
        if "costs_in_payments" in found:
            columns.append(Column(t("col.costs_in_payments"), "money"))
            for row, paid in zip(rows, found["costs_in_payments"]):
                row.append(paid)
    blocks: list[Block] = [Text([t("say.constraints")]), Table("constraints", columns, rows)]
    if case.audience.committee:
        blocks += _ways(case)
    return blocks


def _ways(case: Case) -> list[Block]:
    t, curve, ways = case.t, case.findings.frontier, case.findings.scenarios
    blocks: list[Block] = []
    names = [("cost", "money"), ("price", "money"), ("hhi", "number"), ("quality", "number"), ("winners", "count")]
    figures = [Column(t(f"col.{key}"), kind) for key, kind in names]
    if curve is not None and len(curve):
        drawn = drawings.frontier_figure(case, curve)
        blocks += [] if drawn is None else [drawn]
        columns = [Column(t("col.cap"), "share"), Column(t("col.status")), *figures]
        rows = [[row.value, t(f"status.{row.status}"), *(getattr(row, key) for key, _ in names)]
                for row in rows_of(curve)]  # fmt: skip
        blocks.append(Table("frontier", *saying(columns, rows)))
    if ways is not None:
        called = {name: _scenario(case, name) for name in ways.table.index}
        columns = [Column(t("col.scenario")), Column(t("col.status")), *figures]
        rows = [[called[str(row.policy)], t(f"status.{row.status}"), *(getattr(row, key) for key, _ in names)]
                for row in rows_of(ways.table.reset_index())]  # fmt: skip
        blocks.append(Table("summary", *saying(columns, rows)))
        blocks += _compared(case, called)
    return blocks


def _scenario(case: Case, name: str) -> str:
    word, _, number_of = str(name).partition(" ")
    if word != "without":
        return case.t(f"scenario.{word}")
    return case.t("scenario.without", rule=rule_in_words(case.award.policy.constraints[int(number_of)], case.t))


def _compared(case: Case, called: Mapping[str, str]) -> list[Block]:
    """Who provides each lot, and what each bidder gets, under the scenarios: for the workbook."""
    t, ways = case.t, case.findings.scenarios
    assert ways is not None
    done = {name: each for name, each in ways.awards.items() if each is not None}
    by_lot: dict[str, list[Any]] = {str(lot): [lot] for lot in case.tender.lot_names}
    by_bidder: dict[str, list[Any]] = {str(bidder): [bidder] for bidder in case.tender.bidder_names}
    for each in done.values():
        who: dict[str, list[str]] = {lot: [] for lot in by_lot}
        field = each.policy.field(each.tender)[0]
        for bid, bidder in zip(each.bids["bid"], each.bids["bidder"]):
            for lot in field.quantity[[field.bid_index(bid)]].indices:
                who[str(field.lot_names[lot])].append(str(bidder))
        for name in each.in_house["lot"]:
            who[str(name)].append(t("table.in_house"))
        for name, line in by_lot.items():
            line.append(t.listed(who[name]) or "–")
        for bidder, line in by_bidder.items():
            line.append(float(each.by_bidder["price"].get(bidder, 0.0)))
    heads = [called[name] for name in done]
    return [
        Table("by_lot", [Column(t("col.lot")), *map(Column, heads)], list(by_lot.values()), page=False),
        Table("by_bidder", [Column(t("col.bidder")), *(Column(head, "money") for head in heads)],
              list(by_bidder.values()), page=False),
    ]  # fmt: skip


def stability(case: Case) -> list[Block]:
    if not case.audience.committee:
        return []
    t, moves, near = case.t, case.findings.moves, case.findings.near
    firm = case.findings.evaluators
    blocks: list[Block] = []
    if moves is not None and moves["share"].notna().any():
        row = moves.iloc[0]
        blocks.append(Text([t("say.smallest", bid=row["bid"], bidder=row["bidder"], change=money(row["change"]),
                              share=t.share(row["share"], 2))]))  # fmt: skip
    if near is not None:
        within = money(case.within * abs(case.award.objective))
        if len(near):
            columns = [Column(t("col.extra_cost"), "money"), Column(t("col.gained")), Column(t("col.lost"))]
            rows = [[row.extra, t.listed(list(row.gained)), t.listed(list(row.lost))] for row in rows_of(near.table)]
            more = t("say.near.complete" if near.complete else "say.near.more")
            blocks += [Text([t("say.near", within=within), more]), Table("near", columns, rows)]
        else:
            blocks.append(Text([t("say.near.none", within=within)]))
    if moves is not None and len(moves):
        names = [("bid", "text"), ("bidder", "text"), ("wins", "yes"), ("price", "money"), ("price_to_win", "money"),
                 ("change", "money"), ("share", "share")]  # fmt: skip
        rows = moves[[key for key, _ in names]].to_numpy(dtype=object).tolist()
        blocks.append(Table("stability", [Column(t(f"col.{key}"), kind) for key, kind in names], rows, most=(12, 24)))
    if firm is not None and len(firm.evaluators):
        columns = [Column(t("col.evaluator")), Column(t("col.winners_change"), "yes"), Column(t("col.gained")),
                   Column(t("col.lost")), Column(t("col.cost"), "money")]  # fmt: skip
        rows = [[row.evaluator, row.winners_change, t.listed(list(row.gained)), t.listed(list(row.lost)), row.cost]
                for row in rows_of(firm.evaluators)]  # fmt: skip
        blocks.append(Table("evaluators", columns, rows))
    if firm is not None and not math.isnan(firm.other_winner):
        blocks.append(Text([t("say.noise", chance=t.share(firm.other_winner))], "note"))
    return blocks


def fair(case: Case) -> list[Block]:
    t, prices, blocks = case.t, case.evidence.fair, list[Block]()
    if prices is not None and len(prices) > MOST_FAIR:
        said = [translated(each, t) for price in prices.values() for each in (price.private_cost, *price.rests_on)]
        level = t.share(next(iter(prices.values())).level)
        blocks += [Text([t("say.fair.lots", level=level)]), Text(list(dict.fromkeys(said)), "ul")]
    elif prices is not None:
        for lot, price in prices.items():
            means = {"lowest": rough(price.mean_lowest_cost), "second": rough(price.mean_second_cost)}
            said = [t("say.fair", level=t.share(price.level), n=price.n, low=rough(price.low), high=rough(price.high)),
                    t("say.fair.means", **means)]  # fmt: skip
            blocks.append(Text(said, "p", "" if lot == WHOLE else t("fig.scatter.lot", lot=lot)))
            blocks.append(Text([translated(each, t) for each in (price.private_cost, *price.rests_on)], "ul"))
    if prices is not None:
        columns = [Column(t("col.lot")), Column(t("col.n"), "count"), Column(t("col.low"), "money"),
                   Column(t("col.high"), "money"), Column(t("col.price"), "money")]  # fmt: skip
        paid = _alone(case.award)
        rows = [[lot or "–", price.n, price.low, price.high, paid.get(lot, math.nan)] for lot, price in prices.items()]
        blocks.append(Table("fair", columns, rows, page=len(prices) > MOST_FAIR))
    figures = drawings.bid_figure(case)
    return blocks if figures is None else [*blocks, figures]


def _alone(award: Award) -> dict[str, float]:
    """The net price of each lot that is let whole by a bid for it alone."""
    tender, found = award.tender, dict[str, float]()
    for bid, fraction, net in zip(award.bids["bid"], award.bids["fraction"], award.bids["net"]):
        part = tender.part[[tender.bid_index(bid)]]
        if part.nnz == 1 and part.data[0] * fraction > 1 - 1e-9:
            found[str(tender.lot_names[part.indices[0]])] = float(net)
    return found


def screens(case: Case) -> list[Block]:
    t, seen = case.t, case.evidence
    if seen.past is None:
        return []
    blocks: list[Block] = [Text([t("say.screens")])]
    if seen.test is not None:
        rows = [[auction, float(seen.test.adjusted[auction]), question.partition(": ")[2]]
                for auction, question in zip(seen.test.asked, seen.test.questions())]  # fmt: skip
        columns = [Column(t("col.auction")), Column(t("col.p"), "number"), Column(t("col.question"))]
        none = Text([t("say.screens.none", level=number(seen.test.level))])
        blocks.append(Table("screens", columns, rows, most=(20, 24)) if rows else none)
    if seen.groups is not None:
        table = seen.groups.table
        heads = [("members", "text"), ("tenders", "count"), ("won", "count"), ("p", "number"), ("flagged", "yes"),
                 ("question", "text")]  # fmt: skip
        columns = [Column(t(f"col.{key}"), kind) for key, kind in heads]
        rows = [[t.listed(list(map(str, row.members))), row.tenders, row.wins, row.p, bool(row.flagged), row.question]
                for row in rows_of(table)]  # fmt: skip
        blocks.append(Table("groups", columns, rows, most=(12, 24)) if rows else Text([t("say.groups.none")]))
        figures = drawings.network_figure(case)
        blocks += [] if figures is None else [figures]
    if seen.flags is not None:
        columns = [Column(t("col.code")), Column(t("col.name")), Column(t("col.flagged")), Column(t("col.why"))]
        table = seen.flags.table.assign(whom=seen.flags.table["flagged"] + " " + seen.flags.table["id"].astype(str))
        rows = [[code, name, t.listed(list(some["whom"])), why]
                for (code, name, why), some in table.groupby(["code", "name", "why"], sort=False)]  # fmt: skip
        blocks.append(Table("flags", columns, rows, most=(40, 24)) if rows else Text([t("say.flags.none")]))
    return blocks
