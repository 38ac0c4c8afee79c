"""Lock-in: closed forms, quadrature, the Markov chain and the simulation, each against another; and caps."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

import procure_opt as po
from procure_opt.governance.lock_in import RepeatedTender, chain, contest, lock_in, remedies, two_tenders
from strategies import examples
from test_known import each_row, table

UNIFORM = stats.uniform(0, 1)
HOTLINE = RepeatedTender(UNIFORM, 5, (0, 0.15, 0.3, 0.45, 0.6), entry_cost=0.02)
FEW = examples(25)

# ---- known answers ----------------------------------------------------------------------------------------


@each_row("lock_in.csv", "entrants", "advantage", "what")
def test_one_tender(row: dict[str, str]) -> None:
    found = contest(UNIFORM, int(row["entrants"]), float(row["advantage"]))
    assert getattr(found, row["what"]) == pytest.approx(float(row["value"]), abs=float(row["tolerance"]), rel=0)


@each_row("lock_in_two_tenders.csv", "advantage")
def test_two_tenders(row: dict[str, str]) -> None:
    found = two_tenders(UNIFORM, int(row["bidders"]), float(row["advantage"]), discount=float(row["discount"]))
    assert found == pytest.approx([float(row[name]) for name in ("first", "second", "total")], abs=1e-9)


@each_row("lock_in_entry.csv", "advantage")
def test_who_enters(row: dict[str, str]) -> None:
    market = RepeatedTender(UNIFORM, 5, (float(row["advantage"]),), entry_cost=0.02)
    assert market.entering(0) == int(row["entrants"])


def test_the_chain() -> None:
    found = chain(HOTLINE).table
    for row, known in zip(found.itertuples(index=False), table("lock_in_chain.csv"), strict=True):
        assert row.monopoly == pytest.approx(float(known["monopoly"]), abs=1e-9)
        if known["price"]:
            assert row.price == pytest.approx(float(known["price"]), abs=1e-9)


# ---- two ways ---------------------------------------------------------------------------------------------


@FEW
@given(st.integers(0, 6), st.floats(0, 1.2))
def test_uniform_costs_have_closed_forms(m: int, delta: float) -> None:
    found = contest(UNIFORM, m, delta)
    d = min(delta, 1.0)
    assert found.stays == pytest.approx(d + (1 - d ** (m + 1)) / (m + 1), abs=1e-9)
    if m:
        rent = integrate.quad(lambda c: c * (1 - c) ** (m - 1) * max(1 - delta - c, 0), 0, max(1 - delta, 0))[0]
        assert found.entrant == pytest.approx(rent, abs=1e-9)
    assert found.unfilled == 0


@pytest.mark.parametrize(
    ("costs", "m", "delta", "reserve"),
    [
        (stats.lognorm(0.4), 3, 0.5, 2.0),
        (stats.gamma(3, scale=0.5), 2, 0.4, 1.6),
        (stats.beta(0.7, 2.0, 1, 3), 4, 0.2, None),
        (stats.uniform(80, 40), 2, 10.0, 95.0),
        (stats.expon(1.0), 1, 0.3, 1.5),
    ],
)
def test_other_costs_played(costs: Any, m: int, delta: float, reserve: float | None) -> None:
    """Every bid of every tender drawn; quadrature within 5 standard errors."""
    generator = np.random.default_rng(5)
    draws = 200_000
    top = float(costs.support()[1]) if reserve is None else reserve
    own = costs.rvs(draws, random_state=generator) - delta
    others = costs.rvs((m, draws), random_state=generator)
    bids = np.sort(np.concatenate([own[None], others]), axis=0)
    price = np.minimum(bids[1], top)
    stays = (own < others.min(axis=0)) & (own <= top)
    rent = np.where((others[0] <= bids[0]) & (others[0] <= top), price - others[0], 0.0)
    found = contest(costs, m, delta, reserve=reserve)
    for expected, drawn in (
        (found.price, price),
        (found.stays, stays),
        (found.entrant, rent),
        (found.incumbent, np.where(stays, price - own, 0.0)),
        (found.unfilled, bids[0] > top),
    ):
        # What is expected less than once in all draws has no spread to go by: ten times are let pass.
        assert abs(np.mean(drawn) - expected) < 5 * np.std(drawn) / draws**0.5 + 10 / draws


def test_switching_that_the_buyer_bears() -> None:
    """She adds 0.3 to what entrants ask: the winner is paid what would just have won."""
    generator = np.random.default_rng(7)
    own, others = generator.random(300_000), generator.random((2, 300_000))
    lowest, second = np.sort(others, axis=0)
    stays = own < lowest + 0.3
    paid = np.where(stays, lowest + 0.3, np.minimum(own - 0.3, second))
    borne = paid + np.where(stays, 0, 0.3)
    found = contest(UNIFORM, 2, 0.3)
    assert stays.mean() == pytest.approx(found.stays, abs=0.004)
    assert borne.mean() == pytest.approx(found.price + 0.3, abs=0.002)


@FEW
@given(st.integers(1, 5), st.floats(0, 0.9), st.floats(0.3, 1.0))
def test_money_adds_up(m: int, delta: float, reserve: float) -> None:
    """What is paid is what the work costs and what suppliers keep; unfilled work costs the reserve."""
    found = contest(UNIFORM, m, delta, reserve=reserve)
    paid = found.price - reserve * found.unfilled

    def beaten(x: float) -> float:
        return (1 - x) ** m if x > 0 else 1.0

    own = integrate.quad(lambda x: x * beaten(x), -delta, min(1 - delta, reserve), points=[0], epsabs=1e-11)[0]
    left = lambda x: 1 - min(x + delta, 1)  # noqa: E731
    ends = sorted({0.0, max(min(1 - delta, reserve), 0.0), reserve})
    others = sum(
        integrate.quad(lambda x: x * m * (1 - x) ** (m - 1) * left(x), low, high, epsabs=1e-11)[0]
        for low, high in itertools.pairwise(ends)
    )
    assert paid == pytest.approx(own + others + found.incumbent + m * found.entrant, abs=1e-8)


@pytest.mark.parametrize(
    ("costs", "m", "delta", "reserve"),
    [
        (stats.beta(0.7, 2, 1, 2), 4, 0.2, None),
        (stats.beta(0.5, 0.5), 2, 0.1, None),
        (stats.gamma(3, scale=0.5), 2, 0.4, 1.6),
        (stats.lognorm(0.4), 3, 0.5, 2.0),
    ],
)
def test_who_wins_in_quantiles(costs: Any, m: int, delta: float, reserve: float | None) -> None:
    """∫ S(F⁻¹(u) − δ)^m du over the incumbent's own quantiles, also of densities that are infinite at an end."""
    top = float(costs.support()[1]) if reserve is None else reserve
    ends = [0.0, float(costs.cdf(costs.support()[0] + delta)), float(costs.cdf(top + delta))]
    chance = lambda u: costs.sf(costs.ppf(u) - delta) ** m  # noqa: E731
    won = sum(integrate.quad(chance, *pair, epsabs=1e-11, limit=400)[0] for pair in itertools.pairwise(ends))
    assert contest(costs, m, delta, reserve=reserve).stays == pytest.approx(won, abs=2e-7)


