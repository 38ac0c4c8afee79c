"""One market drawn many times, and every rule played on the same draws.

Draws come in blocks. What a block gives depends on the seed and its number alone, so that it does not matter who works
it out, in what order, or in how many sittings; blocks are put together in their order.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from procure_opt.auction.market import Market
from procure_opt.auction.outcome import Equilibrium
from procure_opt.auction.packages import LocalLocalGlobal, PackageEquilibrium
from procure_opt.auction.rules import FirstScore, SecondScore
from procure_opt.auction.scored import ScoreEquilibrium, best
from procure_opt.auction.symmetric import Strategy

Floats = NDArray[np.float64]
Found = Equilibrium | ScoreEquilibrium | PackageEquilibrium
Places = NDArray[np.intp]

BLOCK = 2**16  # draws that are worked out, and kept in a checkpoint, as one
PIECE = 2**13  # draws worked out at a time, so that their arrays stay in the cache
CELLS = 2**13  # of a strategy's table
CLOSE = 1e-7  # the largest error of a table, as a share of the spread of costs; beyond, the strategy itself is used
AHEAD = 256  # blocks handed to an executor before the first comes back
TRIAL = 1000  # draws by which a checkpoint is recognised
MARK = ', "sha256": "'  # stands before the hash of a block in a checkpoint

# What is summed for each rule; after these, for each class, whether it won.
PAYMENT, COST, QUALITY, BIDS, ENTRANTS, CHEAPEST, WON = range(7)


class Moments(NamedTuple):
    """Number of draws, means and centred products of what was summed.

    Args:
        draws: n.
        mean: Shape (rules, sums).
        own: Σ (x − x̄)(x − x̄)′ of each rule, shape (rules, sums, sums).
        cross: Σ (x − x̄)(y − ȳ)′ of each rule with the base, shape (rules, sums, sums).
    """

    draws: int
    mean: Floats
    own: Floats
    cross: Floats

    @classmethod
    def of(cls, values: Floats, base: int) -> Moments:
        """The moments of values of shape (rules, sums, draws)."""
        mean = values.mean(axis=2)
        off = values - mean[:, :, None]
        # einsum, and no BLAS: the same bits on any number of threads
        own = np.einsum("rin,rjn->rij", off, off)
        return cls(values.shape[2], mean, own, np.einsum("rin,jn->rij", off, off[base]))

    def with_(self, other: Moments, base: int) -> Moments:
        """Both together (Chan, Golub and LeVeque 1983, The American Statistician 37)."""
        draws = self.draws + other.draws
        gap = other.mean - self.mean
        weight = self.draws * other.draws / draws
        return Moments(
            draws,
            self.mean + gap * (other.draws / draws),
            self.own + other.own + weight * gap[:, :, None] * gap[:, None, :],
            self.cross + other.cross + weight * gap[:, :, None] * gap[base],
        )


@dataclass(frozen=True, eq=False)
class Table:
    """A strategy in straight pieces of equal width, which are looked up instead of searched for."""

    strategy: Strategy
    starts: Floats
    steps: Floats

    @classmethod
    def of(cls, strategy: Strategy, spread: float) -> Callable[[Floats], Floats]:
        """The table of a strategy, or the strategy where a table is not `CLOSE` enough.

        The error is looked for in the middle of every cell and at every point of the strategy.
        """
        smooth = replace(strategy, pooled=-math.inf, ceiling=math.inf)
        ends = np.linspace(strategy.costs[0], strategy.costs[-1], CELLS + 1)
        bids = smooth(ends)
        table = cls(smooth, bids, np.append(np.diff(bids), 0.0))
        tried = np.append((ends[1:] + ends[:-1]) / 2, strategy.costs)
        close = np.abs(table(tried) - smooth(tried)).max() <= CLOSE * spread
        return replace(table, strategy=strategy) if close else strategy

    def __call__(self, cost: Floats) -> Floats:
        """The bids of some costs."""
        own = self.strategy
        low, high = own.costs[0], own.costs[-1]
        place = np.clip((cost - low) * (CELLS / (high - low)), 0.0, CELLS)
        cell = place.astype(np.int32)
        place -= cell
        bids: Floats = self.steps.take(cell)
        bids *= place
        bids += self.starts.take(cell)
        if (cost > high).any():
            bids = np.where(cost > high, cost, bids)
        if own.pooled > -math.inf:
            bids = np.where(cost <= own.pooled, own.pool, bids)
        if own.ceiling < math.inf:
            bids = np.where(cost > own.ceiling, np.nan, bids)
        return bids


class Round(NamedTuple):
    """A rule played once on each draw: which class wins, shape (classes, draws), what is paid, the winner's cost and
    quality (0 if there is none), bids and entrants."""

    won: NDArray[np.bool_]
    payment: Floats
    cost: Floats
    quality: Any
    bids: Any
    entrants: Any


@dataclass(frozen=True, eq=False)
class Player:
    """A rule and the strategies it is played with."""

    found: Equilibrium
    curves: tuple[Callable[[Floats], Floats], ...]

    @classmethod
    def of(cls, found: Equilibrium) -> Player:
        """The player of an equilibrium."""
        spread = max(float(each.ppf(0.999) - each.ppf(0.001)) for each, _ in found.market.known)
        return cls(found, tuple(Table.of(each, spread) for each in found.strategies))

    def __call__(self, known: Floats, costs: Floats, coins: Floats | None, ties: np.random.Generator) -> Round:
        """Play what suppliers know and what the work costs them, shape (draws, bidders), the same without a common
        component; coins, of the same shape, say who enters where that is chance."""
        market, start = self.found.market, 0
        by_bidder = np.ascontiguousarray(known.T)
        if len(self.curves) == 1:
            asked = self.curves[0](by_bidder).T
        else:
            asked = np.empty_like(by_bidder).T
            for count, curve in zip(market.counts, self.curves, strict=True):
                asked.T[start : start + count] = curve(by_bidder[start : start + count])
                start += count
        entrants: Any = market.bidders
        if coins is not None and self.found.bidding < 1:
            enters = coins < self.found.bidding
            asked[~enters] = np.nan
            entrants = enters.sum(axis=1)
        bids: Any = market.bidders
        if self.found.bidding < 1 or any(each.ceiling < math.inf for each in self.found.strategies):
            bids = market.bidders - np.isnan(asked).sum(axis=1)
        if market.entry == "informed":
            entrants = bids
        winner, payment = self.found.rule(asked, market.cls, ties)
        cost = costs[np.arange(len(costs)), np.maximum(winner, 0)]
        return Round(_won(market, winner), payment, np.where(winner < 0, 0.0, cost), 0.0, bids, entrants)


@dataclass(frozen=True, eq=False)
class ScorePlayer:
    """A scoring rule, with the quality and the price offered by each type."""

    found: ScoreEquilibrium

    def __call__(self, types: Floats, costs: Floats, coins: Floats | None, ties: np.random.Generator) -> Round:
        """Play types of shape (draws, bidders). Equal scores have no chance, so that there are no ties to break."""
        rule, shown = self.found.rule, self.found.market.quality
        assert shown is not None
        quality, price = self.found.quality(types), self.found.bid(types)
        value = np.asarray(rule.value(quality), dtype=float) if isinstance(rule, FirstScore | SecondScore) else quality
        rank = price - value if isinstance(rule, FirstScore | SecondScore) else price / quality
        rows, winner = np.arange(len(types)), rank.argmin(axis=1)
        own, delivered, paid = types[rows, winner], quality[rows, winner], price[rows, winner]
        second = np.partition(rank, 1, axis=1)[:, 1]
        if isinstance(rule, SecondScore):
            paid = value[rows, winner] + second
        elif getattr(rule, "second", False):
            delivered = best(lambda q: second * q - shown.cost(q, own), shown, own.shape)
            paid = second * delivered
        market = self.found.market
        return Round(
            _won(market, winner),
            paid,
            np.asarray(shown.cost(delivered, own)),
            delivered,
            market.bidders,
            market.bidders,
        )


@dataclass(frozen=True, eq=False)
class PackagePlayer:
    """A rule on packages. What is done in-house is paid, and costs, the ceiling; a class wins if one of it does."""

    found: PackageEquilibrium

    def __call__(self, costs: Floats, _: Floats, coins: Floats | None, ties: np.random.Generator) -> Round:
        """Play costs of shape (draws, 3). Equal offers have no chance, so that there are no ties to break."""
        market = self.found.market
        asked, package = self.found.bid(costs[:, :2], 0), self.found.bid(costs[:, 2], 1)
        outcome = self.found.rule.outcome(asked, package, market.ceiling)
        local = outcome.locals_win[:, None] & (asked <= market.ceiling)
        whole = ~outcome.locals_win & (package <= 2 * market.ceiling)
        done = np.where(local, costs[:, :2], 0.0).sum(axis=1) + np.where(whole, costs[:, 2], 0.0)
        payment = outcome.payments.sum(axis=1) + outcome.in_house
        bids = (asked <= market.ceiling).sum(axis=1) + (package <= 2 * market.ceiling)
        return Round(np.stack([local.any(axis=1), whole]), payment, done + outcome.in_house, 0.0, bids, 3)


def _won(market: Market, winner: Places) -> NDArray[np.bool_]:
    """Which class wins, from the winner, −1 if there is none."""
    if len(market.counts) == 1:
        return (winner >= 0)[None, :]
    return np.asarray((winner >= 0) & (market.cls[winner] == np.arange(len(market.counts))[:, None]))


def player_of(found: Found) -> Callable[[Floats, Floats, Floats | None, np.random.Generator], Round]:
    """Who plays an equilibrium."""
    if isinstance(found, Equilibrium):
        return Player.of(found)
    return PackagePlayer(found) if isinstance(found, PackageEquilibrium) else ScorePlayer(found)


@dataclass(frozen=True, eq=False)
class Game:
    """Rules to be played on the same draws of a market.

    Args:
        market: As it bids.
        found: The equilibrium of each rule.
        base: The place of the rule the others are compared with.
        seed: Of costs, entry and ties.
    """

    market: Market | LocalLocalGlobal
    found: tuple[Found, ...]
    base: int
    seed: int

    def __call__(self, block: int, draws: int) -> Moments:
        """The moments of a block.

        Costs, entry, ties and signals come from streams of their own, and each rule has the same stream of ties: what a
        rule gives does not depend on which others it is compared with.
        """
        costs, coins, signals = (self._stream(block, number) for number in (0, 1, 3))
        ties = [self._stream(block, 2) for _ in self.found]
        players = [player_of(each) for each in self.found]
        chance = any(isinstance(each, Equilibrium) and each.bidding < 1 for each in self.found)
        classes = len(self.market.classes)
        total: Moments | None = None
        for start in range(0, draws, PIECE):
            # One bidder after the other: minima and sums over bidders are then those of long vectors.
            drawn = np.asfortranarray(self.market.draw(min(PIECE, draws - start), costs))
            entry = coins.random(drawn.shape) if chance else None
            known, cost, cheapest = self._facts(drawn, signals)
            values = np.empty((len(players), WON + classes, len(drawn)))
            for player, tie, row in zip(players, ties, values, strict=True):
                played = player(known, cost, entry, tie)
                row[PAYMENT], row[COST], row[QUALITY] = played.payment, played.cost, played.quality
                row[BIDS], row[ENTRANTS], row[CHEAPEST] = played.bids, played.entrants, cheapest
                row[WON:] = played.won
            moments = Moments.of(values, self.base)
            total = moments if total is None else total.with_(moments, self.base)
        assert total is not None
        return total

    def _facts(self, drawn: Floats, signals: np.random.Generator) -> tuple[Floats, Floats, Floats]:
        """What suppliers know, what the work costs them, and the least that it can cost."""
        if isinstance(self.market, LocalLocalGlobal):
            return drawn, drawn, self.market.least_cost(drawn)
        known, cost = self.market.share(drawn, signals)
        in_house = math.inf if self.market.in_house is None else self.market.in_house
        return known, cost, np.minimum(cost.min(axis=1), in_house)

    def _stream(self, block: int, number: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(block, number)))


def simulated(
    game: Game,
    draws: int,
    names: Sequence[str],
    executor: Executor | None = None,
    checkpoint: str | Path | None = None,
    progress: bool = False,
) -> Moments:
    """The moments of all draws.

    Args:
        game: What is played.
        draws: How often.
        names: Of the rules, for the checkpoint.
        executor: Who works out the blocks; None: they are worked out here.
        checkpoint: File that keeps finished blocks, and gives back those it has.
        progress: Whether to show a bar on stderr.

    Raises:
        ValueError: the checkpoint was made by other arguments.
    """
    sizes = [min(BLOCK, draws - start) for start in range(0, draws, BLOCK)]
    kept = _Checkpoint(Path(checkpoint), game, names) if checkpoint is not None else None
    done = {
        block: moments
        for block, moments in (kept.read() if kept else {}).items()
        if block < len(sizes) and moments.draws == sizes[block]
    }
    todo = [(block, size) for block, size in enumerate(sizes) if block not in done]
    columns = (TextColumn("draws"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), disable=not progress) as bar:
        task = bar.add_task("draws", total=draws, completed=sum(moments.draws for moments in done.values()))
        for block, moments in _worked(game, todo, executor):
            done[block] = moments
            if kept is not None:
                kept.append(block, moments)
            bar.advance(task, moments.draws)
    total = done[0]
    for block in range(1, len(sizes)):
        total = total.with_(done[block], game.base)
    return total


def _worked(game: Game, todo: list[tuple[int, int]], executor: Executor | None) -> Iterator[tuple[int, Moments]]:
    """Blocks and their moments, as they are finished."""
    if executor is None:
        yield from ((block, game(block, size)) for block, size in todo)
        return
    left = iter(todo)
    waiting: dict[Future[Moments], int] = {}
    try:
        while True:
            for block, size in islice(left, AHEAD - len(waiting)):
                waiting[executor.submit(game, block, size)] = block
            if not waiting:
                return
            finished = wait(waiting, return_when=FIRST_COMPLETED).done
            # Blocks first and failures last, so that what is finished is kept.
            for future in sorted(finished, key=lambda each: each.cancelled() or each.exception() is not None):
                yield waiting.pop(future), future.result()
    finally:
        for future in waiting:
            future.cancel()


def _mark(text: str) -> str:
    """What ends the line of a block: a hash of what stands before."""
    return f'{hashlib.sha256(text.encode()).hexdigest()}"}}'


class _Checkpoint:
    """Finished blocks in a file of JSON lines, the first of which says what they are blocks of.

    A comparison is known by its seed, its rules, and what they give in a few first draws. Each block ends with a hash
    of itself; one that was cut off in writing, or changed since, is worked out again.
    """

    def __init__(self, path: Path, game: Game, names: Sequence[str]):
        self.path = path
        trial = game(0, TRIAL)
        self.about: dict[str, Any] = {
            "seed": game.seed,
            "rules": list(names),
            "base": names[game.base],
            "block": BLOCK,
            "first draws": [*trial.mean.ravel().tolist(), *np.diagonal(trial.own, 0, 1, 2).ravel().tolist()],
        }

    def read(self) -> dict[int, Moments]:
        """The finished blocks."""
        written = self.path.read_bytes() if self.path.exists() else b""
        whole = written[: written.rfind(b"\n") + 1]
        head = json.dumps(self.about) + "\n"
        if not whole and head.encode().startswith(written):
            self.path.write_text(head, encoding="utf-8")
            return {}
        first, *lines = whole.decode("utf-8", errors="replace").split("\n")
        self._check(first)
        if len(whole) < len(written):
            with self.path.open("r+b") as file:
                file.truncate(len(whole))
        found = {}
        for line in lines:
            text, _, mark = line.rpartition(MARK)
            if mark == _mark(text):
                block = json.loads(text + "}")
                sums = (np.array(block[name], dtype=float) for name in ("mean", "own", "cross"))
                found[int(block["block"])] = Moments(int(block["draws"]), *sums)
        return found

    def append(self, block: int, moments: Moments) -> None:
        """Keep a finished block."""
        sums = {name: getattr(moments, name).tolist() for name in ("mean", "own", "cross")}
        text = json.dumps({"block": block, "draws": moments.draws, **sums})[:-1]
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{text}{MARK}{_mark(text)}\n")

    def _check(self, first: str) -> None:
        try:
            about = json.loads(first)
            named = {key: about[key] for key in self.about}
            draws = np.array(named["first draws"], dtype=float)
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            raise ValueError(f"{self.path} is no checkpoint of a comparison; name another file") from None
        for key, mine in self.about.items():
            if key == "first draws":
                same = draws.shape == np.shape(mine) and np.allclose(draws, mine, rtol=1e-9, atol=0)
                told = "the same seed gives other draws, so its market or the parameters of its rules differ"
            else:
                same, told = named[key] == mine, f"its {key} is {named[key]!r}, and here it is {mine!r}"
            if not same:
                raise ValueError(
                    f"{self.path} is the checkpoint of another comparison: {told}; name another file, or delete it"
                )
