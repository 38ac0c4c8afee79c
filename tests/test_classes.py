"""Costs from bids of unlike bidders, of bidders who do not like risk, and of bidders ranked by a score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from procure_opt.auction import FirstPrice, Market, equilibrium
from procure_opt.auction.classes import invert_classes, risk_aversion, scores_to_types
from procure_opt.auction.distributions import Lowest
from procure_opt.auction.kernels import boundary

Floats = NDArray[np.float64]
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
UNIFORM = stats.uniform(0, 1)


def drawn(market: Market, auctions: int, seed: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Bids, costs, classes and auctions of tenders, one entry a bid."""
    acting = market.acting()
    found, cost = equilibrium(FirstPrice(), market), acting.draw(auctions, np.random.default_rng(seed))
    kind, auction = np.tile(acting.cls, auctions), np.repeat(np.arange(auctions), acting.bidders)
    return found.bids(cost).ravel(), cost.ravel(), kind, auction


def off(found: Floats, cost: Floats) -> float:
    return float(np.sqrt(np.mean((found - cost) ** 2)))


# --- Classes ----------------------------------------------------------------------------------------------------------


def test_bidders_of_one_class_have_the_costs_of_bidders_alike() -> None:
    bid, _, _, auction = drawn(Market((stats.beta(2, 3), 4)), 100, 1)
    assert invert_classes(bid, ["firm"] * len(bid), auction) == pytest.approx(boundary(bid, 4), abs=1e-12)


def test_numbers_of_bidders_are_inverted_apart() -> None:
    two, _, _, first = drawn(Market((UNIFORM, 2)), 60, 2)
    five, _, _, second = drawn(Market((UNIFORM, 5)), 60, 3)
    found = invert_classes(np.r_[two, five], np.zeros(len(two) + len(five)), np.r_[first, second + 1000])
    assert found == pytest.approx(np.r_[boundary(two, 2), boundary(five, 5)], abs=1e-12)


@pytest.mark.parametrize(
    "market, most",
    [
        (Market([(Lowest(UNIFORM, 3), 1), (UNIFORM, 1)]), 0.02),
        (Market([(stats.uniform(0, 1), 1), (stats.uniform(0, 0.9), 1)]), 0.015),
        (Market([(stats.beta(2, 3), 2), (stats.beta(3, 2), 2)]), 0.015),
        (Market((UNIFORM, 5), rings={0: 3}), 0.012),
    ],
    ids=["strong and weak", "two uniforms", "two and two", "ring of three"],
)
def test_costs_of_unlike_bidders_are_recovered(market: Market, most: float) -> None:
    """Root mean squared errors over all bids, with costs from 0 to 1. Taking all for alike is off by half as much more
    at least."""
    bid, cost, kind, auction = drawn(market, 1500, 4)
    found = invert_classes(bid, kind, auction)
    assert np.isnan(found).sum() <= 1
    good = np.isfinite(found)
    assert off(found[good], cost[good]) < most
    assert off(boundary(bid, market.acting().bidders), cost) > 1.5 * off(found[good], cost[good])


def test_the_formula_point_by_point() -> None:
    """c = b − 1 / Σ h / (1 − H), with the true hazards of the closed form of Cheng (2006), Journal of Mathematical
    Economics 42: S_i(c) = ((1 − c) / w_i)^α_i, α = (1, 2), w = (0.75, 1); bids (c − 1) / (m_i + 1) above the cost,
    m = (2, 1)."""
    classes = [(stats.beta(1, 1, loc=0.25, scale=0.75), 1), (stats.beta(1, 2), 1)]
    bid, cost, kind, auction = drawn(Market(classes), 4000, 5)
    assert bid == pytest.approx(cost + (1 - cost) / np.where(kind == 0, 3, 2), abs=1e-6)
    assert off(invert_classes(bid, kind, auction), cost) < 0.012