CHANGES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "bids paid": {"paid_bids": 0.01, "tender_cost": 0.03, "contract_cost": 0.02},
    "all alike": {"held": 0},
    "half terms": {"term": 0.5},
    "long terms": {"term": 2},
    "a cap on terms": {"most_terms": 2},
    "a cap of one term": {"most_terms": 1, "entrants": 1},
    "a low reserve": {"reserve": 0.4},
    "other costs": {"costs": stats.lognorm(0.5), "reserve": 2.5, "advantage": (0, 0.5, 0.8)},
    "no entrants": {"entrants": 0},
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_simulation_is_the_chain(name: str) -> None:
    tender = replace(HOTLINE, **CHANGES[name])
    exact, drawn = chain(tender, 6), lock_in(tender, 6, draws=40_000, seed=2)
    columns = ["period", "entrants", "monopoly", "stays", "held", "unfilled", "price", "outlay"]
    within = {"entrants": 0.05, "held": 0.06, "period": 1e-12}
    for column in columns:
        off = (exact.table[column] - drawn.table[column]).abs()
        allowed = np.maximum(5 * drawn.table["price_se"], 1e-9) if column == "price" else within.get(column, 0.013)
        assert (off <= allowed).all(), (column, off.max())


def naive(tender: RepeatedTender, count: int, draws: int, seed: int) -> tuple[list[float], list[float]]:
    """Prices and shares of tenders without an entrant, every supplier drawn and every list sorted."""
    generator = np.random.default_rng(seed)
    prices, alone = np.zeros(count), np.zeros(count)
    known: dict[tuple[float, ...], int] = {}
    for _ in range(draws):
        held = [tender.held] * tender.winners
        for t in range(count):
            key = tuple(sorted(held))
            if key not in known:
                known[key] = tender.entering(*held)
            m = known[key]
            cost = generator.random(len(held) + m)
            offers = [(c - float(tender.ahead(h)), h) for c, h in zip(cost, held, strict=False)]
            offers = sorted(offers + [(c, 0.0) for c in cost[len(held) :]])
            prices[t] += offers[tender.winners][0] if len(offers) > tender.winners else 1.0
            alone[t] += m == 0
            held = [h + tender.term for _, h in offers[: tender.winners]]
    return (prices / draws).tolist(), (alone / draws).tolist()


