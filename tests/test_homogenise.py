"""What is seen of auctions and taken off their bids: least squares by other means, reference auctions, bad tables."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procure_opt.auction.homogenise import coefficients, design
from procure_opt.cells import BadTable


def cleaning(auctions: int = 60, seed: int = 0) -> pd.DataFrame:
    """Bids for cleaning: ln b = 1 + 0.8 ln area + 0.3 [north] + a(n) + noise."""
    generator = np.random.default_rng(seed)
    rows = []
    for auction in range(auctions):
        n, area = int(generator.integers(2, 5)), float(generator.uniform(50, 500))
        town = ["east", "north", "west"][int(generator.integers(3))]
        for bidder in range(n):
            log = 1 + 0.8 * math.log(area) + 0.3 * (town == "north") + 0.2 / n + generator.normal(0, 0.1)
            rows.append({"auction": f"A{auction}", "bidder": bidder, "bid": math.exp(log), "n": n, "area": area,
                         "town": town, "estimate": 10 * area})  # fmt: skip
    return pd.DataFrame(rows, index=pd.RangeIndex(2, len(rows) + 2, name="row"))


def by_dummies(x: np.ndarray, y: np.ndarray, n: np.ndarray) -> np.ndarray:
    """The same regression with a column for each number of bidders."""
    dummies = (n[:, None] == np.unique(n)).astype(float)
    return np.linalg.lstsq(np.hstack([x, dummies]), y, rcond=None)[0][: x.shape[1]]


def test_coefficients_are_those_of_a_regression_with_dummies() -> None:
    table = cleaning()
    x, y, n = design(table, ["log(area)", "town"]).x, np.log(table["bid"].to_numpy()), table["n"].to_numpy()
    assert coefficients(x, y, n) == pytest.approx(by_dummies(x, y, n), abs=1e-10)


def test_coefficients_and_terms_are_those_of_statsmodels() -> None:
    formulas = pytest.importorskip("statsmodels.formula.api")
    table = cleaning()
    seen = design(table, "np.log(area) * C(town)")
    fitted = formulas.ols("np.log(bid) ~ np.log(area) * C(town) + C(n)", data=table).fit()
    found = coefficients(seen.x, np.log(table["bid"].to_numpy()), table["n"].to_numpy())
    assert len(seen.names) == 5
    assert dict(zip(seen.names, found)) == pytest.approx({name: fitted.params[name] for name in seen.names}, abs=1e-8)


def test_a_formula_says_the_same_as_a_list() -> None:
    pytest.importorskip("patsy")
    table = cleaning()
    listed, formula = design(table, ["log(area)", "town"]), design(table, "np.log(area) + C(town)")
    order = [formula.names.index(name) for name in ("np.log(area)", "C(town)[T.north]", "C(town)[T.west]")]
    assert formula.x[:, order] == pytest.approx(listed.x, abs=1e-12)
    for where in ({"area": 77.0}, {"town": "north"}, {"area": 400, "town": "west"}):
        assert formula.at(where)[0][order] == pytest.approx(listed.at(where)[0], abs=1e-12)


def test_what_has_no_noise_is_found_exactly() -> None:
    n = np.array([2, 2, 3, 3, 3, 4, 4])
    x = np.array([[0.0, 1], [2, 0], [1, 1], [5, 0], [2, 2], [1, 0], [0, 3]])
    y = x @ np.array([0.5, -2.0]) + np.array([0, 0, 10.0, 20, 30])[n]
    assert coefficients(x, y, n) == pytest.approx([0.5, -2.0], abs=1e-12)


def test_the_reference_auction_counts_each_auction_once() -> None:
    table = pd.DataFrame({
        "auction": ["A", "A", "A", "B", "C"], "n": 3, "area": [10.0, 10, 10, 40, 100],
        "town": ["x", "x", "x", "y", "y"], "estimate": [1.0, 1, 1, 8, 27],
    })  # fmt: skip
    seen = design(table, ["area", "town"], "estimate")
    assert seen.reference == pytest.approx({"area": 50.0, "town": "y", "estimate": 6.0})
    assert seen.told() == "area 50, town 'y', estimate 6"
    assert seen.at()[0].tolist() == [0.0, 0.0] and seen.at()[1] == 0.0
    x, log_scale = seen.at({"area": 60, "town": "x", "estimate": 12})
    assert x.tolist() == [10.0, -1.0] and log_scale == pytest.approx(math.log(2))


def test_where_towns_are_as_frequent_the_first_is_the_reference() -> None:
    table = pd.DataFrame({"auction": list("ABCD"), "n": 2, "town": ["y", "x", "y", "x"]})
    assert design(table, ["town"]).reference == {"town": "x"}


@settings(max_examples=15, deadline=None)
@given(factor=st.floats(0.01, 1000), seed=st.integers(0, 100))
def test_neither_the_currency_nor_the_order_of_rows_matters(factor: float, seed: int) -> None:
    table = cleaning(30, seed)
    shuffled = table.sample(frac=1, random_state=seed)
    found = []
    for each, times in ((table, 1.0), (shuffled, factor)):
        seen = design(each, ["log(area)", "town"])
        found.append(coefficients(seen.x, np.log(each["bid"].to_numpy() * times), each["n"].to_numpy()))
    assert found[0] == pytest.approx(found[1], abs=1e-8)


def test_nothing_seen_is_nothing_taken_off() -> None:
    table = cleaning(10)
    seen = design(table)
    assert seen.x.shape == (len(table), 0) and not seen.log_scale.any() and seen.reference == {}
    assert coefficients(seen.x, np.log(table["bid"].to_numpy()), table["n"].to_numpy()).shape == (0,)


@pytest.mark.parametrize(
    "change, covariates, scale, told",
    [
        ({"town": ["", *["x", "y"] * 3]}, ["town"], None, "row 2, column 'town': the cell is blank"),
        ({"area": [1.0, math.nan, 3, 4, 5, 6, 7]}, ["area"], None, "row 3, column 'area': the cell is blank"),
        ({"estimate": [1.0, 2, 0, 4, 5, 6, 7]}, None, "estimate", "row 4, column 'estimate': 0 is not above 0"),
    ],
)
def test_cells_that_say_nothing_are_problems_with_their_row(
    change: dict[str, Any], covariates: Any, scale: Any, told: str
) -> None:
    table = pd.DataFrame({"auction": list("ABCDEFG"), "n": 2} | change, index=pd.RangeIndex(2, 9, name="row"))
    with pytest.raises(BadTable, match="1 problem") as raised:
        design(table, covariates, scale)
    assert told in str(raised.value)


@pytest.mark.parametrize(
    "covariates, scale, column", [(["log(area)"], None, "area"), (None, "area", "area"), (["bidder"], None, "bidder")]
)
def test_what_differs_within_an_auction_is_a_problem(covariates: Any, scale: Any, column: str) -> None:
    table = pd.DataFrame(
        {"auction": list("AABBCC"), "n": 2, "area": [1.0, 1, 2, 3, 4, 5], "bidder": ["P", "P", "P", "Q", "P", "Q"]},
        index=pd.RangeIndex(2, 8, name="row"),
    )
    with pytest.raises(BadTable, match="1 problem") as raised:
        design(table, covariates, scale)
    values = {"area": "2.0 in row 4, 3.0 in row 5", "bidder": "P in row 4, Q in row 5"}[column]
    assert f"row 5, column {column!r}: it differs within the auction 'B' ({values}); so it does in 1 more" in str(
        raised.value
    )


@pytest.mark.parametrize("covariates, scale", [(["area"], None), (["log(area)"], None), (None, "area")])
def test_infinite_numbers_are_a_problem(covariates: Any, scale: Any) -> None:
    table = cleaning()
    table.loc[7, "area"] = math.inf
    with pytest.raises(BadTable, match="row 7, column 'area': the number is infinite"):
        design(table, covariates, scale)


@pytest.mark.parametrize("covariates", [["date"], ["area", "date"], "np.log(area) + date"])
def test_dates_are_no_covariates(covariates: Any) -> None:
    if isinstance(covariates, str):
        pytest.importorskip("patsy")
    with pytest.raises(ValueError, match=r"'date', which holds dates.*such as the year"):
        design(cleaning().assign(date=pd.Timestamp("2024-05-31")), covariates)


@pytest.mark.parametrize(
    "covariates, scale, told",
    [
        (["size"], None, "covariates has 'size', which is no column of the bids; there are auction, "),
        (["log(town)"], None, "'town' holds texts"),
        (None, "town", "scale is 'town', which holds texts"),
        (None, "size", "scale has 'size', which is no column"),
        (["area", "estimate"], None, r"the covariate 'estimate' moves exactly with .* those before it \(area\)"),
        (["n"], None, "the covariate 'n' moves exactly with the number of bidders"),
        (["same"], None, "the covariate 'same' is the same in all auctions"),
        (["log(below)"], None, r"log\(below\) is nan in row 2, and so in .* more rows; a logarithm needs"),
    ],
)
def test_covariates_that_cannot_be(covariates: Any, scale: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        design(cleaning().assign(same=1.0, below=-1.0), covariates, scale)


@pytest.mark.parametrize(
    "where, told",
    [
        ({"size": 3}, "at= names 'size', which is no covariate; covariates are: 'area', 'town'"),
        ({"area": "big"}, "'area' is 'big'; it must be a number"),
        ({"area": math.nan}, "'area' is nan; it must be a number"),
        ({"area": -1}, r"log\(area\) is nan in at="),
        ({"town": "south"}, "town 'south' was never met; there are east, north, west"),
    ],
)
def test_auctions_that_cannot_be(where: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        design(cleaning(), ["log(area)", "town"]).at(where)


@pytest.mark.parametrize(
    "formula, told",
    [
        ("bid ~ area", "write its right-hand side alone"),
        ("area +", "cannot be read"),
        ("np.log(size)", "cannot be read"),
        ("C(town) - 1", "moves exactly with the number of bidders"),
    ],
)
def test_formulas_that_cannot_be(formula: str, told: str) -> None:
    pytest.importorskip("patsy")
    with pytest.raises(ValueError, match=told):
        design(cleaning(), formula)


def test_a_town_never_met_is_told_in_a_formula_too() -> None:
    pytest.importorskip("patsy")
    with pytest.raises(ValueError, match=r"cannot be worked out: .*south"):
        design(cleaning(), "C(town)").at({"town": "south"})


def test_without_patsy_a_formula_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "patsy", None)
    with pytest.raises(ImportError, match=r"pip install procure-opt\[estimate\]"):
        design(cleaning(), "np.log(area)")
    assert design(cleaning(), ["log(area)"]).names == ("log(area)",)
