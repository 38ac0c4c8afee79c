"""Demand: queues against their stationary distributions, written out state by state, and against a simulation."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

import procure_opt as po
from procure_opt.governance.demand import Queue, cleaning, erlang_a, erlang_b, erlang_c, security, windows
from procure_opt.governance.splitting import pooled_bids, pooling
from strategies import examples
from test_known import each_row, table

FEW = examples(40)

# ---- known answers ----------------------------------------------------------------------------------------


@each_row("erlang.csv", "model", "agents", "what")
def test_queues(row: dict[str, str]) -> None:
    arrivals, handling, within = (float(row[name] or 0) for name in ("arrivals", "handling", "within"))
    agents = int(row["agents"]) if row["agents"] else None
    what, _, shrinkage = row["what"].partition(" at ")
    if row["model"] == "B":
        found: Any = erlang_b(arrivals * handling / 3600, agents or 0)
    else:
        queue: Queue = {
            "C": lambda: erlang_c(arrivals, handling, agents, within=within),
            "A": lambda: erlang_a(arrivals, handling, float(row["patience"]), agents, within=within),
            "windows": lambda: windows(arrivals, handling, agents, within=within),
        }[row["model"]]()
        found = queue.staff(float(shrinkage)) if shrinkage else getattr(queue, what)
    assert found == pytest.approx(float(row["value"]), abs=float(row["tolerance"]), rel=0)


def test_fewer_agents_miss_the_target() -> None:
    """13 agents answer 79.56 % in time, 12 let 6.2 % give up, 7 windows serve 88.4 %."""
    assert erlang_c(200, 180, 13).service_level < 0.8 < erlang_c(200, 180).service_level
    assert erlang_a(200, 180, 120, 12).abandoned > 0.05 > erlang_a(200, 180, 120).abandoned
    assert windows(60, 6, 7).service_level < 0.9 < windows(60, 6).service_level


def test_splitting_a_hotline() -> None:
    rows = table("pooling.csv")
    lots = [int(row["lots"]) for row in rows]
    split = pooling(lambda calls: erlang_c(calls, 180), 200, lots, cost=1000, shrinkage=0.3)
    assert split["total"].tolist() == [int(row["agents"]) for row in rows]
    assert split["extra"].tolist() == [0, 2, 6]
    assert split["cost"].tolist() == pytest.approx([20_000, 16_000 / 0.7, 20_000 / 0.7])
    assert split["loss"].tolist() == pytest.approx([0, 2 / 14, 6 / 14])
    assert pooling(lambda calls: erlang_c(calls, 180), 200, np.array(lots))["total"].tolist() == split["total"].tolist()
    with pytest.raises(TypeError, match="fewest gives 5; it must give a Queue"):
        pooling(lambda calls: 5, 200)  # type: ignore[arg-type, return-value]
    uneven = pooling(lambda calls: erlang_c(calls, 180), 200, [(0.75, 0.25)])
    assert uneven["agents"].iloc[0] == (erlang_c(150, 180).agents, erlang_c(50, 180).agents)


def agents_for(calls: float) -> int:
    return erlang_c(calls, 180).agents


@each_row("pooled_awards.csv", "small asks", "rule")
def test_an_award_weighs_pooling_against_competition(row: dict[str, str]) -> None:
    rates: list[dict[str, Any]] = [{"bidder": "Nine", "rate": 9}, {"bidder": "Ten", "rate": 10}]
    if row["small asks"]:
        rates.append({"bidder": "Small", "rate": float(row["small asks"]), "most": 1})
    bids = pooled_bids({"east": 100, "west": 100}, rates, agents_for)
    rules = [po.MinWinners(2)] if row["rule"] == "two winners" else []
    award = po.award(po.Tender([{"lot": "east"}, {"lot": "west"}], bids), po.Policy(rules))
    assert sorted(award.by_bidder.index) == row["winners"].split()
    assert award.price == float(row["price"])
    assert po.check(award) == []


@FEW
@given(st.lists(st.integers(5, 80), min_size=1, max_size=4), st.lists(st.integers(50, 90), min_size=1, max_size=3))
def test_bids_on_packages_by_hand(calls: list[int], asked: list[int]) -> None:
    """Every set of lots once, at rate times the agents of one queue; nobody takes two, and no cover is cheaper than
    the best way to divide the lots among bidders."""
    lots = {f"L{i}": some for i, some in enumerate(calls)}
    rates = [{"bidder": f"B{i}", "rate": rate / 10, "quality": 50 + i} for i, rate in enumerate(asked)]
    bids = pooled_bids(lots, rates, agents_for, money_unit=0.1)
    assert len(bids) == len(asked) * (2 ** len(calls) - 1)
    for row in bids.to_dict("records"):
        rate = asked[int(row["bidder"][1:])]
        together = agents_for(sum(lots[lot] for lot in row["lots"]))
        assert row["price"] == pytest.approx(rate * together / 10) and row["quality"] == 50 + int(row["bidder"][1:])
    award = po.award(po.Tender([{"lot": lot} for lot in lots], bids, money_unit=0.1), po.Policy(tie_break=None))
    ways = []
    for whose in itertools.product(range(len(asked)), repeat=len(calls)):
        sums = [sum(some for some, who in zip(calls, whose) if who == each) for each in range(len(asked))]
        ways.append(sum(rate * agents_for(some) for rate, some in zip(asked, sums) if some))
    assert award.price == pytest.approx(min(ways) / 10)


ZONES = [
    {"zone": "paths", "area": 42_000, "times": 30, "rate": 2_500, "side": "east"},
    {"zone": "squares", "area": 8_000, "times": 30, "rate": 900, "side": "west"},
    {"zone": "toilets", "area": 1_500, "times": 60, "rate": 150, "side": "west"},
]


@each_row("hours.csv", "work", "what")
def test_hours(row: dict[str, str]) -> None:
    if row["work"] == "cleaning":
        work = cleaning(ZONES, wage=28, on_costs=0.25, materials=0.06)
    else:
        posts = [{"post": "gates", "count": 3, "hours": 24}, {"post": "squares", "count": 2, "hours": 12}]
        work = security(posts, wage=30, presence=0.92)
    assert getattr(work, row["what"]) == pytest.approx(float(row["value"]), abs=float(row["tolerance"]), rel=0)


def test_zones_become_lots_of_a_tender() -> None:
    work = cleaning(ZONES, wage=28, on_costs=0.25, materials=0.06)
    lots = work.lots("side")
    assert lots["lot"].tolist() == ["east", "west"]
    assert lots["hours"].tolist() == pytest.approx([504, 240 + 800 / 3 + 1000 / 3 + 80 / 3])
    assert lots["estimate"].sum() == pytest.approx(work.cost)
    assert len(po.Tender(lots.round(2), [{"bid": "b", "bidder": "x", "lots": "east", "price": 1}]).lots) == 2
    with pytest.raises(ValueError, match="no column 'street'"):
        work.lots("street")


# ---- against stationary distributions ---------------------------------------------------------------------


def stationary(load: Fraction, agents: int, patience: Fraction | None, states: int) -> list[float]:
    """The birth–death chain with unit service rate, exact and normalised, cut off at `states`."""
    weights = [Fraction(1)]
    for k in range(1, states):
        out = Fraction(min(k, agents)) + (Fraction(max(k - agents, 0)) / patience if patience else 0)
        weights.append(weights[-1] * load / out)
    total = sum(weights)
    return [float(each / total) for each in weights]


@FEW
@given(st.integers(1, 25), st.fractions(Fraction(1, 10), Fraction(20), max_denominator=10))
def test_erlang_b_and_c_are_the_chain(agents: int, load: Fraction) -> None:
    lost = stationary(load, agents, None, agents + 1)
    assert erlang_b(float(load), agents) == pytest.approx(lost[-1], rel=1e-10)
    if load < Fraction(8, 10) * agents:
        chain = stationary(load, agents, None, agents + 150)
        queue = erlang_c(float(load), 1.0, agents, within=0.3, per=1.0)
        assert queue.wait == pytest.approx(sum(chain[agents:]), rel=1e-9)
        waiting = sum(k * p for k, p in enumerate(chain[agents:]))
        assert queue.mean_wait == pytest.approx(waiting / float(load), rel=1e-8)  # Little
        # Who finds j in the queue waits for j + 1 departures at rate N.
        late = sum(p * poisson_up_to(0.3 * agents, j) for j, p in enumerate(chain[agents:]))
        assert queue.service_level == pytest.approx(1 - late, rel=1e-8)


def poisson_up_to(mean: float, most: int) -> float:
    return math.fsum(math.exp(-mean + j * math.log(mean) - math.lgamma(j + 1)) for j in range(most + 1))


@FEW
@given(
    st.integers(1, 20),
    st.fractions(Fraction(1, 5), Fraction(25), max_denominator=5),
    st.sampled_from([Fraction(1, 3), Fraction(2, 3), Fraction(2)]),
)
def test_erlang_a_is_the_chain(agents: int, load: Fraction, patience: Fraction) -> None:
    chain = stationary(load, agents, patience, agents + 250)
    queue = erlang_a(float(load), 1.0, float(patience), agents, within=0.25, per=1.0)
    assert queue.wait == pytest.approx(sum(chain[agents:]), rel=1e-9)
    waiting = sum(k * p for k, p in enumerate(chain[agents:]))
    assert queue.abandoned == pytest.approx(waiting / float(patience) / float(load), rel=1e-8, abs=1e-14)
    assert queue.mean_wait == pytest.approx(waiting / float(load), rel=1e-8, abs=1e-14)
    assert queue.occupancy == pytest.approx(sum(min(k, agents) * p for k, p in enumerate(chain)) / agents, rel=1e-9)
    # The density of the wait of a caller of endless patience, λ p(N−1) e^(λ patience (1 − e^(−x/patience)) − N x).
    a, theta = float(load), float(patience)

    def soon(x: float) -> float:
        return a * chain[agents - 1] * math.exp(a * theta * (1 - math.exp(-x / theta)) - agents * x - x / theta)

    assert queue.service_level == pytest.approx(
        1 - sum(chain[agents:]) + integrate.quad(soon, 0, 0.25, epsabs=1e-13)[0], rel=1e-8
    )


def test_a_hotline_simulated() -> None:
    """60,000 calls played one by one: 12 agents, patience of two minutes."""
    generator = np.random.default_rng(3)
    calls, agents = 60_000, 12
    arrival = np.cumsum(generator.exponential(18, calls))
    handling, patience = generator.exponential(180, calls), generator.exponential(120, calls)
    free = np.zeros(agents)
    waited, gave_up = np.zeros(calls), np.zeros(calls, dtype=bool)
    for i in range(calls):
        next_free = free.argmin()
        wait = max(0.0, free[next_free] - arrival[i])
        gave_up[i] = wait > patience[i]
        waited[i] = min(wait, patience[i])
        if not gave_up[i]:
            free[next_free] = arrival[i] + wait + handling[i]
    queue = erlang_a(200, 180, 120, agents)
    assert gave_up.mean() == pytest.approx(queue.abandoned, abs=0.006)
    assert (waited > 0).mean() == pytest.approx(queue.wait, abs=0.02)
    assert (~gave_up & (waited <= 20)).mean() == pytest.approx(queue.service_level, abs=0.012)
    assert waited.mean() == pytest.approx(queue.mean_wait, rel=0.1)


# ---- laws -------------------------------------------------------------------------------------------------


@FEW
@given(st.floats(0.1, 300), st.integers(1, 60))
def test_more_agents_never_serve_worse(load: float, more: int) -> None:
    agents = int(load) + 1
    first, second = (erlang_c(load, 1, n, within=0.1, per=1) for n in (agents, agents + more))
    assert second.wait <= first.wait + 1e-12 and second.mean_wait <= first.mean_wait + 1e-12
    first, second = (erlang_a(load, 1, 0.5, n, within=0.1, per=1) for n in (agents, agents + more))
    assert second.abandoned <= first.abandoned + 1e-12 and second.service_level >= first.service_level - 1e-9


@pytest.mark.parametrize("patience, within, wanted", [(120, 1e6, 1.0), (1e-6, 20, None)])
def test_who_waits_longer_than_anybody_does(patience: float, within: float, wanted: float | None) -> None:
    """All who are served are served within so long; whoever has no patience is lost, as where nobody can wait."""
    queue = erlang_a(200, 180, patience, 12, within=within)
    assert queue.service_level == pytest.approx(1 - queue.abandoned, abs=1e-9)
    if wanted is None:
        assert queue.abandoned == pytest.approx(erlang_b(10, 12), rel=1e-6)


@FEW
@given(st.floats(5, 400), st.integers(2, 6))
def test_pooling_never_costs(calls: float, lots: int) -> None:
    split = pooling(lambda some: erlang_c(some, 180), calls, [lots])
    assert split["extra"].iloc[0] >= 0


def test_patience_without_end_is_erlang_c() -> None:
    queue, endless = erlang_c(200, 180, 12), erlang_a(200, 180, 1e9, 12)
    assert endless.wait == pytest.approx(queue.wait, rel=1e-5)
    assert endless.service_level == pytest.approx(queue.service_level, rel=1e-5)


@pytest.mark.parametrize("load", [9_000, 9_900, 9_999.9])
def test_ten_thousand_agents(load: float) -> None:
    """The recursion against 1 / B = ∫ e^(−a x) (1 + x)^N a dx, whose integrand is at most 1 where a ≥ N / (1 + x)."""
    blocked = erlang_b(load, 10_000)
    exponent = lambda x: 10_000 * math.log1p(x) - load * x  # noqa: E731
    peak = max(0.0, 10_000 / load - 1)
    scale = exponent(peak)
    total = integrate.quad(lambda x: load * math.exp(exponent(x) - scale), 0, peak + 0.2, points=[peak], limit=500)[0]
    assert math.log(blocked) == pytest.approx(-scale - math.log(total), rel=1e-8)
    queue = erlang_c(load, 1, 10_000, within=0.1, per=1)
    assert 0 < queue.wait < 1 and 0 < queue.service_level <= 1
    assert erlang_c(load, 1, per=1, within=0.1).agents > load


def test_ten_thousand_agents_and_callers_who_give_up() -> None:
    """Where far more call than can be served, who is served is what agents can do: 1 − N / a give up."""
    for load in (10_500, 20_000, 100_000):
        queue = erlang_a(load, 1, 1, 10_000, within=0.1, per=1)
        assert queue.abandoned == pytest.approx(1 - 10_000 / load, rel=1e-3)
    assert erlang_a(1.0, 1.0, 1.0, 10_000, per=1.0, within=0.1).abandoned == 0
    most = erlang_a(9_900, 1, 2 / 3, per=1, within=0.1, most_abandoned=0.05)
    assert erlang_a(9_900, 1, 2 / 3, most.agents - 1, per=1, within=0.1).abandoned > 0.05 >= most.abandoned


# ---- arguments that are wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: erlang_c(200, 180, 10), r"unstable: 10 agents for an offered load of 10 .* it takes at least 11"),
        (lambda: windows(60, 6, 5), r"unstable: 5 agents for an offered load of 6"),
        (lambda: erlang_c(0, 180), "calls is 0; it must be a number above 0"),
        (lambda: erlang_c(200, -1), "handling is -1; it must be a number above 0"),
        (lambda: erlang_c(200, 180, 12.5), "agents is 12.5; it must be a whole number"),
        (lambda: erlang_c(200, 180, target=1.0), "target is 1.0; it must be a number of at least 0 and below 1"),
        (lambda: erlang_c(200, 180, within=-5), "within is -5"),
        (lambda: erlang_a(200, 180, 0), "patience is 0; it must be a number above 0"),
        (lambda: erlang_a(200, 180, 60, most_abandoned=0), "some always give up"),
        (lambda: erlang_a(200, 180, 60, most_abandoned=1.5), "most_abandoned is 1.5"),
        (lambda: erlang_b(-1, 3), "load is -1"),
        (lambda: erlang_c(200, 180).staff(1.0), "shrinkage is 1.0"),
        (lambda: pooling(lambda calls: erlang_c(calls, 180), 200, [(0.5, 0.6)]), "shares .* sum to 1.1"),
        (lambda: pooling(lambda calls: erlang_c(calls, 180), 200, cost=-1), "cost is -1"),
        (lambda: pooling(lambda calls: erlang_c(calls, 180), 200, []), "shares is empty"),
        (lambda: pooling(lambda calls: erlang_c(calls, 180), 200, [2.5]), "shares is 2.5; it must be a whole number"),
        (lambda: erlang_c(5e7, 180), "the offered load is 2,500,000"),
        (lambda: erlang_b("3", 3), "load is '3'; it must be a number"),  # type: ignore[arg-type]
        (lambda: pooled_bids({}, [{"bidder": "A", "rate": 1}], agents_for), "arrivals has 0 lots"),
        (lambda: pooled_bids({"x": -1}, [{"bidder": "A", "rate": 1}], agents_for), "arrivals of x is -1"),
        (lambda: pooled_bids({"x": 1}, [{"bidder": "A", "rate": -1}], agents_for), "'rate': -1 is out of range"),
        (lambda: pooled_bids({"x": 1}, [{"bidder": "A", "rate": 1}] * 2, agents_for), "'A' stands already in row 2"),
        (lambda: pooled_bids({"x": 1}, [{"bidder": "A", "rate": 1}], lambda some: math.nan), "need for x is nan"),
        (lambda: cleaning(ZONES, wage=-28), "wage is -28"),
        (lambda: cleaning([ZONES[0], ZONES[0]], wage=28), "'paths' stands already in row 2"),
        (lambda: cleaning([{**ZONES[0], "cost": 5}], wage=28), "the column is what is counted here"),
        (lambda: cleaning([ZONES[0], {**ZONES[1], "side": ""}], wage=28).lots("side"), "is blank for squares"),
        (lambda: cleaning(ZONES, wage=28).lots("hours"), "there is no column 'hours'; there are zone, area"),
        (lambda: cleaning([{**ZONES[0], "rate": 0}], wage=28), "row 2, column 'rate': 0 is out of range"),
        (lambda: cleaning([{"zone": "paths", "area": 1}], wage=28), "column 'times': the column is missing"),
        (lambda: security([{"post": "gate", "count": 1, "hours": 25}], wage=30), "column 'hours': 25 is out of range"),
        (lambda: security([{"post": "gate", "count": 1, "hours": 24}], wage=30, presence=0), "presence is 0"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(call: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        call()
