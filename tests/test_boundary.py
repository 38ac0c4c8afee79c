"""The boundary: known answers, other ways to the same numbers, and what a checklist finds."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, stats

import procure_opt as po
from procure_opt.auction import Market, SecondPrice, equilibrium, estimate_costs
from procure_opt.governance import (
    invitations,
    make_or_buy,
    outsourcing_checklist,
    quality_shading,
    reservation_price,
    search_order,
)
from procure_opt.governance.checklist import TESTS
from procure_opt.governance.lowest_costs import lowest_costs
from test_contracts import called
from test_known import Row, each_row

UNIFORM = stats.uniform(80, 40)
COSTS = [UNIFORM, stats.beta(2, 3, 80, 40), stats.truncnorm(-2, 2, 100, 15), stats.lognorm(0.2, 0, 100)]
some = settings(max_examples=20, deadline=None)


@each_row("boundary.csv", "call", "what")
def test_known_answers(row: Row) -> None:
    assert called(row) == pytest.approx(float(row["value"]), abs=float(row["within"]), rel=0)


# ---- make or buy ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("costs", COSTS, ids=["uniform", "beta", "normal", "lognormal"])
@pytest.mark.parametrize("n", [2, 5, 40])
def test_lowest_costs_are_the_areas_under_their_survivors(costs: Any, n: int) -> None:
    low, high = max(0.0, costs.support()[0]), float(costs.isf(1e-13))
    cuts = [low, *costs.ppf([0.001, 0.01, 0.05, 0.2, 0.5, 0.9]), high]

    def area(survivor: Any) -> float:
        return low + sum(integrate.quad(survivor, a, b, epsabs=1e-11)[0] for a, b in itertools.pairwise(cuts))

    first, second = lowest_costs(costs, n)
    assert first == pytest.approx(area(lambda c: costs.sf(c) ** n), abs=1e-6)
    expected = area(lambda c: costs.sf(c) ** n + n * costs.cdf(c) * costs.sf(c) ** (n - 1))
    assert second == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("shape, n", [(1.1, 2), (1.5, 2), (0.5, 4), (3.0, 1), (3.0, 5)])
def test_lowest_costs_of_heavy_tails_are_those_of_the_formula(shape: float, n: int) -> None:
    """Pareto: the lowest of k costs has the mean ka / (ka − 1), and E C_(2:n) = n E C_(1:n−1) − (n − 1) E C_(1:n)."""

    def least(k: int) -> float:
        return k * shape / (k * shape - 1)

    first, second = lowest_costs(stats.pareto(shape), n)
    assert first == pytest.approx(least(n), rel=1e-9)
    assert second == (math.inf if n == 1 else pytest.approx(n * least(n - 1) - (n - 1) * least(n), rel=1e-6))


@pytest.mark.parametrize("shape, n", [(0.9, 2), (1.0, 2), (0.5, 3), (0.2, 6)])
def test_where_nothing_can_be_expected_nothing_is(shape: float, n: int) -> None:
    """The tail of the second-lowest falls like x^(−a (n − 1)): its mean is infinite from a (n − 1) ≤ 1 on."""
    assert lowest_costs(stats.pareto(shape), n)[1] == math.inf
    assert lowest_costs(stats.pareto(shape), n, 50.0)[1] < 50
    with pytest.raises(ValueError, match=f"with bidders={n} and no reserve= no price can be expected"):
        make_or_buy(10, stats.pareto(shape), n)
    assert make_or_buy(10, stats.pareto(shape), n, reserve=8, most=n + 9).table["buy"].max() < 12


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("reserve", [95.0, 110.0])
def test_with_a_reserve_buying_costs_what_the_auction_spends(n: int, reserve: float) -> None:
    """The outlay of the second-price equilibrium with the same reserve and in-house cost."""
    found = make_or_buy(125, UNIFORM, n, reserve=reserve)
    auction = equilibrium(SecondPrice(reserve), Market((UNIFORM, n), in_house=125))
    assert found.buy == pytest.approx(auction.expected_outlay, abs=1e-8)
    assert found.parts.sum() == pytest.approx(found.buy)


@some
@given(
    st.floats(80, 130), st.integers(2, 12), st.floats(0, 0.2), st.floats(0, 5), st.floats(0, 1), st.floats(0, 5),
    st.floats(-3, 8), st.sampled_from([None, 100.0]),
)  # fmt: skip
def test_at_break_even_both_cost_the_same(
    in_house: float, n: int, adaptation: float, transaction: float, per_bid: float, monitoring: float, lost: float,
    reserve: float | None,
) -> None:  # fmt: skip
    costs = {
        "adaptation": adaptation, "transaction": transaction, "per_bid": per_bid, "monitoring": monitoring,
        "quality_loss": lost,
    }  # fmt: skip
    found = make_or_buy(in_house, UNIFORM, n, reserve=reserve, most=12, **costs)
    assert found.parts.sum() == pytest.approx(found.buy) and found.saving == pytest.approx(in_house - found.buy)
    assert found.decision == ("buy" if found.buy < in_house else "make")
    for name, even in found.break_even.items():
        if even >= 0 or name == "quality_loss":
            other = make_or_buy(in_house, UNIFORM, n, reserve=reserve, most=12, **(costs | {name: even}))
            assert other.saving == pytest.approx(0, abs=1e-7)
    cheaper = [
        k for k in range(1, 13) if make_or_buy(in_house, UNIFORM, k, reserve=reserve, most=k, **costs).saving > 0
    ]
    assert found.fewest_bidders == (cheaper[0] if cheaper else None)


def test_costs_may_come_from_past_bids() -> None:
    estimate = estimate_costs(_past())
    found = make_or_buy(110, estimate, 5)
    assert found.buy == pytest.approx(280 / 3, abs=2.5)
    assert found.buy == make_or_buy(110, estimate.distribution, 5).buy


def _past() -> pd.DataFrame:
    """Bids of first-price auctions with four suppliers: b(c) = c + (120 − c) / 4."""
    cost = np.random.default_rng(3).uniform(80, 120, (150, 4))
    bids = (cost + (120 - cost) / 4).round(2)
    return pd.DataFrame({
        "auction": np.repeat(np.arange(150), 4), "bidder": np.tile(list("ABCD"), 150), "bid": bids.ravel(),
    })  # fmt: skip


@pytest.mark.parametrize(
    "told, call",
    [
        ("adaptation is -0.1", lambda: make_or_buy(110, UNIFORM, 5, adaptation=-0.1)),
        ("in_house is nan", lambda: make_or_buy(math.nan, UNIFORM, 5)),
        ("bidders is 2.5", lambda: make_or_buy(110, UNIFORM, 2.5)),  # type: ignore[arg-type]
        ("bidders is 0", lambda: make_or_buy(110, UNIFORM, 0)),
        ("bidders is nan", lambda: make_or_buy(110, UNIFORM, math.nan)),  # type: ignore[arg-type]
        ("in_house is '110'; it must be a number of at least 0", lambda: make_or_buy("110", UNIFORM, 5)),  # type: ignore[arg-type]
        ("reserve is nan", lambda: make_or_buy(110, UNIFORM, 5, reserve=math.nan)),
        ("quality_loss is inf; it must be a number", lambda: make_or_buy(110, UNIFORM, 5, quality_loss=math.inf)),
        ("reserve is nan", lambda: invitations(UNIFORM, 1, reserve=math.nan)),
        ("no price can be expected of up to 2 bidders", lambda: invitations(stats.pareto(0.5), 0.1, most=2)),
        ("outside is nan", lambda: search_order({"A": (UNIFORM, 1)}, math.nan)),
        ("has no cdf", lambda: make_or_buy(110, 93.0, 5)),
        ("no reserve= .* give the reserve", lambda: make_or_buy(110, stats.lognorm(0.2, 0, 100), 1)),
        ("harm is 2 and saving 1", lambda: quality_shading(1, 2, 0.8, 0.6)),
        ("weakness is 1.5", lambda: quality_shading(1, 0.2, 0.8, 1.5)),
        ("per_bid is 0", lambda: invitations(UNIFORM, 0)),
        ("more than 3 should be asked", lambda: invitations(UNIFORM, 0.1, most=3)),
        ("award is 'lottery'", lambda: invitations(UNIFORM, 0.1, "lottery")),  # type: ignore[arg-type]
        ("per_quote is -1", lambda: reservation_price(UNIFORM, -1)),
        ("no options", lambda: search_order({})),
    ],
)
def test_what_is_wrong_is_named(told: str, call: Any) -> None:
    with pytest.raises(ValueError, match=told):
        call()


# ---- quality that no contract can describe ----------------------------------------------------------------


@some
@given(st.floats(0.2, 2), st.floats(0, 1), st.floats(0, 2), st.floats(0, 1))
def test_surpluses_follow_from_what_each_finds_best(a: float, part: float, g: float, weakness: float) -> None:
    """Efforts found by maximising what each keeps, not by its formula."""
    b = part * a
    found = quality_shading(a, b, g, weakness)
    keeps = {
        "contractor": (a, g / 2),
        "employee": (weakness / 2 * (a - b), weakness / 2 * g),
        "first_best": (a - b, g),
    }
    for who, gains in keeps.items():
        # Of effort x² one keeps 2 · gain · x.
        cut, new = (
            optimize.minimize_scalar(lambda x, k=k: x**2 - 2 * k * x, bounds=(0, 5), options={"xatol": 1e-10}).x
            for k in gains
        )
        surplus = 2 * (a - b) * cut - cut**2 + 2 * g * new - new**2
        assert getattr(found, who) == pytest.approx(surplus, abs=1e-7)
        assert found.efforts[who] == pytest.approx((cut**2, new**2), abs=1e-6)
    assert found.first_best >= max(found.contractor, found.employee) - 1e-12
    if math.isfinite(found.break_even):
        assert 0 <= found.break_even <= a
        even = quality_shading(a, found.break_even, g, weakness)
        assert even.contractor == pytest.approx(even.employee, abs=1e-9)
    if abs(found.contractor - found.employee) > 1e-9:
        assert (b < found.break_even) == (found.decision == "buy")


# ---- how many to ask --------------------------------------------------------------------------------------


@pytest.mark.parametrize("award, order", [("tender", 1), ("quotes", 0)])
def test_the_number_asked_is_the_best_of_all(award: Any, order: int) -> None:
    found = invitations(stats.lognorm(0.2, 0, math.exp(4.6)), 1.5, award, most=50)
    drawn = np.random.default_rng(4).lognormal(4.6, 0.2, (100_000, 12))
    for n in range(2, 13):
        prices = np.sort(drawn[:, :n], axis=1)[:, order]
        error = 4.5 * prices.std() / math.sqrt(len(prices))
        assert found.table.at[n, "price"] == pytest.approx(prices.mean(), abs=error)
    assert found.cost == found.table["cost"].min() == found.table.at[found.bidders, "cost"]


@some
@given(st.floats(0.1, 60), st.sampled_from(COSTS))
def test_at_the_reservation_price_one_more_quote_saves_what_it_costs(price: float, quotes: Any) -> None:
    z = reservation_price(quotes, price)
    low, high = max(0.0, quotes.support()[0]), min(z, float(quotes.isf(1e-14)))
    mid = float(quotes.ppf(0.5))
    cuts = [low, *(x for x in (mid * 0.8, mid) if low < x < high), high]
    saved = sum(
        integrate.quad(lambda x: (z - x) * quotes.pdf(x), a, b, epsabs=1e-10)[0] for a, b in itertools.pairwise(cuts)
    )
    assert saved == pytest.approx(price, abs=1e-6)


def played(options: dict[str, tuple[Any, float]], outside: float, order: Any, draws: int) -> np.ndarray:
    """What is spent when suppliers are asked in this order and the search stops below the next index."""
    generator = np.random.default_rng(6)
    quotes = {name: quote.rvs(draws, random_state=generator) for name, (quote, _) in options.items()}
    best, spent, going = np.full(draws, outside), np.zeros(draws), np.ones(draws, dtype=bool)
    for name, index in order.items():
        going &= best > index
        spent[going] += options[name][1]
        best[going] = np.minimum(best[going], quotes[name][going])
    return best + spent


@pytest.mark.parametrize("outside", [math.inf, 6.6, 5.0])
def test_searching_in_that_order_costs_that_much(outside: float) -> None:
    options = {"A": (stats.uniform(5, 4), 0.3), "B": (stats.uniform(6, 2), 0.05), "C": (stats.uniform(4, 8), 0.6)}
    found = search_order(options, outside)
    spent = played(options, outside, found.indices, 200_000)
    assert found.cost == pytest.approx(spent.mean(), abs=4.5 * spent.std() / math.sqrt(len(spent)) + 1e-12)
    if math.isinf(outside):
        other = found.indices.sort_values(ascending=False)
        assert played(options, outside, other, 200_000).mean() > spent.mean() + 0.01


# ---- what may be outsourced at all ------------------------------------------------------------------------

LOTS = [
    {"lot": "park", "kind": "service", "stage": "front", "estimate": 600, "unit": "m²", "quantity": 42000,
     "indicator": "inspections passed", "price_base": "month"},
    {"lot": "archive", "kind": "service", "stage": "back", "estimate": 400, "unit": "file", "quantity": 900,
     "indicator": "files found in a day", "price_base": "file"},
]  # fmt: skip
DUTIES = [
    {"duty": "clean parks", "owner": "parks office", "lot": "park"},
    {"duty": "keep records", "owner": "registry", "lot": "archive"},
    {"duty": "grant permits", "owner": "registry", "lot": ""},
]
REGIME = [
    {
        "rule": "works",
        "column": "kind",
        "test": "is",
        "value": "works; goods",
        "says": "not a service",
        "source": "§ 1",
    },
    {"rule": "large", "column": "estimate", "test": "above", "value": "1000", "says": "", "source": "§ 2"},
    {"rule": "front", "column": "stage", "test": "is", "value": "front", "share": 0.7, "says": "", "source": "§ 3"},
]


def sentences(lots: Any = LOTS, duties: Any = DUTIES, regime: Any = REGIME, **more: Any) -> dict[str, tuple[str, ...]]:
    return outsourcing_checklist(lots, duties, regime, **more).by_lot


def test_a_complete_tender_has_nothing_missing() -> None:
    found = outsourcing_checklist(LOTS, DUTIES, REGIME, bodies=("parks office", "registry"))
    assert found.complete and str(found) == "nothing is missing" and found.front_share == 0.6


def test_a_tender_can_be_asked_for_its_lots() -> None:
    tender = po.Tender(LOTS, [{"bid": "1", "bidder": "x", "lots": "park", "price": 1}])
    assert outsourcing_checklist(tender, DUTIES, REGIME).complete


@pytest.mark.parametrize(
    "changed, lot, told",
    [
        ({"kind": "works"}, "park", "not be put out, since its kind is works .kind is works; goods.: not a service"),
        ({"estimate": 1200}, "park", "may not be put out, since its estimate is 1200 .estimate above 1000.$"),
        ({"estimate": 980}, "", "lots where stage is front are 71% of the estimates, and may be 70%"),
        ({"stage": ""}, "park", "lot park is not marked; it must be front .* or back"),
        ({"stage": "side"}, "park", "lot park is marked 'side'; it must be front"),
        ({"unit": None}, "park", "lot park does not say in what its quantity is counted"),
        ({"quantity": None}, "park", "lot park does not say how much of it there is to do"),
        ({"quantity": 0}, "park", "lot park does not say how much of it there is to do"),
        ({"indicator": " "}, "park", "lot park does not say by what its fulfilment is measured"),
        ({"price_base": ""}, "park", "lot park does not say for what a price is asked"),
    ],
)
def test_what_is_missing_is_said_by_lot(changed: dict[str, Any], lot: str, told: str) -> None:
    found = outsourcing_checklist([LOTS[0] | changed, LOTS[1]], DUTIES, REGIME)
    assert not found.complete
    hits = found.findings[found.findings["lot"] == lot]
    assert hits["sentence"].str.contains(told, regex=True).any()
    barred = hits[hits["about"] == "regime"]
    assert barred["source"].str.startswith("§").all()


@pytest.mark.parametrize("test, value", [("is", "works"), ("is not", "service"), ("above", "1")])
def test_a_blank_cell_cannot_be_held_against_a_rule(test: str, value: str) -> None:
    column = "estimate" if test == "above" else "kind"
    found = sentences([LOTS[0], LOTS[1] | {column: None}], regime=[REGIME[0] | {"column": column, "test": test,
                      "value": value}])["archive"]  # fmt: skip
    assert found == (f"lot archive does not say its {column}, so that the rule works cannot be checked",)


@pytest.mark.parametrize(
    "cell, value, barred",
    [("Works ", "works", True), ("goods", "Works; GOODS", True), (2, "2", True), (2, "2.0; 3", True), (2, "20", False),
     (True, "true", True), ("007", "7", False)],
)  # fmt: skip
def test_words_and_numbers_are_compared_as_people_write_them(cell: Any, value: str, barred: bool) -> None:
    """The other lot's cell is a number too, or the column would be read as text."""
    other = {"kind": 9} if cell == 2 else {}
    found = sentences([LOTS[0] | {"kind": cell}, LOTS[1] | other], regime=[REGIME[0] | {"value": value}])
    assert ("park" in found) == barred and "archive" not in found


