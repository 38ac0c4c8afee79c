"""Small random tenders of every feature, and policies that fit them.

Prices are small whole numbers, so ties, exact bounds and reached thresholds are common rather than rare.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st

import procure_opt as po
from procure_opt.scoring import RelativePrice

Draw = Callable[[Any], Any]
CATEGORIES = ("cleaning", "security")
MORE = int(os.environ.get("MORE_EXAMPLES", "0"))


def examples(count: int) -> settings:
    """So many examples, the same on every run: a red build is a defect of the change, not of the draw.

    With MORE_EXAMPLES=20 in the environment there are twenty times as many, drawn anew.
    """
    return settings(
        max_examples=count * max(1, MORE), derandomize=not MORE, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


def awarded(tender: po.Tender, policy: po.Policy, **options: Any) -> po.Award | None:
    """The award, or None if there is none; tenders whose discounts cannot be told apart by scope are passed over."""
    try:
        return po.award(tender, policy, **options)
    except po.Infeasible:
        return None
    except ValueError as refused:
        assume("is one sum over lots inside and outside" not in str(refused))
        raise


def agree(award: po.Award | None, best: Any) -> None:
    """An award is what brute force finds best, with all that tie with it."""
    assert (award is None) == (best is None)
    if award is None or best is None:
        return
    assert award.status == "optimal"
    assert award.objective == pytest.approx(float(best.objective), rel=1e-9, abs=1e-9)
    assert frozenset(award.bids["bid"]) in best.sets
    assert award.tied is not None
    assert frozenset(award.tied) == best.tied
    assert po.check(award) == []


def agree_in_parts(award: po.Award | None, least: float | None) -> None:
    """An award of parts of bids costs as little as the best of all linear programs, one for each set of bids."""
    assert (award is None) == (least is None)
    if award is not None:
        assert award.objective == pytest.approx(least, rel=1e-6, abs=1e-6)
        assert po.check(award) == []


def sometimes(draw: Draw, one_in: int = 3) -> bool:
    """True in one of so many cases; shrinks to False."""
    return bool(draw(st.integers(0, one_in - 1)) == one_in - 1)


@st.composite
def tenders(
    draw: Draw, *, divisible: bool = False, discounts: bool = True, max_lots: int = 5, max_bids: int = 9
) -> po.Tender:
    """A tender of 2–5 lots, 2–5 bidders and up to nine bids, money_unit 1."""
    n_lots, n_bidders = draw(st.integers(2, max_lots)), draw(st.integers(2, 5))
    lots = [f"L{i + 1}" for i in range(n_lots)]
    bidders = [f"B{i + 1}" for i in range(n_bidders)]
    demand = _demands(draw, lots)
    count = draw(st.integers(1, max_bids))
    # A bid on each lot alone makes most tenders possible; one in three is left to chance.
    alone = [[lot] for lot in lots] if not sometimes(draw) else []
    bids = [
        _bid(draw, i, bidders, demand, divisible=divisible, lots=alone[i] if i < len(alone) else None)
        for i in range(max(count, len(alone)))
    ]
    tables: dict[str, Any] = {
        "lots": _lots(draw, lots, bidders, demand),
        "bids": bids,
        "bidders": _bidders(draw, bidders),
        "ownership": [{"owner": "Top", "owned": "H1"}] if sometimes(draw) else [],
    }
    if discounts and sometimes(draw, 2):
        tables["discounts"] = _discounts(draw, bidders, lots)
    if sometimes(draw, 4):
        tables["scores"] = _scores(draw, bids)
    return po.Tender(**tables, money_unit=1)


def _demands(draw: Draw, lots: list[str]) -> dict[str, int]:
    in_quantities = sometimes(draw)
    return {lot: draw(st.integers(2, 4)) if in_quantities else 1 for lot in lots}


def _lots(draw: Draw, lots: list[str], bidders: list[str], demand: dict[str, int]) -> list[dict[str, Any]]:
    own = draw(st.sampled_from(["all", "all", "some", "none"]))
    return [
        {
            "lot": lot,
            "demand": demand[lot],
            "estimate": draw(st.integers(1, 20)),
            "in_house": draw(st.integers(5, 60)) if own == "all" or (own == "some" and sometimes(draw, 2)) else None,
            "in_house_quality": draw(st.sampled_from([None, 40, 70])),
            "reserve": draw(st.sampled_from([None, None, 30])),
            "period": draw(st.sampled_from(["2026", "2027"])),
            "category": draw(st.sampled_from(CATEGORIES)),
            "incumbent": draw(st.sampled_from(["", *bidders])),
            "area": draw(st.integers(1, 9)),
            "value": draw(st.sampled_from([0, 0.25, 1])),
        }
        for lot in lots
    ]


def _bidders(draw: Draw, bidders: list[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {
            "bidder": bidder,
            "owner": draw(st.sampled_from(["", "", "H1", "H2"])),
            "kind": draw(st.sampled_from(["firm", "social_organisation"])),
            "deduction": draw(st.sampled_from([0, 0, 0.1])),
            "capacity": draw(st.sampled_from([None, 1, 2, 4])),
            "elsewhere": draw(st.integers(0, 3)),
            "members": "",
        }
        for bidder in bidders
    ]
    for row in rows:
        row["failing"] = row["elsewhere"] / 4  # whoever holds much elsewhere defaults more often
    rows[0]["capacity"] = 3  # at least one number, or the column would be read as text
    if len(bidders) > 2 and sometimes(draw):
        members = draw(st.sampled_from(["B1:0.7;B2:0.3", "B1;B2", "B1:0.5;Guest:0.5"]))
        rows[-1] |= {"members": members, "owner": ""}
    return rows


def _bid(
    draw: Draw, number: int, bidders: list[str], demand: dict[str, int], *, divisible: bool, lots: list[str] | None
) -> dict[str, Any]:
    whole = lots is not None
    lots = lots or draw(st.lists(st.sampled_from(list(demand)), min_size=1, max_size=3, unique=True))
    units = {lot: demand[lot] if whole else draw(st.integers(1, demand[lot])) for lot in lots}
    return {
        "bid": f"b{number + 1}",
        "bidder": draw(st.sampled_from(bidders)),
        "lots": units if set(demand.values()) != {1} else lots,
        "price": len(lots) * draw(st.integers(0, 30)),
        "fixed": draw(st.sampled_from([0, 0, 0, 5])),
        "quality": draw(st.sampled_from([20, 50, 60, 90])),
        "xor": draw(st.sampled_from(["", "", "x"])),
        "min_fraction": draw(st.sampled_from([1, 0.5, 0.25, 0])) if divisible else 1,
        "carbon": draw(st.integers(0, 10)),
    }


def _discounts(draw: Draw, bidders: list[str], lots: list[str]) -> list[dict[str, Any]]:
    rows = []
    for bidder in draw(st.lists(st.sampled_from(bidders), min_size=1, max_size=2, unique=True)):
        measure = draw(st.sampled_from(["lots", "quantity", "spend"]))
        steps = st.integers(0, 40) if measure == "spend" else st.integers(0, 4)
        terms = {
            "bidder": bidder,
            "lots": ";".join(draw(st.lists(st.sampled_from(lots), max_size=len(lots), unique=True))),
            "measure": measure,
            "kind": draw(st.sampled_from(["all_units", "incremental"])),
        }
        column, sizes = draw(st.sampled_from([("percent", st.integers(0, 60)), ("amount", st.integers(0, 25))]))
        for threshold in draw(st.lists(steps, min_size=1, max_size=2, unique=True)):
            rows.append(terms | {"threshold": threshold, column: draw(sizes)})
    return rows


def _scores(draw: Draw, bids: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Marks of two evaluators on two criteria; the bids' own quality gives way to them."""
    mark = st.integers(0, 10).map(lambda tenth: 10 * tenth)
    for bid in bids:
        bid["quality"] = None
    return [
        {"bid": bid["bid"], "criterion": criterion, "evaluator": evaluator, "score": draw(mark)}
        for bid in bids
        for criterion in ("method", "staff")
        for evaluator in ("E1", "E2")
    ]


