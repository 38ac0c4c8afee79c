"""Bidding rules compared: draws a second beside plain NumPy and a Python loop, equilibria, growth, two workers.

python benchmarks/auctions.py [NAME ...] [--runs 5] [--draws 1000000] [--write]

Names are rules (draws a second), `solving`, `growth` and `workers`; without any, all. Times are of one core, but for
`workers`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from procure_opt.auction.equilibrium import equilibrium
from procure_opt.auction.market import Market
from procure_opt.auction.rules import AverageBid, FirstPrice, PricePoints, SecondPrice
from procure_opt.auction.simulate import BLOCK, Game, simulated
from results import Timed, brief, in_turn, machine, options, table, write

SUPPLIERS = 5
MARKET = Market((stats.uniform(0, 1), SUPPLIERS), in_house=1.0)


class Means(NamedTuple):
    """Mean payment, its standard error, mean production cost."""

    payment: float
    error: float
    cost: float


# ---- the same in plain NumPy and as a loop, for uniform costs ---------------------------------------------


def numpy_means(paid: Callable[[Any, Any], tuple[Any, Any]], draws: int, seed: int) -> Means:
    """A rule on whole arrays of costs, in lots of a block."""
    generator = np.random.default_rng(seed)
    payments, costs = [], []
    for start in range(0, draws, BLOCK):
        drawn = generator.random((min(BLOCK, draws - start), SUPPLIERS))
        payment, cost = paid(drawn, generator)
        payments.append(payment)
        costs.append(cost)
    payment = np.concatenate(payments)
    return Means(float(payment.mean()), float(payment.std(ddof=1) / draws**0.5), float(np.concatenate(costs).mean()))


def numpy_first(costs: Any, _: Any) -> tuple[Any, Any]:
    bids = costs + (1 - costs) / SUPPLIERS
    winner = bids.argmin(axis=1)
    rows = np.arange(len(costs))
    return bids[rows, winner], costs[rows, winner]


def numpy_second(costs: Any, _: Any) -> tuple[Any, Any]:
    two = np.partition(costs, 1, axis=1)
    return two[:, 1], two[:, 0]


def numpy_mean(costs: Any, generator: Any) -> tuple[Any, Any]:
    winner = generator.integers(SUPPLIERS, size=len(costs))
    return np.ones(len(costs)), costs[np.arange(len(costs)), winner]


def loop_means(paid: Callable[[list[float]], tuple[float, float]], draws: int, seed: int) -> Means:
    """A rule draw by draw."""
    generator = random.Random(seed)
    total = squares = cost = 0.0
    for _ in range(draws):
        payment, own = paid([generator.random() for _ in range(SUPPLIERS)])
        total += payment
        squares += payment * payment
        cost += own
    mean = total / draws
    return Means(mean, (max(squares / draws - mean * mean, 0.0) / draws) ** 0.5, cost / draws)


def loop_first(costs: list[float]) -> tuple[float, float]:
    bids = [cost + (1 - cost) / SUPPLIERS for cost in costs]
    payment = min(bids)
    return payment, costs[bids.index(payment)]


def loop_second(costs: list[float]) -> tuple[float, float]:
    ordered = sorted(costs)
    return ordered[1], ordered[0]


def loop_mean(costs: list[float]) -> tuple[float, float]:
    return 1.0, costs[random.randrange(SUPPLIERS)]


@dataclass(frozen=True)
class Instance:
    """A rule, and what it comes to for uniform costs."""

    rule: Any
    numpy: Callable[[Any, Any], tuple[Any, Any]]
    loop: Callable[[list[float]], tuple[float, float]]


REGISTRY = {
    "first": Instance(FirstPrice(), numpy_first, loop_first),
    "second": Instance(SecondPrice(), numpy_second, loop_second),
    "points": Instance(PricePoints(), numpy_first, loop_first),
    "mean": Instance(AverageBid(), numpy_mean, loop_mean),
}
PARTS = ("solving", "growth", "workers")


def game(rules: list[Any], market: Market = MARKET) -> Game:
    """Rules with their strategies known."""
    return Game(market.acting(), tuple(equilibrium(rule, market) for rule in rules), 0, 1)


def ours(known: Game, draws: int, **how: Any) -> Means:
    """What the library makes of it, every measure included."""
    moments = simulated(known, draws, [str(k) for k in range(len(known.found))], **how)
    error = (moments.own[0, 0, 0] / (draws - 1) / draws) ** 0.5
    return Means(float(moments.mean[0, 0]), float(error), float(moments.mean[0, 1]))


@dataclass(frozen=True)
class Measured:
    """One rule, each way."""

    name: str
    draws: int
    looped: int
    timed: dict[str, Timed]

    @property
    def row(self) -> list[str]:
        """Draws a second, and the ratios."""
        speed = {who: self.draws / self.timed[who].seconds for who in ("compare", "NumPy")}
        loop = self.looped / self.timed["loop"].seconds
        told = [f"{each / 1e6:.2f}" for each in (speed["compare"], speed["NumPy"], loop)]
        return [self.name, *told, f"{speed['compare'] / speed['NumPy']:.2f}", f"{speed['compare'] / loop:.1f}"]


def measure(name: str, instance: Instance, runs: int, draws: int) -> Measured:
    """Draws of one rule, whose means must agree."""
    known, looped = game([instance.rule]), max(100, draws // 20)
    timed = in_turn(
        {
            "compare": lambda: lambda: ours(known, draws),
            "NumPy": lambda: lambda: numpy_means(instance.numpy, draws, 1),
            "loop": lambda: lambda: loop_means(instance.loop, looped, 1),
        },
        runs,
    )
    mine: Means = timed["compare"].result
    for other in (timed["NumPy"].result, timed["loop"].result):
        assert abs(mine.payment - other.payment) <= 6 * (mine.error + other.error) + 1e-12, (name, mine, other)
    return Measured(name, draws, looped, timed)


HEAD = ["rule", "million a second", "NumPy", "loop", "× NumPy", "× loop"]


def market_of(classes: int, each: int = 1) -> Market:
    """Classes of suppliers, the weaker of which start later."""
    return Market([(stats.uniform(0.1 * k, 1 - 0.1 * k), each) for k in range(classes)])


def solving(runs: int) -> list[list[str]]:
    """Seconds until an equilibrium is there, verified."""
    cases = {"first price, one class": (FirstPrice(), MARKET), "second price, one class": (SecondPrice(), MARKET)}
    cases |= {f"first price, {k} classes": (FirstPrice(), market_of(k)) for k in (2, 3, 5)}
    timed = in_turn({name: lambda case=case: lambda: equilibrium(*case) for name, case in cases.items()}, runs)  # type: ignore[misc]
    return [[name, brief(each.seconds), f"{each.result.epsilon:.1g}"] for name, each in timed.items()]


def growth(runs: int, draws: int) -> list[list[str]]:
    """Microseconds a draw of first and second price together, as draws, suppliers and classes grow."""
    sizes = {f"{times * draws:,} draws": (MARKET, times * draws) for times in (1, 2, 4)}
    sizes |= {f"{n} suppliers": (Market((stats.uniform(0, 1), n)), draws) for n in (2, 5, 10, 20)}
    sizes |= {f"{k} classes of one": (market_of(k), draws) for k in (2, 3, 5)}
    rules = [FirstPrice(), SecondPrice()]
    known = {name: (game(rules, market), count) for name, (market, count) in sizes.items()}
    timed = in_turn({name: lambda case=case: lambda: ours(*case) for name, case in known.items()}, runs)  # type: ignore[misc]
    return [[name, f"{1e6 * each.seconds / known[name][1]:.2f}"] for name, each in timed.items()]


def workers(runs: int, draws: int) -> list[list[str]]:
    """Seconds of one and of two processes that are already there."""
    known = game([FirstPrice(), SecondPrice()])
    with ProcessPoolExecutor(1) as one, ProcessPoolExecutor(2) as two:
        pools = {"1": one, "2": two}
        for pool in pools.values():
            ours(known, 4 * BLOCK, executor=pool)
        timed = in_turn(
            {name: lambda pool=pool: lambda: ours(known, draws, executor=pool) for name, pool in pools.items()},  # type: ignore[misc]
            runs,
        )
    assert timed["1"].result == timed["2"].result
    alone = timed["1"].seconds
    return [[name, brief(each.seconds), f"{alone / each.seconds:.2f}"] for name, each in timed.items()]


def text(measured: list[Measured], parts: dict[str, list[list[str]]], runs: int, draws: int) -> str:
    """The section."""
    said = [
        f"""## Bidding rules

