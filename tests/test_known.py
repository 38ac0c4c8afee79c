"""Known answers: tables in `known/` with their source in the first column, on HiGHS and on CBC.

Tables are written for people: `AB 8 or C 9` is a bidder that offers lots A and B together for 8, or lot C for 9, but
not both; `A 10 and B 12` are offers that may win together; `2xA 3` offers two units of lot A.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import LinearConstraint, milp

import procure_opt as po

KNOWN = Path(__file__).parent / "known"
SHARED = Path(__file__).parents[2] / "shared" / "data"
SOLVERS = ("highs", "CBC")
solvers = pytest.mark.parametrize("solver", SOLVERS)

Row = dict[str, str]
Offers = dict[str, list[str]]


def table(name: str) -> list[Row]:
    """The rows of a table of known answers."""
    with (KNOWN / name).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows and next(iter(rows[0])) == "source" and all(row["source"] for row in rows), name
    return rows


def each_row(name: str, *names: str) -> Any:
    """One test a row, called by some of its columns."""
    rows = table(name)
    return pytest.mark.parametrize("row", rows, ids=[", ".join(row[key] for key in names if row[key]) for row in rows])


def pairs(text: str) -> list[tuple[str, str]]:
    """`L1 A; L2 B` as pairs."""
    return [tuple(piece.strip().rsplit(" ", 1)) for piece in text.split(";") if piece.strip()]  # type: ignore[misc]


# ---- offers in words --------------------------------------------------------------------------------------


def offers_of(name: str, of: str, column: str) -> Offers:
    """What each bidder of each tender offers, as written: {tender: [bidder, offers, …]}."""
    found: Offers = {}
    for row in table(name):
        found.setdefault(row[of], []).append(f"{row['bidder']}: {row[column]}")
    return found


def read_offers(texts: Iterable[str]) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """Lots with their demand, and bids with `lots`, `units` and `amount`, from lines like `s1: AB 8 or C 9`."""
    demand: dict[str, int] = {}
    bids = []
    for text in texts:
        bidder, offers = text.split(": ")
        for number, offer in enumerate(re.split(" and | or ", offers)):
            units, lots, amount = re.fullmatch(r"(?:(\d+)x)?([A-Z]+) ([\d.]+)", offer).groups()  # type: ignore[union-attr]
            for lot in lots:
                demand[lot] = max(demand.get(lot, 1), int(units or 1))
            bids.append({
                "bid": f"{bidder}.{number}", "bidder": bidder, "xor": "one" if " or " in offers else "",
                "lots": ";".join(f"{lot}:{units}" if units else lot for lot in lots),
                "units": len(lots) * int(units or 1), "amount": float(amount),
            })  # fmt: skip
    return demand, bids


def winners(award: po.Award) -> list[tuple[str, str]]:
    """Who won which lots: [("s1", "BC"), ("s2", "A")]."""
    lots: dict[str, str] = {}
    for bid in award.bids.itertuples():
        lots[bid.bidder] = lots.get(bid.bidder, "") + re.sub(r"[^A-Z]|:\d", "", bid.lots)
    return sorted((bidder, "".join(sorted(won))) for bidder, won in lots.items())


def agrees(award: po.Award, cost: float, said: str) -> None:
    """The award costs what the table says, and is the one it names; `tie` says that there are several."""
    unit = award.tender.money_unit
    assert award.cost == pytest.approx(cost, abs=unit / 2)
    assert award.bound <= award.objective and award.objective - award.bound < (
        unit if award.status == "optimal" else 1e99
    )
    if said == "tie":
        assert award.tied is None or award.tied
    elif said and said[-1].isdigit():
        assert [(bidder, str(len(lots))) for bidder, lots in winners(award)] == pairs(said)
    elif said:
        assert winners(award) == sorted((bidder, "".join(sorted(lots))) for bidder, lots in pairs(said))
        assert award.tied in ((), None)


# ---- procurement ------------------------------------------------------------------------------------------

REVERSE = offers_of("reverse_bids.csv", "tender", "offers")
RULES = {
    r"at most (\d) lots? each": lambda n: po.MaxLots(int(n)),
    r"at least (\d) winners": lambda n: po.MinWinners(int(n)),
    r"at most (\d+) winners": lambda n: po.MaxWinners(int(n)),
    r"HHI of lots at most ([\d.]+)": lambda index: po.MaxHHI(float(index), of="lots"),
    r"at most ([\d.]+) of the spend each": lambda share: po.MaxShare(float(share), of="spend"),
}


def rule_of(words: str) -> Any:
    """The constraint that these words say."""
    (made,) = [make(match[1]) for pattern, make in RULES.items() if (match := re.fullmatch(pattern, words))]
    return made


def reverse_case(row: Row) -> tuple[po.Tender, po.Policy]:
    demand, bids = read_offers(REVERSE[row["tender"]])
    own, least, rules = None, 1, []
    for rule in filter(None, row["rule"].split("; ")):
        if match := re.fullmatch(r"in-house (\d+) a lot", rule):
            own = float(match[1])
        elif rule == "any part of a bid":
            least = 0
        else:
            rules.append(rule_of(rule))
    tender = po.Tender(
        [{"lot": lot, "demand": units, "in_house": own} for lot, units in demand.items()],
        [bid | {"price": bid["amount"], "min_fraction": least} for bid in bids],
    )
    return (tender.without(row["without"]) if row["without"] else tender), po.Policy(rules)


@solvers
@each_row("reverse_awards.csv", "tender", "rule", "without")
def test_package_tender(row: Row, solver: str) -> None:
    tender, policy = reverse_case(row)
    if row["cost"] == "none":
        with pytest.raises(po.Infeasible):
            po.award(tender, policy, solver=solver)
    else:
        agrees(po.award(tender, policy, solver=solver), float(row["cost"]), row["award"])


# ---- selling auctions through the duality law -------------------------------------------------------------

FORWARD = offers_of("forward_bids.csv", "auction", "values")


def mirrored(demand: dict[str, int], bids: list[dict[str, Any]], reserve: float, unit: float = 0.01) -> po.Tender:
    """The procurement that mirrors a sale: c(S) = Σ_S r − v(S), and the buyer can do each unit for r itself.

    Its least cost is Σ r − W, W the most that the sale is worth; so W without a bidder shows in `without(bidder)`.
    """
    lots = [{"lot": lot, "demand": units, "in_house": reserve * units} for lot, units in demand.items()]
    return po.Tender(
        lots, [bid | {"price": round(reserve * bid["units"] - bid["amount"], 9)} for bid in bids], money_unit=unit
    )


@solvers
@each_row("forward_awards.csv", "auction")
def test_sale_mirrored(row: Row, solver: str) -> None:
    demand, bids = read_offers(FORWARD[row["auction"]])
    reserve, value = float(row["reserve"]), float(row["value"])
    total = reserve * sum(demand.values())
    tender = mirrored(demand, bids, reserve)
    award = po.award(tender, solver=solver)
    agrees(award, total - value, row["winners"])
    # A VCG payment is what the others lose by a winner: p = W(−i) − (W − v_i), so it fixes W(−i).
    got = (award.bids["units"] * reserve - award.bids["price"]).groupby(award.bids["bidder"]).sum()
    for bidder, paid in pairs(row["VCG"]):
        alone = po.award(tender.without(bidder), po.Policy(tie_break=None), solver=solver)
        assert alone.cost == pytest.approx(total - (value - got[bidder] + float(paid)), abs=0.005)


# ---- divisible bids ---------------------------------------------------------------------------------------


@solvers
@each_row("divisible.csv", "rule")
def test_divisible(row: Row, solver: str) -> None:
    share = float(row["rule"].split()[-2] if row["rule"].endswith("each") else row["rule"].split()[-1])
    rule = po.MaxShare(share, of="demand") if row["rule"].endswith("each") else po.MaxHHI(share, of="demand")
    prices = [float(price) for price in row["prices"].split(";")]
    bids = [
        {"bid": f"s{i}", "bidder": f"s{i}", "lots": "all", "price": price, "min_fraction": 0}
        for i, price in enumerate(prices)
    ]
    # The cost is proven to within a money unit, so a fine one asks for all the digits of the table.
    tender = po.Tender([{"lot": "all"}], bids, money_unit=1e-6)
    award = po.award(tender, po.Policy([rule]), solver=solver)
    # CBC takes a millionth of a bid now and then (a fraction counts from there on): it costs 6e-6 at most here.
    assert award.cost == pytest.approx(float(row["cost"]), abs=5e-8 if solver == "highs" else 1e-5)
    shares = award.bids.set_index("bid")["fraction"].reindex(tender.bids["bid"], fill_value=0.0).to_numpy()
    if row["shares"]:
        # Where the HHI binds, shares move by the root of what the cost may move by.
        assert shares == pytest.approx(
            [float(x) for x in row["shares"].split(";")], abs=1e-4 if "HHI" in row["rule"] else 3e-6
        )
    if solver == "highs":
        assert award.tied == ()
    if "HHI" in row["rule"]:
        assert (shares**2).sum() <= share + 1e-9


REQUIREMENT = 239600.48  # units, GAMS BID


def gams_by_segments(without: str) -> po.Tender:
    """Each price segment a divisible bid with its own setup charge, of which a vendor can win one.

    As in GAMS: going on to a cheaper segment raises the setup charge by what the segments below cost more.
    """
    bids: list[dict[str, Any]] = []
    last: Row = {}
    for row in table("gams_bid.csv"):
        setup = float(row["setup"] or 0)
        if not row["setup"]:
            setup = bids[-1]["fixed"] + float(last["most"]) * (float(last["price"]) - float(row["price"]))
        most = float(row["most"])
        bids.append({
            "bid": f"{row['vendor']} from {row['least']}", "bidder": row["vendor"], "lots": f"units:{most}",
            "price": round(most * float(row["price"]), 2), "fixed": round(setup, 2),
            "min_fraction": float(row["least"]) / most, "xor": "one segment", "most": most,
        })  # fmt: skip
        last = row
    return po.Tender(
        [{"lot": "units", "demand": REQUIREMENT}], [bid for bid in bids if bid["bidder"] != without], money_unit=0.01
    )


def gams_by_discounts(without: str, measure: str = "quantity") -> po.Tender:
    """One divisible bid a vendor at its first price, and the lower prices as incremental percents off."""
    bids: dict[str, dict[str, Any]] = {}
    discounts = []
    for row in table("gams_bid.csv"):
        vendor, price, most = row["vendor"], float(row["price"]), float(row["most"])
        if vendor == without:
            continue
        if vendor not in bids:
            bids[vendor] = {"bid": vendor, "bidder": vendor, "first": price, "least": float(row["least"])}
            bids[vendor]["fixed"] = float(row["setup"])
        else:
            first, threshold = bids[vendor]["first"], float(row["least"])
            discounts.append({
                "bidder": vendor, "threshold": threshold if measure == "quantity" else round(threshold * first, 2),
                "measure": measure, "percent": 100 * (first - price) / first, "kind": "incremental",
            })  # fmt: skip
        bids[vendor] |= {"most": most, "lots": f"units:{most}", "price": round(bids[vendor]["first"] * most, 2)}
        bids[vendor]["min_fraction"] = bids[vendor]["least"] / most
    return po.Tender(
        [{"lot": "units", "demand": REQUIREMENT}], list(bids.values()), discounts=discounts, money_unit=0.01
    )


@solvers
@pytest.mark.parametrize("read", [
    gams_by_segments, gams_by_discounts, lambda without: gams_by_discounts(without, "spend"),
], ids=["segments", "incremental on quantity", "incremental on spend"])  # fmt: skip
@each_row("gams_bid_awards.csv", "without")
def test_gams_bid(row: Row, read: Any, solver: str) -> None:
    award = po.award(read(row["without"]), solver=solver)
    assert award.cost == pytest.approx(float(row["cost"]), abs=0.005)
    bought = (award.bids["fraction"] * award.bids["most"]).groupby(award.bids["bidder"]).sum()
    assert bought[bought > 1].to_dict() == pytest.approx(
        {vendor: float(q) for vendor, q in pairs(row["quantities"])}, abs=0.01
    )


# ---- quality patterns -------------------------------------------------------------------------------------

QUALITY = {"L": 3, "H": 4}


@solvers
def test_quality_patterns(solver: str) -> None:
    """One tender for each pattern of qualities; the buyer is worth 4x, 6x and 5x, and the best pattern is a tie."""
    surplus = {}
    for row in table("quality_patterns.csv"):
        pattern = row["quality of A B C"]
        a, b, c = (QUALITY[letter] for letter in pattern)
        tender = po.Tender([{"lot": lot} for lot in "ABC"], [
            {"bid": "S1", "bidder": "S1", "lots": "A;B;C", "price": 3 * a + 3 * b + 4 * c},
            {"bid": "S2", "bidder": "S2", "lots": "A;B", "price": 4 * a + 2 * b},
            {"bid": "S3", "bidder": "S3", "lots": "C", "price": 3 * c},
        ])  # fmt: skip
        utility = 4 * a + 6 * b + 5 * c
        assert utility == float(row["utility"])
        award = po.award(tender, solver=solver)
        assert award.bids["bid"].tolist() == ["S2", "S3"] and award.tied == ()
        assert award.cost == float(row["price of S2 and S3"])
        for gone in ("S2", "S3"):
            assert po.award(tender.without(gone), solver=solver).cost == float(row["price of S1"])
        surplus[pattern] = utility - award.cost
        assert surplus[pattern] == float(row["surplus"])
    best = max(surplus.values())
    assert best == 24 and {pattern for pattern, value in surplus.items() if value == best} == {"HHH", "LHH"}
    alone = {
        row["quality of A B C"]: float(row["utility"]) - float(row["price of S1"])
        for row in table("quality_patterns.csv")
    }
    assert max(alone.values()) == alone["HHH"] == 20


# ---- transaction costs ------------------------------------------------------------------------------------


def ledger_tender() -> po.Tender:
    *suppliers, incumbents = table("transaction_costs.csv")
    lots = [f"lot {i}" for i in range(1, 6)]
    return po.Tender(
        [{"lot": lot, "incumbent": incumbents[lot]} for lot in lots],
        [
            {"bid": f"{row['supplier']} on {lot}", "bidder": row["supplier"], "lots": lot, "price": float(row[lot])}
            for row in suppliers
            for lot in lots
        ],
        [
            {"bidder": row["supplier"], "relation": float(row["relationship"]), "friction": float(row["adaptation"])}
            for row in suppliers
        ],
        money_unit=0.1,
    )


LEDGER = {
    "contracts": {"per_contract": 0.4}, "relationship": {"per_supplier": "relation"}, "switching": {"per_switch": 1.0},
    "adaptation": {"adaptation": "friction"}, "evaluation": {"per_bid_evaluated": 0.15},
}  # fmt: skip


@solvers
def test_ledger(solver: str) -> None:
    """Price alone picks four new suppliers; counted with what contracts cost, two old ones are cheaper."""
    tender = ledger_tender()
    whole = po.Ledger(**{name: value for part in LEDGER.values() for name, value in part.items()})  # type: ignore[arg-type]
    for row, ledger in zip(table("transaction_costs_awards.csv"), (None, whole), strict=True):
        award = po.award(tender, po.Policy(ledger=ledger), solver=solver)
        chosen = row["suppliers of lots 1 to 5"].split()
        assert award.bids.set_index("lots")["bidder"].loc[[f"lot {i}" for i in range(1, 6)]].tolist() == chosen
        assert award.price == pytest.approx(float(row["price"])) and award.tied in ((), None)
        # The same award under each part of the ledger, and under all of it.
        fixed = po.Require(bids=award.bids["bid"].tolist())
        for name, part in LEDGER.items():
            priced = po.award(tender, po.Policy([fixed], ledger=po.Ledger(**part)), solver=solver)  # type: ignore[arg-type]
            assert priced.ledger == pytest.approx(float(row[name])), name
        priced = po.award(tender, po.Policy([fixed], ledger=whole), solver=solver)
        assert priced.cost == pytest.approx(float(row["total"]), abs=1e-9)
    # The runner-up, with any one of the winning bids excluded, costs 117.985: the award is the only best one.
    others = [
        po.award(tender, po.Policy([po.Exclude(bids=[bid])], ledger=whole), solver=solver).cost
        for bid in award.bids["bid"]
    ]
    assert min(others) == pytest.approx(117.985, abs=1e-9)


# ---- combinatorial auctions of the CATS generator ---------------------------------------------------------

needs_cats = pytest.mark.skipif(not (SHARED / "cats").is_dir(), reason="the CATS files are not here")
SMALL_CATS = (
    "easy0000", "day2007example", "wurman2004example", "fasterccg", "ccgimprovement", "lllg",
    "linearvsquadraticexample", "supersimple", "xorbidder",
)  # fmt: skip
LARGE_CATS = (
    "matching-g64-b1000-0",
    "paths-g64-b1000-0",
    "L4-g64-b1000-0",
    "regions-g64-b1000-0",
    "scheduling-g64-b1000-0",
)


def read_cats(name: str) -> tuple[po.Tender, float]:
    """A CATS file mirrored into a procurement, and Σ r.

    A line is `number price good … #`. Goods from `goods` on are dummies: bids that share one exclude each other and
    come from one bidder. A number above that stands beside a bid's dummy is no dummy but one good more than the head
    of the file says (good 64 of the paths file).
    """
    count, bids = 0, []
    for line in (SHARED / "cats" / f"{name}.txt").read_text().splitlines():
        words = line.split()
        if words[:1] == ["goods"]:
            count = int(words[1])
        elif words and words[0].isdigit():
            bids.append((words[0], words[1], sorted(map(int, words[2:-1]))))
    goods = set(range(count)).union(*(numbers[:-1] for _, _, numbers in bids))
    rows = []
    for bid, value, numbers in bids:
        dummy = [number for number in numbers if number not in goods]
        lots = [str(number) for number in numbers if number in goods]
        bidder, xor = (f"dummy {dummy[0]}", "one") if dummy else (f"bidder {bid}", "")
        row = {"bid": bid, "bidder": bidder, "xor": xor, "lots": ";".join(lots)}
        rows.append(row | {"units": len(lots), "amount": float(value)})
    reserve = float(np.ceil(max(row["amount"] / row["units"] for row in rows)))
    digits = max(len(value.partition(".")[2]) for _, value, _ in bids)
    tender = mirrored({str(good): 1 for good in sorted(goods)}, rows, reserve, unit=10.0**-digits)
    return tender, reserve * len(goods)


@cache
def cats_answers() -> dict[str, Any]:
    answers: dict[str, Any] = json.loads((SHARED / "cats" / "known_answers.json").read_text())
    return answers


@needs_cats
@solvers
@pytest.mark.parametrize("name", SMALL_CATS + LARGE_CATS)
def test_cats(name: str, solver: str) -> None:
    tender, total = read_cats(name)
    award = po.award(tender, po.Policy(tie_break=None), solver=solver)
    assert total - award.cost == pytest.approx(cats_answers()[f"{name}.txt"]["W"], abs=5e-7)
    assert award.status == "optimal" or solver == "CBC"


@needs_cats
@pytest.mark.parametrize("name", SMALL_CATS)
def test_cats_without_each_winner(name: str) -> None:
    """Published VCG totals fix what the awards without each winner cost together."""
    tender, total = read_cats(name)
    award = po.award(tender)
    paid = {}
    for bidder, bids in award.bids.groupby("bidder"):
        alone = po.award(tender.without(bidder), po.Policy(tie_break=None))
        paid[bidder] = (total - alone.cost) - (total - award.cost - bids["amount"].sum())
    known = cats_answers()[f"{name}.txt"]
    assert sum(paid.values()) == pytest.approx(np.sum(known["VCG"]), abs=1e-6)
    if "VCG_by_bid" in known:
        assert paid == pytest.approx({f"bidder {bid}": amount for bid, amount in known["VCG_by_bid"].items()}, abs=1e-6)


# ---- tenders of Tsuchiura City ----------------------------------------------------------------------------

TSUCHIURA = SHARED / "tsuchiura"
needs_tsuchiura = pytest.mark.skipif(not TSUCHIURA.is_dir(), reason="the tenders of Tsuchiura are not here")


@cache
def day(name: str) -> po.Tender:
    return po.read_tender(TSUCHIURA / f"{name}_lots.ocds.json")


def recorded(path: str) -> dict[str, tuple[str, str, float]]:
    """Of each lot: the bid that won, its bidder and its price, as the buyer recorded them; read by hand."""
    lines = (TSUCHIURA / path).read_text(encoding="utf-8")
    releases = [json.loads(line) for line in lines.splitlines()] if path.endswith("l") else [json.loads(lines)]
    return {
        lot: (bid, supplier["id"], award["value"]["amount"])
        for release in releases
        for award in release["awards"]
        for lot, bid, supplier in zip(award["relatedLots"], award["relatedBids"], award["suppliers"], strict=True)
    }


def awarded(award: po.Award) -> dict[str, tuple[str, str, float]]:
    return {bid.lots: (bid.bid, bid.bidder, bid.net) for bid in award.bids.itertuples()}


def fewest_winners(tender: po.Tender, lots: list[str]) -> int:
    """The fewest bidders that together have a bid on each of these lots: a set cover, solved without the library."""
    bids = tender.bids[tender.bids["lots"].isin(lots)]
    has = pd.crosstab(bids["lots"], bids["bidder"]).clip(upper=1)
    found = milp(np.ones(has.shape[1]), integrality=np.ones(has.shape[1]), constraints=LinearConstraint(has, lb=1))
    return round(found.fun)


@needs_tsuchiura
@solvers
@each_row("tsuchiura.csv", "day", "rule")
def test_tsuchiura(row: Row, solver: str) -> None:
    rules = [rule_of(row["rule"])] if row["rule"] else []
    if row["cost"] == "none":
        with pytest.raises(po.Infeasible) as caught:
            po.award(day(row["day"]), po.Policy(rules), solver=solver)
        said, fewest = caught.value, int(row["winners"])
        assert said.remedies == {rules[0]: fewest - rules[0].n}
        assert f"allow {fewest} winners" in str(said)
        # The conflict is the rule and some lots; these alone need too many winners, and without any one of them not.
        lots = [part.lot for part in said.conflict if part is not rules[0]]
        assert len(lots) == len(said.conflict) - 1 >= rules[0].n + 1
        assert fewest_winners(day(row["day"]), lots) == rules[0].n + 1
        for lot in lots:
            assert fewest_winners(day(row["day"]), [other for other in lots if other != lot]) == rules[0].n
    else:
        award = po.award(day(row["day"]), po.Policy(rules), solver=solver)
        assert award.cost == float(row["cost"]) and award.status == ("optimal" if solver == "highs" else award.status)
        assert not row["winners"] or len(award.by_bidder) == int(row["winners"])


@needs_tsuchiura
@pytest.mark.parametrize("name", ["20111222", "20100119"])
def test_tsuchiura_against_the_reference(name: str) -> None:
    """Every figure of the independent answers; its index only where the award is unique."""
    reference = json.loads((TSUCHIURA / "reference.json").read_text())[f"ocds-tsuchiura-{name}"]
    tender = day(name)
    bidders = set(tender.bids["bidder"])
    assert (len(tender.lots), len(tender.bids), len(bidders)) == tuple(
        reference[k] for k in ("lots", "bids", "bidders")
    )
    for n in (None, 1, 2, 3):
        award = po.award(tender, po.Policy([] if n is None else [po.MaxLots(n)]))
        assert award.cost == reference[f"min_cost_maxlots_{n}"]
        if award.tied == ():
            assert round(1e4 * award.hhi, 2) == reference[f"HHI_{n}"]
            assert len(award.by_bidder) == reference[f"winners_{n}"]
    for n in (8, 10, 12):
        cost = reference[f"min_cost_maxwinners_{n}"]
        if cost is None:
            with pytest.raises(po.Infeasible):
                po.award(tender, po.Policy([po.MaxWinners(n)]))
        else:
            assert po.award(tender, po.Policy([po.MaxWinners(n)])).cost == cost
    fewest = reference["min_possible_winners"]
    assert len(po.award(tender, po.Policy([po.MaxWinners(fewest)])).by_bidder) == fewest
    with pytest.raises(po.Infeasible, match=f"allow {fewest} winners"):
        po.award(tender, po.Policy([po.MaxWinners(fewest - 1)]))


@needs_tsuchiura
def test_tsuchiura_2011_12_22_is_the_real_award() -> None:
    award = po.award(day("20111222"))
    assert awarded(award) == recorded("20111222_lots.ocds.json") and award.tied == ()


@needs_tsuchiura
def test_tsuchiura_2010_01_19_is_the_real_award_but_for_a_lot_nobody_got() -> None:
    """No award is on record for lot 647, and lot 652 was drawn by lot in fact ("won by lottery")."""
    award = po.award(day("20100119"))
    real = recorded("20100119_lots.ocds.json")
    assert award.tied == ("652-1", "652-6", "652-7") and real["652"][0] in award.tied
    ours = awarded(award)
    assert sum(price for _, _, price in real.values()) == 191_974_800 == award.cost - ours["647"][2]
    assert {lot: won for lot, won in ours.items() if lot not in ("647", "652")} == {
        lot: won for lot, won in real.items() if lot != "652"
    }


@needs_tsuchiura
def test_every_auction_of_2011_is_won_by_who_won_it() -> None:
    """All 219: the lowest valid bid is alone the lowest, and is the one on record."""
    real = recorded("auctions_2011.ocds.jsonl")
    awards = [po.award(tender) for tender in po.read_tenders(TSUCHIURA / "auctions_2011.ocds.jsonl")]
    assert len(awards) == len(real) == 219
    assert {lot: won for award in awards for lot, won in awarded(award).items()} == real
    assert all(award.status == "optimal" and award.tied == () for award in awards)


@needs_tsuchiura
@solvers
def test_the_auctions_of_2011_as_one_tender(solver: str) -> None:
    """219 lots and 796 bids, read by hand."""
    lines = (TSUCHIURA / "auctions_2011.ocds.jsonl").read_text(encoding="utf-8")
    releases = [json.loads(line) for line in lines.splitlines()]
    year = po.Tender(
        [{"lot": lot["id"]} for release in releases for lot in release["tender"]["lots"]],
        [
            {
                "bid": bid["id"],
                "bidder": bid["tenderers"][0]["id"],
                "lots": bid["relatedLots"],
                "price": bid.get("value", {}).get("amount"),
                "status": bid["status"],
            }
            for release in releases
            for bid in release["bids"]["details"]
        ],
        money_unit=1,
    )
    award = po.award(year, solver=solver)
    assert awarded(award) == recorded("auctions_2011.ocds.jsonl") and award.status == "optimal" and award.tied == ()
