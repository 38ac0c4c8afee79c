"""Package auctions in equilibrium: known answers, closed forms at any correlation, where the ranking of rules turns.

The closed forms and the payments here are written down apart from the library, which solves its equations by numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cache
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad
from scipy.optimize import brentq

import procure_opt as po
from procure_opt.auction.packages import (
    CATALOGUE,
    LocalLocalGlobal,
    PackageEquilibrium,
    PackageRule,
    RandomPackages,
    Strategy,
    solve,
)
from strategies import examples
from test_known import Row, each_row
from tiny import bid

CORE = ("core", "proportional", "core_nearest_bid", "core_nearest_zero")
uniform = stats.uniform
correlations = st.floats(0, 1)


@cache
def solved(rule: str, correlation: float = 0.0) -> PackageEquilibrium:
    """Uniform costs, a local's up to the ceiling."""
    return solve(PackageRule(rule), LocalLocalGlobal(correlation=correlation))


# ---- known answers ----------------------------------------------------------------------------------------


SAYS: dict[str, Callable[[PackageEquilibrium, float], float]] = {
    "bid": lambda found, at: found.bid(at),
    "package bid": lambda found, at: found.bid(at, 1),
    "payment": lambda found, _: found.expected_payment,
    "cost": lambda found, _: found.expected_cost,
    "ratio": lambda found, _: found.cost_ratio,
    "locals win": lambda found, _: found.win_probability[0],
    "shortfall": lambda found, _: found.core_shortfall,
}


@each_row("auction_llg.csv", "rule", "what", "at")
def test_known_answer(row: Row) -> None:
    says = SAYS[row["what"]](solved(row["rule"]), float(row["at"] or 0))
    assert says == pytest.approx(float(row["value"]), rel=0, abs=float(row["within"]))


@pytest.mark.parametrize("rule", CATALOGUE)
def test_nobody_gains_by_another_bid(rule: str) -> None:
    found = solved(rule)
    assert found.epsilon < (2e-3 if rule == "pay_as_bid" else 1e-9)
    assert sum(found.win_probability) == pytest.approx(1, abs=1e-9)
    assert found.cost_ratio >= 1 - 1e-12


def test_in_equilibrium_vcg_is_cheapest_and_at_true_costs_dearest() -> None:
    """With independent costs: 1.417, pay-as-bid 1.453, core 1.464 to 1.5; at true costs the core pays 31/24."""
    payments = {rule: solved(rule).expected_payment for rule in CATALOGUE}
    assert min(payments, key=payments.__getitem__) == "vcg"
    assert payments["vcg"] < payments["pay_as_bid"] < min(payments[rule] for rule in CORE)
    truthful = {rule: as_if(rule, truth(1), truth(2)).expected_payment for rule in ("vcg", *CORE)}
    assert truthful["vcg"] == pytest.approx(17 / 12, abs=1e-9)
    assert [truthful[rule] for rule in CORE] == pytest.approx([31 / 24] * 4, abs=1e-9)


# ---- closed forms -----------------------------------------------------------------------------------------


def offered(rule: str, saving: Any, same: float) -> Any:
    """What a local takes off the ceiling, for uniform costs, by the first-order condition solved with a pencil."""
    saving = np.asarray(saving, dtype=float)
    apart = 1 - same
    if rule == "vcg":
        return saving
    if rule in ("core", "proportional"):  # b (1 + γ/2) = v − k, where k is half of what a stranger offers on average
        a = apart / (4 + 2 * same)
        k = 0.0 if a == 0 else 2 * a / (2 * a + 1 + math.sqrt(4 * a + 1))
        return np.maximum(0, saving - k) / (1 + same / 2)
    if rule == "core_nearest_bid":  # b′ = 1 / (2 − (1 − γ) v)
        return saving / 2 if apart < 1e-9 else -np.log1p(-apart * saving / 2) / apart
    # b′ = 1 / (γ + (1 − γ) v), and the highest type offers its saving
    return saving if apart < 1e-9 else np.maximum(0, 1 + np.log(np.maximum(same + apart * saving, 1e-300)) / apart)