def test_what_covers_a_ring_s_bid_says_nothing() -> None:
    """A ring that bids as one with the lowest of its costs, its other bids being made up above."""
    bid, cost, kind, auction = drawn(Market((UNIFORM, 5), rings={0: 3}), 1500, 6)
    ring = kind == kind.max()
    generator = np.random.default_rng(0)
    cover = np.repeat(bid[ring], 2) * generator.uniform(1.01, 1.2, 2 * ring.sum())
    all_bids = np.r_[bid, cover]
    members = np.r_[np.where(ring, "R", ""), np.full(len(cover), "R")]
    where = np.r_[auction, np.repeat(auction[ring], 2)]
    found = invert_classes(all_bids, np.zeros(len(all_bids)), where, ring=members)
    assert np.isnan(found[len(bid) :]).all()
    assert found[: len(bid)] == pytest.approx(invert_classes(bid, kind, auction), abs=1e-12)
    assert off(found[: len(bid)], cost) < 0.012
    alike = invert_classes(all_bids, np.zeros(len(all_bids)), where)[: len(bid)]
    assert off(alike, cost) > 3 * off(found[: len(bid)], cost)


def test_rare_compositions_borrow_from_the_nearest() -> None:
    """Three auctions of two firms and a charity, among many of one firm and two charities: as many bidders."""
    bid, _, _, auction = drawn(Market((UNIFORM, 3)), 103, 7)
    other, _, _, apart = drawn(Market((UNIFORM, 8)), 50, 8)
    kind = np.tile([0, 1, 1], 103)
    kind[-9:] = np.tile([0, 0, 1], 3)
    there = np.r_[np.zeros(len(other)), kind], np.r_[apart + 1000, auction]
    found = invert_classes(np.r_[other, bid], *there)
    firms, charities = bid[kind == 0], bid[kind == 1]

    def hazard(sample: Floats, at: Floats) -> Floats:
        order = np.sort(sample)
        return 1 / np.interp(at, order, order - boundary(order, 2))

    at = bid[-9:]
    two, one = 2 - (kind[-9:] == 0), 1 - (kind[-9:] == 1)
    expected = at - 1 / (two * hazard(firms, at) + one * hazard(charities, at))
    assert found[-9:] == pytest.approx(expected, abs=1e-9)


def test_a_bid_without_a_rival_says_nothing() -> None:
    bid, _, kind, auction = drawn(Market((UNIFORM, 2)), 50, 9)
    found = invert_classes(np.r_[bid, 0.9], np.r_[kind, 0], np.r_[auction, 999])
    assert np.isnan(found[-1])
    assert np.isfinite(found[:-1]).all()


@settings(max_examples=15, deadline=None)
@given(st.floats(0.1, 1e4), st.floats(-1e3, 1e3), st.randoms(use_true_random=False))
def test_units_and_order_do_not_matter(factor: float, shift: float, random) -> None:  # type: ignore[no-untyped-def]
    bid, _, kind, auction = drawn(Market([(Lowest(UNIFORM, 2), 1), (UNIFORM, 2)]), 40, 10)
    found = invert_classes(bid, kind, auction)
    order = np.array(random.sample(range(len(bid)), len(bid)))
    again = invert_classes(
        shift + factor * bid[order], np.array(["big", "small", "small"])[kind][order], auction[order]
    )
    assert again == pytest.approx(shift + factor * found[order], rel=1e-7, abs=1e-6 * factor, nan_ok=True)


@pytest.mark.parametrize(
    "change, said",
    [
        ({"cls": [0, 1]}, "must be as long"),
        ({"bids": [1.0, np.nan, 2.0]}, "bid 1 is not a number"),
        ({"ring": ["A"]}, "ring has 1 entries"),
        ({}, "bid 0 is one of 1 that its class has made in all"),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, object], said: str) -> None:
    arguments = {"bids": [1.0, 2.0, 3.0], "cls": [0, 1, 1], "auction": [0, 0, 0]} | change
    with pytest.raises(ValueError, match=said):
        invert_classes(**arguments)  # type: ignore[arg-type]