`python benchmarks/auctions.py --write`. {machine()}

Medians of {runs} runs. Millions of single-lot auctions a second on one core, {SUPPLIERS} suppliers with uniform costs,
{draws:,} draws: `compare` with strategies known and all measures with their products; NumPy and the loop with the bids
of the closed form, mean payment, its error and mean cost only (the loop on a twentieth of the draws).

{table(HEAD, [each.row for each in measured])}"""
    ]
    heads = {
        "solving": ("Equilibria, verified:", ["equilibrium", "seconds", "ε"]),
        "growth": ("First and second price on the same draws:", ["size", "µs a draw"]),
        "workers": (f"{8 * draws:,} draws of both, by processes:", ["processes", "seconds", "speed-up"]),
    }
    for name, rows in parts.items():
        title, head = heads[name]
        said.append(f"{title}\n\n{table(head, rows)}")
    return "\n\n".join(said)


def main() -> None:
    """Measure what is asked for and print, or write, the tables."""
    names = (*REGISTRY, *PARTS)
    asked = options(__doc__, "any of " + ", ".join(names), draws=(int, 1_000_000, "draws of a run"))
    unknown = set(asked.names) - set(names)
    if unknown:
        raise SystemExit(f"there is no {', '.join(sorted(unknown))} here; there are {', '.join(names)}")
    chosen = asked.names or names
    measured = [measure(name, REGISTRY[name], asked.runs, asked.draws) for name in REGISTRY if name in chosen]
    ways: dict[str, Callable[[], list[list[str]]]] = {
        "solving": lambda: solving(asked.runs),
        "growth": lambda: growth(asked.runs, asked.draws),
        "workers": lambda: workers(asked.runs, 8 * asked.draws),
    }
    parts = {name: ways[name]() for name in PARTS if name in chosen}
    said = text(measured, parts, asked.runs, asked.draws)
    print(said)
    if asked.write:
        write("auctions", said)


if __name__ == "__main__":
    main()