def paid(rule: str, same: float) -> float:
    """What both lots cost the buyer, from moments of the offers: E min(s, B) = E(s − s²/4) with B uniform to 2."""
    if rule == "vcg":
        return 17 / 12 + same / 12
    where = sorted({0.0, 1.0, kink(rule, same)})

    def mean(power: int) -> float:
        return sum(
            quad(lambda v: float(offered(rule, v, same)) ** power, *ends, epsabs=1e-13, epsrel=1e-13)[0]
            for ends in pairwise(where)
        )

    one, two = mean(1), mean(2)
    return 2 - (2 * one - (2 * two + 2 * (same * two + (1 - same) * one**2)) / 4)


def kink(rule: str, same: float) -> float:
    """The saving from which on something is offered."""
    values = np.linspace(0, 1, 101)
    some = offered(rule, values, same) > 0
    at = int(some.argmax())
    if at <= 1:
        return 0.0
    if rule == "core_nearest_zero":
        return (math.exp(same - 1) - same) / (1 - same)
    return float(values[at] - offered(rule, values[at], same) * (1 + same / 2))


@examples(6)
@given(rule=st.sampled_from(["vcg", *CORE]), correlation=correlations)
def test_bids_and_payments_at_any_correlation(rule: str, correlation: float) -> None:
    found = solved(rule, correlation)
    costs = np.linspace(0, 1, 41)
    assert np.abs(1 - found.bid(costs) - offered(rule, 1 - costs, correlation)).max() < 1e-6
    assert found.expected_payment == pytest.approx(paid(rule, correlation), abs=1e-8)
    assert found.epsilon < 1e-8


# ---- where the ranking turns ------------------------------------------------------------------------------


TURNS = {"core_nearest_zero": 0.2771100585, "core": 0.7833190767}


@pytest.mark.parametrize("rule", TURNS)
def test_the_correlation_from_which_on_a_core_rule_is_cheaper_than_vcg(rule: str) -> None:
    """Found in the solved equilibria, and from moments of the closed forms."""

    def dearer(same: float) -> float:
        return solved(rule, same).expected_payment - solved("vcg", same).expected_payment

    at = brentq(dearer, TURNS[rule] - 1e-3, TURNS[rule] + 1e-3, xtol=1e-8)
    exact = brentq(lambda same: paid(rule, same) - paid("vcg", same), 0.01, 0.99, xtol=1e-14)
    assert at == pytest.approx(exact, abs=1e-7)
    assert exact == pytest.approx(TURNS[rule], abs=1e-10)


def test_with_a_uniform_third_proportional_payments_lead_to_the_bids_of_those_nearest_to_vcg() -> None:
    one, other = solved("core", 0.6), solved("proportional", 0.6)
    costs = np.linspace(0, 1, 21)
    assert one.bid(costs) == pytest.approx(other.bid(costs), abs=1e-8)
    assert one.expected_payment == pytest.approx(other.expected_payment, abs=1e-8)


def test_the_rule_nearest_to_the_bids_never_is() -> None:
    gap = [paid("core_nearest_bid", same) - paid("vcg", same) for same in np.linspace(0, 1, 51)]
    assert min(gap) == pytest.approx(1 / 12, abs=1e-9)
    assert solved("core_nearest_bid", 1.0).expected_payment == pytest.approx(19 / 12, abs=1e-8)


def test_on_draws_the_order_is_as_computed_on_either_side() -> None:
    """Common draws, with the pencil's bids, of correlations a little off where it turns."""
    for rule, below, above in (("core_nearest_zero", 0.24, 0.32), ("core", 0.7, 0.86)):
        for same, sign in ((below, 1), (above, -1)):
            costs = LocalLocalGlobal(correlation=same).draw(1_000_000, np.random.default_rng(4))
            savings, third = 1 - costs[:, :2], 2 - costs[:, 2]
            offers = offered(rule, savings, same).sum(axis=1)
            vickrey = np.maximum(third[:, None] - savings[:, ::-1], 0).sum(axis=1)
            vickrey = np.where(savings.sum(axis=1) >= third, vickrey, savings.sum(axis=1))
            gap = vickrey - np.minimum(offers, third)
            error = gap.std() / math.sqrt(len(gap))
            assert sign * gap.mean() > 3 * error
            assert gap.mean() == pytest.approx(paid(rule, same) - paid("vcg", same), abs=4 * error)