# ---- policies ---------------------------------------------------------------------------------------------


@st.composite
def policies(
    draw: Draw,
    tender: po.Tender,
    *,
    max_rules: int = 3,
    names: tuple[str, ...] | None = None,
    soft: bool = True,
    ledger: bool = True,
    scores: bool = True,
) -> po.Policy:
    """A policy of up to so many constraints (of these classes), hard or soft, that reads well on this tender."""
    known = names or tuple(RULES)
    chosen = [
        draw(rules(tender, draw(st.sampled_from(known)), soft=soft)) for _ in range(draw(st.integers(0, max_rules)))
    ]
    weights = {"method": 3, "staff": 1} if len(tender.scores) and sometimes(draw, 2) else None
    return po.Policy(
        constraints=tuple(chosen),
        objective=draw(objectives(tender, scores=scores)),
        ledger=draw(ledgers()) if ledger and sometimes(draw, 5) else None,
        quality_weights=weights,
        **draw(st.sampled_from([{}, {}, {}, {"min_bidders": 2}, {"min_bidders": 2, "few_bidders": "fail"}])),
    )


def objectives(tender: po.Tender, *, scores: bool = True) -> st.SearchStrategy[Any]:
    """Lowest cost, quality in money, or points where every bid takes whole lots."""
    goals = [po.LowestCost(), po.LowestCost(), *map(po.QualityAdjusted, (0.1, 0.5, "value"))]
    if scores and (tender.part.data == 1).all() and (tender.min_fraction == 1).all():
        goals.append(po.BestScore(RelativePrice(0.4)))
    return st.sampled_from(goals)