# --- Scores -----------------------------------------------------------------------------------------------------------


def test_types_of_che_s_auction() -> None:
    """Cost θ q² / 2, score q − p, θ uniform on [1, 2], three bidders: q = 1 / θ, k = 1 / 2θ (Che 1993, RAND Journal of
    Economics 24); the price is theirs by quadrature of C_θ (S(t) / S(θ))²."""
    generator = np.random.default_rng(11)
    theta = generator.uniform(1, 2, (1000, 3))
    nodes, weights = np.polynomial.legendre.leggauss(40)
    t = theta[..., None] + (2 - theta[..., None]) * (nodes + 1) / 2
    rent = ((2 - theta) / 2)[..., None] * weights * ((2 - t) / (2 - theta[..., None])) ** 2 / (2 * t**2)
    price = 1 / (2 * theta) + rent.sum(axis=-1)
    assert np.interp(1.2, *np.array(sorted(zip(theta.ravel(), price.ravel()))).T) == pytest.approx(
        0.487003259, abs=1e-3
    )
    score, auction = (1 / theta - price).ravel(), np.repeat(np.arange(1000), 3)
    found = scores_to_types(score, auction)
    assert off(found, 1 / (2 * theta.ravel())) < 0.004
    # what the winner gains is k − S, and its cost is the price less that
    assert off(price.ravel() - (found - score), 1 / (2 * theta.ravel())) < 0.004


def test_types_where_price_and_days_are_added() -> None:
    """A + B: cost θ + (10 − d)² / 4 where days are worth 2: d = 6, and k = θ + 16, θ uniform on [0, 1], two bidders."""
    generator = np.random.default_rng(12)
    theta = generator.random((1000, 2))
    price = theta + 4 + (1 - theta) / 2
    found = scores_to_types((price + 2 * 6).ravel(), np.repeat(np.arange(1000), 2), wins="lowest")
    assert off(found, theta.ravel() + 16) < 0.015


def test_highest_is_lowest_upside_down() -> None:
    bid, _, _, auction = drawn(Market((UNIFORM, 3)), 50, 13)
    assert scores_to_types(-bid, auction) == pytest.approx(-scores_to_types(bid, auction, wins="lowest"), abs=1e-12)


def test_a_score_wins_if_it_is_highest_or_lowest() -> None:
    with pytest.raises(ValueError, match='must be "highest" or "lowest"'):
        scores_to_types([1.0, 2.0], [0, 0], wins="best")  # type: ignore[arg-type]


# --- Risk -------------------------------------------------------------------------------------------------------------


def risky(eta: float, sizes: tuple[int, ...], auctions: int, seed: int, distribution: object = UNIFORM) -> pd.DataFrame:
    tables = []
    for size in sizes:
        market = Market((distribution, size), risk_aversion=eta)
        bid, _, _, auction = drawn(market, auctions, seed + size)
        tables.append(pd.DataFrame({"auction": auction + 10_000 * size, "bid": bid}))
    table = pd.concat(tables, ignore_index=True)
    return table.assign(bidder=table.groupby("auction").cumcount())


@pytest.mark.parametrize("eta, distribution", [(0.0, UNIFORM), (0.4, UNIFORM), (0.6, stats.beta(2, 3))])
def test_the_dislike_of_risk_is_recovered(eta: float, distribution: object) -> None:
    found = risk_aversion(risky(eta, (2, 3, 6), 600, 20, distribution), replications=100)
    assert abs(found.value - eta) < 3 * found.se
    assert 0.005 < found.se < 0.15