@pytest.mark.parametrize(
    ("rule", "payment"),
    [("vcg", 3 / 2), ("core", 40 / 27), ("core_nearest_zero", 4 / 3), ("core_nearest_bid", 19 / 12)],
)
def test_the_limit_of_equal_costs(rule: str, payment: float) -> None:
    """Nearest to the ceiling, equal locals have nobody to wait for: true bids, in the core, 4/3."""
    assert solved(rule, 1.0).expected_payment == pytest.approx(payment, abs=1e-8)
    assert solved(rule, 1 - 1e-6).expected_payment == pytest.approx(payment, abs=1e-5)
    assert solved(rule, 1e-6).expected_payment == pytest.approx(solved(rule).expected_payment, abs=1e-5)


# ---- other markets ----------------------------------------------------------------------------------------


def truth(top: float) -> Strategy:
    """Offering all of a saving."""
    return Strategy(*(np.array([0.0, top]),) * 2)


def as_if(rule: str, local: Strategy, package: Strategy, **more: Any) -> PackageEquilibrium:
    """These strategies, equilibrium or not."""
    return PackageEquilibrium(PackageRule(rule), LocalLocalGlobal(**more), local, package)


@pytest.mark.parametrize("rule", ["vcg", *CORE])
def test_money_has_no_unit_and_no_zero(rule: str) -> None:
    """Costs of 80 to 120 are those of 0 to 1 in units of 40, from 80 on."""
    found = solve(PackageRule(rule), LocalLocalGlobal(uniform(80, 40), uniform(160, 80), 120, correlation=0.4))
    small = solved(rule, 0.4)
    assert found.expected_payment == pytest.approx(160 + 40 * small.expected_payment, abs=1e-6)
    assert found.expected_cost == pytest.approx(160 + 40 * small.expected_cost, abs=1e-6)
    assert found.core_shortfall == pytest.approx(40 * small.core_shortfall, abs=1e-6)
    costs = np.linspace(0, 1, 11)
    assert found.bid(80 + 40 * costs) == pytest.approx(80 + 40 * small.bid(costs), abs=1e-6)


MARKETS = {
    "beta, correlated": LocalLocalGlobal(stats.beta(2, 3), stats.beta(2, 2, 0, 2), correlation=0.5),
    "costs beyond the ceiling": LocalLocalGlobal(uniform(0, 1.2), uniform(0, 2.5)),
}


@cache
def solved_in(market: str, rule: str) -> PackageEquilibrium:
    """One of those markets."""
    return solve(PackageRule(rule), MARKETS[market])


def in_the_core(rule: str, own: Any, other: Any, against: Any) -> Any:
    """The point of p₁ + p₂ = B, within VCG and the bids, that is nearest to the rule's reference."""
    if rule == "vcg":
        return np.maximum(0, against - other)
    if rule == "proportional":
        return against * own / np.maximum(own + other, 1e-300)
    reference = {
        "core": np.maximum(0, against - other) - np.maximum(0, against - own),
        "core_nearest_bid": own - other,
        "core_nearest_zero": 0.0,
    }[rule]
    middle = (against + reference) / 2
    return np.minimum(np.maximum(middle, np.maximum(0, against - other)), np.minimum(own, against))


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("rule", ["vcg", "core", "proportional", "core_nearest_bid"])
def test_best_responses_by_brute_force(rule: str, market: str) -> None:
    """Sums over equally likely costs: no other bid gains more than the sums are wrong by."""
    where = MARKETS[market]
    found = solved_in(market, rule)
    middle = (np.arange(240) + 0.5) / 240
    other_cost = where.local.ppf(middle)
    others = np.maximum(0, 1 - found.bid(other_cost))[:, None]
    third = np.maximum(0, 2 - where.package.ppf((np.arange(2000) + 0.5) / 2000))[None, :]

    def utility(saving: float, own: float, against: Any) -> float:
        wins = own + against >= third
        return float(np.where(wins, saving - in_the_core(rule, own, against, third), 0).mean())

    for saving in (0.25, 0.55, 0.9):
        own = 1 - found.bid(1 - saving)
        tried = np.concatenate([[own], np.linspace(0, 1, 41), own + np.linspace(-0.05, 0.05, 11)])
        same = np.array([[own]])
        gains = [
            (1 - where.correlation) * utility(saving, b, others) + where.correlation * utility(saving, b, same)
            for b in np.maximum(0, tried)
        ]
        assert max(gains) - gains[0] < 2e-4