def ledgers(*, switches: bool = True) -> st.SearchStrategy[po.Ledger]:
    """Transaction costs as numbers and as columns, of lots, of bids, of bidders."""
    return st.builds(
        po.Ledger,
        per_contract=st.sampled_from([0, 2, "carbon"]),
        per_supplier=st.sampled_from([0, 3, "elsewhere"]),
        per_switch=st.sampled_from([0, 4, "area"] if switches else [0]),
        per_bid_evaluated=st.sampled_from([0, 1]),
        adaptation=st.sampled_from([0, 0.25]),
        monitoring=st.sampled_from([0, 1, "area"]),
        search=st.sampled_from([0, 7]),
        specification=st.sampled_from([0, 2, "area"]),
        bid_preparation=st.sampled_from([0, 1, "carbon"]),
        enforcement=st.sampled_from([0, 2, "carbon", "elsewhere"]),
        default=st.sampled_from([0, 0.25, "failing"]),
        replacement=st.sampled_from([8, "area"]),
    )


@st.composite
def rules(draw: Draw, tender: po.Tender, name: str, *, soft: bool = True) -> Any:
    """One constraint of a class."""
    fields = RULES[name](draw, tender)
    if name == "Cover":
        fields |= {"penalty": draw(st.integers(1, 60))}
    elif soft and sometimes(draw, 2):
        fields |= {"penalty": draw(st.integers(1, 25))}
    return getattr(po, name)(**fields)


def scope(draw: Draw, tender: po.Tender, *, each: bool = True) -> dict[str, Any]:
    """`lots=` and `each=`."""
    names = tender.lots["lot"].tolist()
    here = sorted(set(tender.lots["category"]))
    fields: dict[str, Any] = {}
    match draw(st.sampled_from(["all", "all", "list", "filter"])):
        case "list":
            fields["lots"] = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
        case "filter":
            fields["lots"] = {"category": draw(st.sampled_from(here))}
    if each and sometimes(draw, 4):
        fields["each"] = draw(st.sampled_from(["category", "period"]))
    return fields


PER = st.sampled_from(["bidder", "owner", "kind"])
OF = st.sampled_from(["estimate", "lots", "demand", "spend", "area"])
BASE = st.sampled_from(["scope", "scope", "awarded"])
ELSEWHERE = st.sampled_from([None, None, "elsewhere"])
ACROSS = st.sampled_from(["bid", "award"])
SHARE = st.sampled_from([0.2, 0.3, 0.4, 0.5, 0.75])