def test_exact_quantiles_give_the_exact_answer() -> None:
    """Costs uniform: bids c + (1 − c) θ / (n − 1 + θ) (Holt 1980), here at the quantiles themselves."""
    rows = []
    for size, auctions in ((2, 900), (4, 450)):
        count = size * auctions
        cost = (np.random.default_rng(size).permutation(count) + 0.5) / count
        bid = cost + (1 - cost) * 0.7 / (size - 1 + 0.7)
        rows.append(pd.DataFrame({"auction": np.arange(count) // size + 10_000 * size, "bid": bid}))
    table = pd.concat(rows, ignore_index=True)
    found = risk_aversion(table.assign(bidder=table.groupby("auction").cumcount()), replications=50)
    assert found.value == pytest.approx(0.3, abs=1e-3)
    assert any("p-value of 1.000" in note for note in found.notes)


def test_costs_that_change_with_the_number_of_bidders_are_noticed() -> None:
    table = risky(0.0, (2, 3, 6), 400, 21)
    few = table.groupby("auction")["bid"].transform("size") == 6
    found = risk_aversion(table.assign(bid=table["bid"] ** np.where(few, 0.6, 1.0)), replications=100)
    assert any("p-value of 0.000" in note for note in found.notes)


def test_one_number_of_bidders_is_refused() -> None:
    with pytest.raises(ValueError, match=r"two numbers .* 100 with 3 bidders"):
        risk_aversion(risky(0.0, (3,), 100, 22))


def test_small_groups_are_named() -> None:
    table = risky(0.0, (2, 3), 50, 23)
    extra = pd.DataFrame({"auction": [-1] * 5, "bidder": range(5), "bid": [0.5, 0.6, 0.7, 0.8, 0.9]})
    found = risk_aversion(pd.concat([table, extra]), replications=50)
    assert "1 auctions with 5 bidders are left out: they are too few" in found.notes


def test_auctions_of_which_some_bids_are_missing_are_left_out() -> None:
    table = risky(0.3, (2, 3), 60, 24).assign(bidders=lambda t: t.groupby("auction")["bid"].transform("size"))
    found = risk_aversion(table, replications=50)
    half = table["auction"] % 2 == 0
    there = risk_aversion(table[~half | (table["bidder"] == 0)], replications=50)
    assert "60 bids of auctions of which not all bids are known are left out" in there.notes
    assert there.value == pytest.approx(risk_aversion(table[~half], replications=50).value)
    assert there.value != found.value


# --- Past tenders -----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not SHARED.exists(), reason="the shared files are not here")
def test_the_tenders_of_tsuchiura_run_through() -> None:
    """Bids as shares of the reserve, of those who are taken for members of a cartel, and of the rest."""
    bids = pd.read_csv(SHARED / "tsuchiura" / "bids_2007_2011.csv").dropna(subset=["bid", "reserveprice"])
    share = (bids["bid"] / bids["reserveprice"]).to_numpy()
    found = invert_classes(share, bids["is_cartel"], bids["pid"])
    alone = bids.groupby("pid")["bid"].transform("size").to_numpy() == 1
    assert (np.isnan(found) == alone).mean() > 0.999  # at most a few bids below all of their rivals'
    assert np.nanmax(found - share) <= 0
    assert 0.9 < np.nanmedian(found) < 1


@pytest.mark.skipif(not SHARED.exists(), reason="the shared files are not here")
def test_raw_timber_bids_are_no_evidence_of_risk_aversion() -> None:
    """Lu and Perrigne (2008), sales upside down, before what the tracts are worth is taken out; the note says so."""
    tables = []
    for size in (2, 3):
        bids = 1000 - pd.read_csv(SHARED / "timber" / f"n{size}.csv").to_numpy()
        auction = np.repeat(np.arange(len(bids)), size) + 1000 * size
        tables.append(
            pd.DataFrame({"auction": auction, "bidder": np.tile(range(size), len(bids)), "bid": bids.ravel()})
        )
    found = risk_aversion(pd.concat(tables), replications=100)
    assert found.value > 1
    assert "as no such utility would have it" in found.notes[-1]


def test_equal_bids_tell_nothing_of_the_dislike_of_risk() -> None:
    with pytest.raises(ValueError, match="all bids in auctions with 2 bidders are equal"):
        risk_aversion(risky(0.0, (2, 3), 60, 22).assign(bid=7.0), replications=10)