@pytest.mark.parametrize("market", MARKETS)
def test_expectations_are_means_of_outcomes(market: str) -> None:
    """Payments and in-house costs of `outcome` on draws, production costs, winners, and the blocking coalitions."""
    where = MARKETS[market]
    costs = where.draw(200_000, np.random.default_rng(8))
    for rule in ("vcg", "core", "core_nearest_bid"):
        found = solved_in(market, rule)
        local, package = found.bid(costs[:, :2]), found.bid(costs[:, 2], 1)
        won, payments, own = found.rule.outcome(local, package, where.ceiling)
        winners = payments > 0
        total = payments.sum(axis=1) + own
        spent = (winners * costs).sum(axis=1) + own
        near(total, found.expected_payment)
        near(spent, found.expected_cost)
        near(won & winners.any(axis=1), found.win_probability[0])
        near(winners[:, 2], found.win_probability[1])
        near(shortfall(costs, winners, payments, own), found.core_shortfall)
        assert found.expected_cost / found.cost_ratio == pytest.approx(least(costs, (0, 1, 2)).mean(), abs=5e-3)


def near(draws: Any, value: float) -> None:
    """The mean of the draws is this, but for their error."""
    draws = np.asarray(draws, dtype=float)
    assert draws.mean() == pytest.approx(value, abs=4.5 * draws.std() / math.sqrt(len(draws)) + 1e-9)


def least(costs: Any, who: tuple[int, ...], ceiling: float = 1.0) -> Any:
    """What both lots cost those suppliers and the buyer's own staff together."""
    lots = [np.minimum(costs[:, one], ceiling) if one in who else np.full(len(costs), ceiling) for one in (0, 1)]
    apart = lots[0] + lots[1]
    return np.minimum(apart, costs[:, 2]) if 2 in who else apart


def shortfall(costs: Any, winners: Any, payments: Any, own: Any) -> Any:
    """By how much the most any coalition with the buyer could save."""
    excess = np.zeros(len(costs))
    for size in range(4):
        for who in combinations(range(3), size):
            inside = np.isin(np.arange(3), who)
            now = (payments * ~inside).sum(axis=1) + (costs * (winners & inside)).sum(axis=1) + own
            excess = np.maximum(excess, now - least(costs, who))
    return excess


def test_the_shortfall_from_the_core_by_all_coalitions() -> None:
    """Uniform costs: 1/8 under VCG, 20 − 14 √2 nearest to VCG, 1/4 nearest to the bids."""
    costs = LocalLocalGlobal().draw(500_000, np.random.default_rng(15))
    for rule, exact in (("vcg", 1 / 8), ("core", 20 - 14 * math.sqrt(2)), ("core_nearest_bid", 1 / 4)):
        bids = 1 - offered(rule, 1 - costs[:, :2], 0.0)
        _, payments, own = PackageRule(rule).outcome(bids, costs[:, 2])
        near(shortfall(costs, payments > 0, payments, own), exact)
        assert solved(rule).core_shortfall == pytest.approx(exact, abs=1e-8)


# ---- the verification -------------------------------------------------------------------------------------