def test_bodies_are_several() -> None:
    with pytest.raises(TypeError, match="bodies is one text, 'registry'"):
        outsourcing_checklist(LOTS, DUTIES, REGIME, bodies="registry")


def test_every_duty_has_one_owner() -> None:
    assert sentences(duties=[*DUTIES, DUTIES[0] | {"owner": "company"}]) == {
        "park": ("the duty clean parks has 2 owners, parks office and company; name one",)
    }
    assert sentences(duties=[DUTIES[0] | {"owner": ""}, *DUTIES[1:]]) == {
        "park": ("the duty clean parks has no accountable owner",)
    }
    assert sentences(duties=DUTIES[1:]) == {
        "park": ("lot park belongs to no duty, so that nobody is accountable for it",)
    }
    (told,) = sentences(bodies=("registry",))["park"]
    assert told.startswith("the duty clean parks is owned by parks office, who may not be accountable")


def test_without_rules_none_is_checked_and_that_is_said() -> None:
    assert sentences(regime=None) == {"": ("no rules were given, so none was checked",)}


def test_without_anything_everything_is_missing() -> None:
    found = outsourcing_checklist([{"lot": "x"}])
    assert found.findings["about"].tolist() == [
        "regime",
        "stage",
        "owner",
        "unit",
        "quantity",
        "indicator",
        "price_base",
    ]
    assert math.isnan(found.front_share)