@pytest.mark.parametrize("winners", [2, 3])
def test_several_winners_played_one_by_one(winners: int) -> None:
    tender = replace(HOTLINE, winners=winners, entry_cost=0.008)
    prices, alone = naive(tender, 5, 2_000, seed=1)
    found = lock_in(tender, 5, draws=30_000, seed=2).table
    assert found["price"].tolist() == pytest.approx(prices, abs=0.025)
    assert found["monopoly"].tolist() == pytest.approx(alone, abs=0.05)
    # K of n alike are paid the (K + 1)-th lowest cost: the first price without any advantage is (K + 1) / (n + 1).
    alike = RepeatedTender(UNIFORM, 5, (0.0,), winners=winners, held=0)
    first = lock_in(alike, 1, draws=60_000).table.iloc[0]
    assert first["price"] == pytest.approx((winners + 1) / (5 + winners + 1), abs=5 * first["price_se"])
    profit = alike._profit(5, [0.0] * winners)
    assert profit == pytest.approx(expected_profit(5 + winners, winners), abs=1e-9)


def expected_profit(n: int, winners: int) -> float:
    """Of one of n: Σ over ranks of (E C_(K+1) − E C_(rank)) / (n K), E C_(i) = i / (n + 1)."""
    return sum((winners + 1 - rank) / (n + 1) for rank in range(1, winners + 1)) / (n * winners)


# ---- what answers it --------------------------------------------------------------------------------------


def test_remedies() -> None:
    changes = {
        "bids paid": {"paid_bids": 0.02},
        "a cap on terms": {"most_terms": 3},
        "two suppliers": {"winners": 2},
        "half terms": {"term": 0.5},
        "long terms": {"term": 2},
    }
    found = remedies(HOTLINE, changes, draws=8_000, seed=1)
    assert found.index.tolist() == ["as it is", *changes]
    assert found.loc["as it is", "saves"] == 0
    # Entrants whose bids are paid always come; a cap sends the incumbent away before it is alone.
    assert found.loc["bids paid", "monopoly"] == found.loc["a cap on terms", "monopoly"] == 0
    for name in ("bids paid", "a cap on terms", "long terms"):
        assert found.loc[name, "saves"] > 4 * found.loc[name, "saves_se"] > 0, name
    # Where a bid costs the same and earns half, fewer come; two suppliers lower what one entrant can earn too.
    assert found.loc["half terms", "saves"] < -4 * found.loc["half terms", "saves_se"]
    assert found.loc["half terms", "entrants"] < found.loc["as it is", "entrants"]
    assert found.loc["two suppliers", "saves"] < 0


def test_the_same_seed_gives_the_same() -> None:
    first, second = (lock_in(HOTLINE, 4, draws=40_000, seed=9).table for _ in range(2))
    assert first.equals(second)
    assert not first.equals(lock_in(HOTLINE, 4, draws=40_000, seed=10).table)


def test_two_tenders_of_costs_without_an_upper_end() -> None:
    """The first has no reserve and needs none; every bid drawn."""
    costs, n, delta, discount = stats.lognorm(0.3), 3, 0.2, 0.9
    first, second, _ = two_tenders(costs, n, delta, discount=discount, reserve=3.0)
    drawn = costs.rvs((n, 400_000), random_state=np.random.default_rng(8))
    alike = np.sort(drawn, axis=0)[1]
    paid = np.minimum(np.sort(drawn - delta * np.eye(n)[0][:, None], axis=0)[1], 3.0)
    assert second == pytest.approx(paid.mean(), abs=5 * paid.std() / len(paid) ** 0.5)
    known = contest(costs, n - 1, delta, reserve=3.0)
    expected = alike.mean() - discount * (known.incumbent - known.entrant)
    assert first == pytest.approx(expected, abs=5 * alike.std() / len(alike) ** 0.5)


def test_one_course_of_events_has_no_spread() -> None:
    assert lock_in(HOTLINE, 2, draws=1).table["price_se"].isna().all()


@FEW
@given(st.floats(0, 0.8), st.floats(0, 0.2), st.integers(1, 3))
def test_who_has_learnt_more_keeps_more_away(delta: float, more: float, winners: int) -> None:
    market = RepeatedTender(UNIFORM, 4, (0.0, delta, delta + more), entry_cost=0.01, winners=winners)
    entering = [market.entering(*[held] * winners) for held in (0, 1, 2)]
    assert entering == sorted(entering, reverse=True)


# ---- caps against a new monopoly, at reported prices --------------------------------------------------------

COSTS = {"one": (10, 10, 10), "two": (12, 13, 15), "three": (20, 16, 18)}