def test_the_verification_finds_what_truth_forgoes() -> None:
    """At true bids, nearest to VCG: b = v − 1/4 is better, by 1/64; in pay-as-bid the third forgoes (2/3)^1.5."""
    assert as_if("vcg", truth(1), truth(2)).epsilon < 1e-12
    assert as_if("core", truth(1), truth(2)).epsilon == pytest.approx(1 / 64, abs=1e-6)
    assert as_if("pay_as_bid", truth(1), truth(2)).epsilon == pytest.approx((2 / 3) ** 1.5, abs=1e-5)
    high = as_if("pay_as_bid", truth(1), truth(2))._local_gain()
    assert high == pytest.approx(1.5**2 / 8, abs=1e-5)
    # With the same cost for certain, b = 2v/3 is best against itself, and true bids forgo v²/16 at b = v/2
    assert as_if("core", truth(1), truth(2), correlation=1.0).epsilon == pytest.approx(1 / 16, abs=1e-6)


def test_what_cannot_be_verified_is_not_returned() -> None:
    with pytest.raises(RuntimeError, match=r"gain up to 0\.\d+ by another bid \(ε; at most 0.002 is accepted\)"):
        solve(PackageRule("pay_as_bid"), LocalLocalGlobal(correlation=1.0))
    with pytest.raises(RuntimeError, match="no equilibrium"):
        solve(PackageRule("core_nearest_zero"), LocalLocalGlobal(uniform(80, 40), uniform(180, 40), 120))


# ---- outcomes ---------------------------------------------------------------------------------------------


NAMED = ("pay_as_bid", "vcg", "core", "core_nearest_bid", "core_nearest_zero")


@examples(25)
@given(asked=st.tuples(*[st.integers(1, 130)] * 2), package=st.integers(2, 260))
def test_outcomes_are_those_of_the_award_of_such_a_tender(asked: tuple[int, int], package: int) -> None:
    ceiling = 100
    assume(ceiling not in asked and sum(min(each, ceiling) for each in asked) != package != 2 * ceiling)
    rows = [bid("a", "L1", "A", asked[0]), bid("b", "L2", "B", asked[1]), bid("g", "G", "A;B", package)]
    rows = [row for row, most in zip(rows, (100, 100, 200)) if row["price"] <= most]
    award = po.award(po.Tender([{"lot": lot, "in_house": ceiling} for lot in "AB"], rows, money_unit=1))
    for name in NAMED:
        _, payments, own = PackageRule(name).outcome([asked], [package], ceiling)
        expected = po.pay(award, name).amounts if len(award.bids) else {}
        found = {who: amount for who, amount in zip(("L1", "L2", "G"), payments[0]) if amount}
        assert found == pytest.approx(dict(expected), abs=1e-6)
        assert own[0] == award.in_house["cost"].sum()


@examples(60)
@given(st.lists(st.tuples(*[st.floats(0, 1.2)] * 2, st.floats(0, 2.4)), min_size=1, max_size=20))
def test_at_the_same_bids_the_core_pays_no_more_than_vcg_and_no_less_than_the_bids(draws: Any) -> None:
    bids = np.array(draws)
    local, package = bids[:, :2], bids[:, 2]
    vcg = PackageRule("vcg").outcome(local, package)
    for name in CORE:
        won, payments, own = PackageRule(name).outcome(local, package)
        assert (won == vcg.locals_win).all() and (own == vcg.in_house).all()
        assert (payments <= vcg.payments + 1e-12).all() or name == "proportional"
        assert (payments.sum(axis=1) <= vcg.payments.sum(axis=1) + 1e-12).all()
        assert (payments >= np.where(payments > 0, bids, 0) - 1e-12).all()
        both = won & (local <= 1).all(axis=1) & (package <= 2)
        assert payments[both].sum(axis=1) == pytest.approx(package[both], abs=1e-12)
        turned = PackageRule(name).outcome(local[:, ::-1], package)
        assert turned.payments[:, [1, 0, 2]] == pytest.approx(payments, abs=1e-12)


def test_nobody_bids() -> None:
    won, payments, own = PackageRule("core").outcome([[1.5, 1.1], [0.5, 1.1]], [2.1, 2.1])
    assert won.tolist() == [False, True]
    assert payments.tolist() == [[0, 0, 0], [1, 0, 0]]
    assert own.tolist() == [2, 1]