@pytest.mark.parametrize(
    "told, arguments",
    [
        ("lots, row 3, column 'lot': lot 'park' stands there twice", {"lots": [LOTS[0], LOTS[0]]}),
        ("duties, row 2, column 'lot': there is no lot 'pool'", {"duties": [DUTIES[0] | {"lot": "pool"}]}),
        ("the lots have no column 'colour'", {"regime": [REGIME[0] | {"column": "colour"}]}),
        ("'like' is no test; there are is, is not, above, below", {"regime": [REGIME[0] | {"test": "like"}]}),
        ("'much' is not a number, which 'above' needs", {"regime": [REGIME[1] | {"value": "much"}]}),
        ("column 'kind' holds no numbers, which 'above' needs", {"regime": [REGIME[1] | {"column": "kind"}]}),
        ("2 is not a share", {"regime": [REGIME[2] | {"share": 2}]}),
        ("a rule on shares needs it, and park has none", {"lots": [LOTS[0] | {"estimate": None}, LOTS[1]]}),
        ("'nan' is not a number, which 'above' needs", {"regime": [REGIME[1] | {"value": "nan"}]}),
        ("there are no lots", {"lots": [], "duties": None, "regime": None}),
        ("a rule on shares needs it, and all are 0", {"lots": [lot | {"estimate": 0} for lot in LOTS]}),
        ("-5 is out of range: it must be at least 0", {"lots": [LOTS[0] | {"estimate": -5}, LOTS[1]]}),
        ("the source is blank", {"regime": [REGIME[0] | {"source": ""}]}),
    ],
)
def test_tables_that_do_not_fit_are_named(told: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(po.BadTable, match=told):
        outsourcing_checklist(**({"lots": LOTS, "duties": DUTIES, "regime": REGIME} | arguments))


@pytest.mark.parametrize("test, value, hit", [("is", "a; b", [1, 1, 0]), ("is not", "a;b", [0, 0, 1])])
def test_rules_on_words(test: str, value: str, hit: list[int]) -> None:
    assert TESTS[test](pd.Series(["a", "b", "c"]), value).astype(int).tolist() == hit


@pytest.mark.parametrize("test, hit", [("above", [0, 0, 1, 0]), ("below", [1, 0, 0, 0])])
def test_rules_on_numbers(test: str, hit: list[int]) -> None:
    assert TESTS[test](pd.Series([1.0, 2.0, 3.0, math.nan]), "2").astype(int).tolist() == hit