@each_row("spend_cap.csv", "cap", "reported")
def test_a_cap_on_spend_is_evaded_by_prices_and_a_cap_on_lots_is_not(row: dict[str, str]) -> None:
    rule = po.MaxLots(2) if row["cap"] == "lots" else po.MaxShare(float(row["cap"]), of="spend")
    bids = [
        {"bid": f"{who} {lot}", "bidder": who, "lots": lot, "price": round(cost * factor, 2)}
        for who, costs in COSTS.items()
        for lot, cost in zip("ABC", costs, strict=True)
        for factor in [float(row["reported"]) if who == "one" else 1.0]
    ]
    award = po.award(po.Tender([{"lot": lot} for lot in "ABC"], bids), po.Policy([rule]))
    payments = po.pay(award, "vcg")
    won = award.bids.loc[award.bids["bidder"] == "one", "lots"].tolist()
    assert won == row["wins"].split()
    assert payments.amounts["one"] == pytest.approx(float(row["paid"]))
    assert payments.amounts["one"] - 10 * len(won) == pytest.approx(float(row["profit"]))
    assert payments.truthful == (row["cap"] == "lots")


def test_caps_bind_on_owners_or_are_evaded_by_a_second_name() -> None:
    """Two names of one owner take both lots unless the cap is on owners."""
    bids = [
        {"bid": "g", "bidder": "G", "lots": "A;B", "price": 10},
        {"bid": "s1", "bidder": "S1", "lots": "A", "price": 1},
        {"bid": "s2", "bidder": "S2", "lots": "B", "price": 1},
    ]
    bidders = [{"bidder": "G", "owner": "G"}, {"bidder": "S1", "owner": "S"}, {"bidder": "S2", "owner": "S"}]
    tender = po.Tender([{"lot": "A", "in_house": 9}, {"lot": "B", "in_house": 9}], bids, bidders)
    by_name = po.award(tender, po.Policy([po.MaxLots(1)]))
    assert by_name.bids["bid"].tolist() == ["s1", "s2"]
    assert po.pay(by_name, "vcg").total > 10
    by_owner = po.award(tender, po.Policy([po.MaxLots(1, per="owner")]))
    assert len(set(by_owner.bids["bidder"])) == 1


# ---- arguments that are wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: contest(UNIFORM, -1), "entrants is -1"),
        (lambda: contest(UNIFORM, 2, -0.1), "advantage is -0.1"),
        (lambda: contest(stats.expon(), 2), "costs have no upper end; give a reserve"),
        (lambda: contest(stats.norm(5, 1), 2, reserve=9), "the distribution of costs has no lowest cost"),
        (lambda: contest(UNIFORM, 2, reserve=-1), "reserve is -1"),
        (lambda: two_tenders(UNIFORM, 1, 0.1), "bidders is 1"),
        (lambda: two_tenders(UNIFORM, 3, 0.1, discount=1.5), "discount is 1.5; it must be a number from 0 to 1"),
        (lambda: RepeatedTender(UNIFORM, 5, (0, 0.3, 0.2)), "advantage .* falls"),
        (lambda: RepeatedTender(UNIFORM, 5, ()), r"advantage is \(\); give figures for 0, 1, 2"),
        (lambda: RepeatedTender(UNIFORM, 5, (0, -0.1)), "advantage after 1 periods is -0.1"),
        (lambda: RepeatedTender(UNIFORM, 2.5), "entrants is 2.5; it must be a whole number"),  # type: ignore[arg-type]
        (lambda: RepeatedTender(UNIFORM, 5, entry_cost=-0.02), "entry_cost is -0.02"),
        (lambda: RepeatedTender(UNIFORM, 5, entry_cost=0.02, paid_bids=0.03), "paid_bids is 0.03, more than a bid"),
        (lambda: RepeatedTender(UNIFORM, 5, winners=0), "winners is 0"),
        (lambda: RepeatedTender(UNIFORM, 5, term=0), "term is 0"),
        (lambda: RepeatedTender(UNIFORM, 5, most_terms=0), "most_terms is 0"),
        (lambda: lock_in(replace(HOTLINE, term=3), 8), "periods is 8; it must be a whole multiple of the term, 3"),
        (lambda: lock_in(HOTLINE, draws=0), "draws is 0"),
        (lambda: replace(HOTLINE, advantage=0.3), "advantage is 0.3; give figures for 0, 1, 2"),  # type: ignore[arg-type]
        (lambda: replace(HOTLINE, winners="2"), "winners is '2'; it must be a whole number"),  # type: ignore[arg-type]
        (lambda: remedies(HOTLINE, {"as it is": {"winners": 2}}), "changes names one 'as it is'"),
        (lambda: two_tenders(stats.lognorm(0.3), 3, 0.2), "costs have no upper end; give a reserve"),
        (lambda: lock_in(replace(HOTLINE, winners=4), 30), "4 winners over 30 tenders"),
        (lambda: chain(replace(HOTLINE, winners=2)), "winners is 2; the chain is for one winner"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(call: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        call()