def test_above_the_ceiling_the_bid_is_the_cost() -> None:
    found = solved_in("costs beyond the ceiling", "core")
    assert found.bid(1.1) == 1.1 and found.bid(2.3, 1) == 2.3
    assert found.bid(np.array([[0.2, 1.15]])).shape == (1, 2)


# ---- random packages --------------------------------------------------------------------------------------


RANDOM = RandomPackages(lots=4, bidders=5, reach=3, synergy=0.3)


@pytest.mark.parametrize("seed", range(6))
def test_random_packages_at_true_costs(seed: int) -> None:
    """The core pays no more than VCG; half and twice a supplier's costs gain it nothing under VCG."""
    drawn = RANDOM.draw(np.random.default_rng(seed))
    assert drawn.bids.equals(RANDOM.draw(np.random.default_rng(seed)).bids)
    award = po.award(drawn)
    vcg, core = po.pay(award, "vcg"), po.pay(award, "core")
    assert core.total <= vcg.total + 1e-6 and vcg.total >= award.price - 1e-6
    assert core.core_violation < 1e-6

    def profit(who: str, factor: float) -> float:
        bids = drawn.bids.assign(
            price=drawn.bids["price"].where(drawn.bids["bidder"] != who, drawn.bids["price"] * factor)
        )
        paid = po.pay(po.award(drawn.replace(bids=bids.round({"price": 2}))), "vcg")
        costs = drawn.bids.set_index("bid")["price"]
        won = paid.award.bids[paid.award.bids["bidder"] == who]
        return float(paid.amounts.get(who, 0.0) - costs[won["bid"]].sum())

    for who in ("S1", "S2"):
        honest = profit(who, 1)
        assert honest >= -1e-6
        assert all(profit(who, factor) <= honest + 1e-6 for factor in (0.5, 0.9, 1.1, 2))


def test_a_package_costs_less_by_its_synergy() -> None:
    bids = RANDOM.draw(np.random.default_rng(1)).bids
    one = bids[bids["bidder"] == "S3"]
    packages = [(text.split(";"), price) for text, price in zip(one["lots"], one["price"])]
    alone = {on[0]: price for on, price in packages if len(on) == 1}
    assert len(packages) == 7 and len(alone) == 3
    for on, price in packages:
        assert price == pytest.approx((1 - 0.3 * (len(on) - 1) / 2) * sum(alone[lot] for lot in on), abs=0.03)


# ---- markets that are none --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: LocalLocalGlobal(correlation=1.2), "correlation is 1.2; it is the probability"),
        (lambda: LocalLocalGlobal(correlation=-0.1), "0 to 1"),
        (lambda: LocalLocalGlobal(uniform(1, 1)), "the ceiling of 1.0 a lot is not above the lowest local cost, 1.0"),
        (lambda: LocalLocalGlobal(package=uniform(2, 1)), "lowest package cost, 2.0, for 2 lots, so nobody"),
        (lambda: LocalLocalGlobal(stats.norm(0.5, 0.1)), "local costs run from -inf to inf"),
        (lambda: LocalLocalGlobal(package=stats.norm(1, 0.1)), "package costs run from -inf to inf"),
        (lambda: LocalLocalGlobal(0.5), "local is 0.5, which has no sf"),
        (lambda: LocalLocalGlobal(ceiling=math.inf), "ceiling is inf"),
        (lambda: RandomPackages(reach=5), "reach is 5; it must be a whole number from 1 to 4"),
        (lambda: RandomPackages(synergy=1.0), "synergy is 1.0"),
        (lambda: RandomPackages(ceiling=0), "the ceiling above 0"),
        (lambda: PackageRule("vickrey"), "it must be one of pay_as_bid, vcg, core"),
        (lambda: PackageRule("vcg").outcome([1, 2], [3]), "they must be (draws, 2) and (draws,)"),
        (lambda: solved("vcg").bid(0.5, 2), "cls is 2; it must be 0, a local supplier"),
    ],
)
def test_what_is_wrong_is_said(build: Callable[[], Any], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        build()