def _bounds(draw: Draw) -> dict[str, Any]:
    low = {"at_least": draw(st.integers(1, 6))}
    high = {"at_most": draw(st.integers(3, 9))}
    return draw(st.sampled_from([low, high, high | {"at_least": 2}]))


def _some_of(draw: Draw, names: list[str]) -> list[str]:
    return draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))


def _picked(draw: Draw, tender: po.Tender) -> dict[str, Any]:
    """`bidders=`, `bids=` or `lots=`, as Exclude and Require take them."""
    kinds = sorted(set(tender.bidders["kind"]))
    options: list[dict[str, Any]] = [
        {"bidders": _some_of(draw, tender.bidders["bidder"].tolist())},
        {"bidders": {"kind": draw(st.sampled_from(kinds))}},
        {"lots": _some_of(draw, tender.lots["lot"].tolist())},
    ]
    if len(tender.bids):
        options.append({"bids": _some_of(draw, tender.bids["bid"].tolist())})
    options.append(options[0] | options[2])
    return draw(st.sampled_from(options))


def _budget(draw: Draw, tender: po.Tender) -> dict[str, Any]:
    amount = st.integers(20, 150)
    if sometimes(draw, 4):
        return {"amount": {year: draw(amount) for year in sorted(set(tender.lots["period"]))}, "each": "period"}
    return {"amount": draw(amount)} | scope(draw, tender)


RULES: dict[str, Callable[[Draw, po.Tender], dict[str, Any]]] = {
    "Budget": _budget,
    "MinQuality": lambda draw, t: {
        "score": draw(st.sampled_from([40, 50, 60])), "across": draw(ACROSS), **scope(draw, t),
    },
    "AttributeBound": lambda draw, t: {
        "column": "carbon", "across": draw(ACROSS), **_bounds(draw), **scope(draw, t),
    },
    "MaxShare": lambda draw, t: {
        "share": draw(SHARE), "of": draw(OF), "per": draw(PER), "base": draw(BASE), "existing": draw(ELSEWHERE),
        **scope(draw, t),
    },
    "MinShare": lambda draw, t: {
        "share": draw(SHARE), "bidders": draw(st.sampled_from([{"kind": t.bidders["kind"][0]}, ["B1"], ["B1", "B2"]])),
        "of": draw(OF), "base": draw(BASE), "existing": draw(ELSEWHERE), **scope(draw, t),
    },
    "MaxLots": lambda draw, t: {
        "n": draw(st.integers(1, 3)), "per": draw(PER), "existing": draw(ELSEWHERE), **scope(draw, t),
    },
    "MinWinners": lambda draw, t: {"n": draw(st.integers(1, 3)), "per": draw(PER), **scope(draw, t)},
    "MaxWinners": lambda draw, t: {"n": draw(st.integers(1, 3)), "per": draw(PER), **scope(draw, t)},
    "MaxHHI": lambda draw, t: {
        "index": draw(st.sampled_from([0.2, 0.35, 0.5, 0.8])), "of": draw(OF), "per": draw(PER), "base": draw(BASE),
        "existing": draw(ELSEWHERE), **scope(draw, t),
    },
    "MinAward": lambda draw, t: {
        "amount": draw(st.integers(2, 12)), "of": draw(OF), "per": draw(PER), **scope(draw, t),
    },
    "Capacity": lambda draw, t: {"column": "capacity", **scope(draw, t)},
    "Separate": lambda draw, t: {
        "first": _some_of(draw, t.lots["lot"].tolist()), "second": _some_of(draw, t.lots["lot"].tolist()),
        "per": draw(st.sampled_from(["owner", "bidder"])),
    },
    "Together": lambda draw, t: {"lots": _some_of(draw, t.lots["lot"].tolist()), "per": draw(PER)},
    "KeepIncumbents": lambda draw, t: {
        "column": "incumbent", "max_switches": draw(st.integers(0, 3)), **scope(draw, t),
    },
    "Exclude": _picked,
    "Require": _picked,
    "Resilient": lambda draw, t: {"max_extra_cost": draw(st.integers(0, 40)), **scope(draw, t, each=False)},
    "Cover": lambda draw, t: scope(draw, t, each=False),
}  # fmt: skip
