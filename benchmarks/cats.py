"""Combinatorial auctions of the CATS suite, read from its files or drawn from a seed, and turned into tenders.

python benchmarks/cats.py FAMILY GOODS BIDS SEED FOLDER    writes lots.csv, bids.csv and tender.toml (the money unit)

In a forward auction a seller awards goods to the bids of highest total value W*. It becomes a tender by duality: the
buyer can do lot l itself for r_l, and whoever values the goods S at v(S) offers them for c(S) = Σ_{l∈S} r_l − v(S).
Any partial award then costs Σ_l r_l less its value, so C* = Σ r − W* whatever r is, and a payment rule that asks p_fwd
of the winner of S_i forward grants it p_rev = Σ_{l∈S_i} r_l − p_fwd here.

Leyton-Brown, Pearson and Shoham, Towards a Universal Test Suite for Combinatorial Auction Algorithms, EC 2000.
"""

from __future__ import annotations

import heapq
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

import procure_opt as po

Bundle = tuple[int, ...]
Offers = list[tuple[float, Bundle]]  # what one bidder would give for each of its bundles, of which it wants one


class Bid(NamedTuple):
    """All of the goods or none, for a value in whole money units; at most one of a bidder's `xor` bids may win."""

    goods: Bundle
    value: int
    bidder: int
    xor: bool


@dataclass(frozen=True)
class Auction:
    """A forward auction of `goods` goods, numbered from 0; `notes` tell what was read otherwise than it is written."""

    name: str
    goods: int
    bids: tuple[Bid, ...]
    decimals: int  # a money unit is 10**-decimals
    notes: tuple[str, ...] = ()

    @property
    def money_unit(self) -> float:
        """The money of one unit."""
        return float(f"1e-{self.decimals}")


# ---- from a forward auction to a tender ----------------------------------------------------------------------


def lots_value(auction: Auction) -> NDArray[np.int64]:
    """What each good is to cost the buyer who keeps it, r_l = max v(S) / |S| over the bids S with l, in money units.

    Rounded up, so that Σ_{l∈S} r_l >= v(S) and no price is negative. A good nobody wants is worth 0.
    """
    worth = np.zeros(auction.goods, dtype=np.int64)
    for bid in auction.bids:
        goods = list(bid.goods)
        worth[goods] = np.maximum(worth[goods], -(-bid.value // len(goods)))
    return worth


def procurement(auction: Auction) -> tuple[po.Tender, pd.Series]:
    """The dual tender, one bid of price Σ_{l∈S} r_l − v(S) for each of the auction's, and r in money, by lot.

    Lot L3 is good 3, bid b7 the eighth bid; r is both in-house cost and estimate.
    """
    worth, unit = lots_value(auction), 10**auction.decimals  # dividing by it gives the decimal number to the last bit
    lots = pd.DataFrame({"lot": [f"L{good}" for good in range(auction.goods)]})
    lots["estimate"] = lots["in_house"] = worth / unit
    price = [int(worth[list(bid.goods)].sum()) - bid.value for bid in auction.bids]
    bids = pd.DataFrame({
        "bid": [f"b{j}" for j in range(len(price))],
        "bidder": [f"B{bid.bidder}" for bid in auction.bids],
        "lots": [";".join(f"L{good}" for good in bid.goods) for bid in auction.bids],
        "price": np.array(price) / unit,
        "xor": ["xor" if bid.xor else "" for bid in auction.bids],
    })  # fmt: skip
    tender = po.Tender(lots, bids, name=auction.name, money_unit=auction.money_unit, notes=auction.notes)
    return tender, lots.set_index("lot")["in_house"]


def forward(award: po.Award, worth: pd.Series, paid: pd.Series) -> pd.Series:
    """What each winner pays the seller in the auction, p_fwd = Σ_{l∈S_i} r_l − p_rev; `paid` is p_rev by bidder."""
    won = [worth[lots.split(";")].sum() for lots in award.bids["lots"]]
    return pd.Series(won, index=award.bids["bidder"]).groupby(level=0).sum() - paid


# ---- the text format -----------------------------------------------------------------------------------------


def read_auction(path: str | Path) -> Auction:
    """Read a file of the CATS text format; see `parse_auction`."""
    return parse_auction(Path(path).read_text(encoding="utf-8"), Path(path).name)


def parse_auction(text: str, name: str) -> Auction:
    """Read the CATS text format: `goods N`, `bids N`, `dummy N`, then a line a bid, `number value good … #`.

    An index from N goods on is a dummy: bids that share it are of one bidder, who wants one of them; any other bid is a
    bidder by itself. A bid has at most one dummy, above its goods, so where a bid names two such indices the lower one
    is a good the header does not count (the paths generator makes more goods than it was asked for and says so
    nowhere): the goods are the fewest, from N on, that leave no bid with two dummies. The counts of bids in headers
    do not always match the lines, and are not held against the file.

    Values are whole numbers of the smallest decimal in the file, or, should that take more than 2**50 units for all
    goods together, rounded to the smallest decimal that does not.

    Raises:
        ValueError: naming the file, the line and what is wrong there.
    """
    header: dict[str, int] = {}
    lines: list[tuple[str, Decimal, Bundle]] = []
    numbers: set[str] = set()
    where = f"{name}, line 1"
    for count, line in enumerate(text.splitlines(), 1):
        words, where = line.split(), f"{name}, line {count}"
        if not words or words[0].startswith("%"):
            continue
        word = words[0].lower()
        if word in ("goods", "bids", "dummy"):
            if len(words) != 2 or not _whole(words[1]) or (word == "goods" and int(words[1]) == 0):
                raise ValueError(f"{where}: {line.strip()!r} must be '{word}' and one whole number")
            if word in header or lines:
                raise ValueError(f"{where}: {word!r} must stand once, before the bids")
            header[word] = int(words[1])
            continue
        if "goods" not in header or "dummy" not in header:
            raise ValueError(f"{where}: {line.strip()!r} stands where 'goods', 'bids' and 'dummy' should be")
        value, goods = _bid(words, header["goods"] + header["dummy"], where)
        if word in numbers:
            raise ValueError(f"{where}: bid {word} stands there already")
        numbers.add(word)
        lines.append((where, value, goods))
    if not lines:
        raise ValueError(f"{where}: the file ends without a bid")
    return _read(name, header["goods"], lines)


def _bid(words: Sequence[str], indices: int, where: str) -> tuple[Decimal, Bundle]:
    """The value and the indices of a bid's line."""
    if not _whole(words[0]):
        raise ValueError(f"{where}: {words[0]!r} is not the number of a bid")
    if words[-1] != "#":
        raise ValueError(f"{where}: the bid does not end with '#'")
    if len(words) < 4:
        raise ValueError(f"{where}: a bid is its number, its value, one good or more, and '#'")
    try:
        value = Decimal(words[1])
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite() or value < 0:
        raise ValueError(f"{where}: {words[1]!r} is not a value of at least 0")
    for word in words[2:-1]:
        if not _whole(word) or int(word) >= indices:
            raise ValueError(f"{where}: {word!r} is not a good: goods and dummies go from 0 to {indices - 1}")
    goods = tuple(sorted(int(word) for word in words[2:-1]))
    if len(set(goods)) < len(goods):
        raise ValueError(f"{where}: the bid names a good twice")
    return value, goods


def _whole(word: str) -> bool:
    """A whole number in plain digits."""
    return word.isascii() and word.isdigit()


def _read(name: str, said: int, lines: Sequence[tuple[str, Decimal, Bundle]]) -> Auction:
    """Tell goods from dummies, and make whole numbers of the values."""
    goods = max(said, *(indices[-2] + 1 for _, _, indices in lines if len(indices) > 1), 1)
    notes = [] if goods == said else [f"the header says {said} goods, but bids with a dummy name good {goods - 1}"]

    dearest = max(value for _, value, _ in lines)
    written = max(0, *(-int(value.normalize().as_tuple().exponent) for _, value, _ in lines))
    decimals = min(written, 14 - (goods * dearest).adjusted())  # then goods · dearest < 10**15 < 2**50 units
    if decimals < 0:
        where = next(where for where, value, _ in lines if value == dearest)
        raise ValueError(f"{where}: {dearest} for each good makes more money than can be held exactly")
    if decimals < written:
        notes.append(f"values are rounded from {written} to {decimals} decimals, or they would exceed 2**50 units")

    bidders: dict[int, int] = {}
    bids: list[Bid] = []
    for where, value, indices in lines:
        dummy = indices[-1] if indices[-1] >= goods else None
        if dummy is not None and len(indices) == 1:
            raise ValueError(f"{where}: the bid names the dummy {dummy} but no good")
        # a bid without a dummy gets a key no other bid has
        bidder = bidders.setdefault(-1 - len(bids) if dummy is None else dummy, len(bidders))
        units = int(value.scaleb(decimals).to_integral_value())
        bids.append(Bid(indices if dummy is None else indices[:-1], units, bidder, dummy is not None))
    return Auction(name, goods, tuple(bids), decimals, tuple(notes))


# ---- the families, drawn from a seed ---------------------------------------------------------------------------
# Each follows the paper with its parameters, and where the paper leaves a choice, the files the CATS program writes.
# The bidder that reaches the number of bids asked for makes no more, so that the number is met exactly.


def _auction(family: str, goods: int, bids: int, seed: int, decimals: int, bidders: Iterable[Offers]) -> Auction:
    """Take bidders until there are bids enough; values are rounded to `decimals`, but not down to nothing."""
    if bids < 1:
        raise ValueError(f"{family} with {bids} bids: an auction has one bid or more")
    made: list[Bid] = []
    for bidder, wanted in enumerate(offers for offers in bidders if offers):
        offers = wanted[: bids - len(made)]
        for worth, bundle in offers:
            made.append(Bid(bundle, max(1, round(worth * 10**decimals)), bidder, len(offers) > 1))
        if len(made) == bids:
            break
    return Auction(f"{family}-g{goods}-b{bids}-s{seed}", goods, tuple(made), decimals)


def _refuse_none(family: str, goods: int) -> None:
    """There must be something to sell."""
    if goods < 1:
        raise ValueError(f"{family} with {goods} goods: an auction has one good or more")


def regions(goods: int, bids: int, seed: int, *, jump: float = 0.05) -> Auction:
    """Plots of land on a map: neighbours are worth more together, and a bidder's plots hang together.

    The map is a square grid of neighbours. A side of a plot is closed with probability 0.1, and with 0.2 a crossing is
    open to one of its two diagonals. A bidder's next plot is any one with probability `jump`; see `_shoppers`.
    """
    _refuse_none("regions", goods)
    rng = np.random.default_rng(seed)
    near = _map(goods, rng)
    while goods > 1 and not near.any(axis=0).all():  # no plot is an island
        near = _map(goods, rng)
    return _auction("regions", goods, bids, seed, 3, _shoppers(near, jump, rng))


def _map(goods: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Goods x goods, 1 for neighbours. Rows of ⌈√goods⌉ goods; the last row may be shorter."""
    width = int(np.ceil(np.sqrt(goods)))
    plot = np.arange(-(-goods // width) * width).reshape(-1, width)
    near = np.zeros((plot.size, plot.size))
    crossing, falls = (rng.random(plot[1:, 1:].shape) < chance for chance in (0.2, 0.5))
    for one, other, open_ in (
        (plot[:, :-1], plot[:, 1:], rng.random(plot[:, 1:].shape) < 0.9),
        (plot[:-1], plot[1:], rng.random(plot[1:].shape) < 0.9),
        (plot[:-1, :-1], plot[1:, 1:], crossing & falls),
        (plot[:-1, 1:], plot[1:, :-1], crossing & ~falls),
    ):
        near[one[open_], other[open_]] = 1
    return (near + near.T)[:goods, :goods]


def arbitrary(goods: int, bids: int, seed: int) -> Auction:
    """As regions, but every two goods are related, with a strength from 0 to 1, and no bidder jumps."""
    _refuse_none("arbitrary", goods)
    rng = np.random.default_rng(seed)
    near = np.triu(rng.random((goods, goods)), 1)
    return _auction("arbitrary", goods, bids, seed, 3, _shoppers(near + near.T, 0.0, rng))


def _shoppers(near: NDArray[np.float64], jump: float, rng: np.random.Generator) -> Iterator[Offers]:
    """Bidders who start from a good they like and add goods related to it.

    A bundle is worth v(B) = Σ_{g∈B} (c_g + p_g) + |B|^1.2, where c ~ U(1, 100) is the same for all and p ~ U(−50, 50)
    the bidder's own. It has one good more with probability 0.9, again and again. A substitute is as large a bundle that
    starts from one good of the first; up to five of those that are worth the most are bid on, if v <= 1.5·v(B) and
    Σ c >= 0.5·Σ_{g∈B} c_g.
    """
    goods = len(near)
    common = rng.uniform(1, 100, goods)
    while True:
        private = rng.uniform(-50, 50, goods)
        liking = private + 50
        size = min(int(rng.geometric(0.1)), goods)
        first = rng.choice(goods, 1, p=liking / liking.sum())
        bundle = _grown(first, size, near, liking, jump, rng)[0]
        worth = (common + private)[bundle].sum() + size**1.2
        if worth <= 0:
            continue
        others = _grown(bundle, size, near, liking, jump, rng)
        worths = (common + private)[others].sum(axis=1) + size**1.2
        resale = common[others].sum(axis=1)
        fit = (worths > 0) & (worths <= 1.5 * worth) & (resale >= 0.5 * common[bundle].sum())
        offers = {tuple(sorted(bundle.tolist())): float(worth)}
        for one in np.argsort(-worths, kind="stable"):
            if fit[one] and len(offers) < 6:
                offers.setdefault(tuple(sorted(others[one].tolist())), float(worths[one]))
        yield [(value, goods_of_it) for goods_of_it, value in offers.items()]


def _grown(
    first: NDArray[np.intp], size: int, near: NDArray[np.float64], liking: NDArray[np.float64], jump: float,
    rng: np.random.Generator,
) -> NDArray[np.intp]:  # fmt: skip
    """A bundle of `size` goods from each first good, all grown at once: (len(first), size).

    The next good x is drawn with weight liking_x · Σ_{y∈B} near_xy, or, with probability `jump` or where nothing is
    near, as any good that is not yet in.
    """
    rows = np.arange(len(first))
    bundle = np.empty((len(first), size), dtype=np.intp)
    bundle[:, 0] = first
    free = np.ones((len(first), len(near)), dtype=bool)
    pull = np.zeros(free.shape)
    for k in range(1, size):
        free[rows, bundle[:, k - 1]] = False
        pull += near[bundle[:, k - 1]]
        weight = free * pull * liking
        leaps = (rng.random(len(first)) < jump) | ~weight.any(axis=1)
        weight[leaps] = free[leaps]
        below = np.cumsum(weight, axis=1)
        bundle[:, k] = (below <= rng.random((len(first), 1)) * below[:, -1:]).sum(axis=1)
    return bundle


def paths(goods: int, bids: int, seed: int) -> Auction:
    """Links of a network, say of rail or pipes: a bidder wants any one of the routes between two cities.

    It gives U(1, 1.5) times their distance, and bids on up to five of the shortest routes that are shorter than that;
    a pair without such a route does not bid. (In the paper the length of a route comes off its value; in the files of
    the CATS program all routes are worth the same, and so here.)
    """
    _refuse_none("paths", goods)
    rng = np.random.default_rng(seed)
    return _auction("paths", goods, bids, seed, 6, _shippers(*network(goods, rng), rng))


def network(goods: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], list[tuple[int, int]]]:
    """The distances of cities placed at random in a unit square, and the two cities of each link, `goods` in all.

    The cheapest way from each city to its two nearest is built, then the one between two cities at random, and again;
    a link not yet built counts 1.7 times its length. When as many pairs in a row as there are cities need no new link
    the network is complete: with too few links, more cities are placed instead. So are, again, if parts are cut off.
    """
    cities = max(2, 5 * goods // 8)  # complete networks have about 1.5 links to a city
    while True:
        place = rng.random((cities, 2))
        distance = np.hypot(*(place[:, None] - place[None]).transpose(2, 0, 1))
        cost, links, idle = 1.7 * distance, list[tuple[int, int]](), 0
        nearest = ((one, int(other)) for one in range(cities) for other in np.argsort(distance[one])[1:3])
        for one, other in itertools.chain(nearest, _pairs(cities, rng)):
            way = _cheapest(cost, distance[other], one, other)
            new = [pair for pair in itertools.pairwise(way) if cost[pair] > distance[pair]][: goods - len(links)]
            for pair in new:
                cost[pair] = cost[pair[::-1]] = distance[pair]
            links += new
            idle = 0 if new else idle + 1
            if len(links) == goods or idle > max(cities, 2 * cities - len(links)):
                break
        if len(links) < goods:
            cities += max(1, (goods - len(links)) // 2)
        elif csgraph.connected_components(cost == distance)[0] == 1:
            return distance, links


def _pairs(cities: int, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Two different cities, at random, for ever."""
    while True:
        one, other = rng.integers(0, [cities, cities - 1])
        yield int(one), int(other + (other >= one))


def _cheapest(cost: NDArray[np.float64], left: NDArray[np.float64], start: int, end: int) -> list[int]:
    """The cities on the cheapest way (A*); `left` is at most what remains to be paid from each city."""
    paid, before = np.full(len(cost), np.inf), np.full(len(cost), -1)
    paid[start] = 0.0
    promise = np.full(len(cost), np.inf)
    promise[start] = left[start]
    city = start
    while city != end:
        promise[city] = np.inf
        through = paid[city] + cost[city]
        less = through < paid
        paid[less], before[less] = through[less], city
        promise[less] = through[less] + left[less]
        city = int(promise.argmin())
    way = [end]
    while way[-1] != start:
        way.append(int(before[way[-1]]))
    return way[::-1]


def _shippers(
    distance: NDArray[np.float64], links: list[tuple[int, int]], rng: np.random.Generator
) -> Iterator[Offers]:
    """Bidders for the routes between two cities."""
    one, other = np.array(links).T
    network = sparse.coo_array((distance[one, other], (one, other)), shape=distance.shape)
    left = csgraph.shortest_path(network, directed=False)
    from_city: list[list[tuple[int, int, float]]] = [[] for _ in distance]
    for good, (a, b) in enumerate(links):
        from_city[a].append((b, good, float(distance[a, b])))
        from_city[b].append((a, good, float(distance[a, b])))
    for start, end in _pairs(len(distance), rng):
        worth = float(distance[start, end] * rng.uniform(1, 1.5))
        yield [(worth, route) for route in _routes(from_city, left[end].tolist(), start, end, worth)]


def _routes(
    from_city: list[list[tuple[int, int, float]]], left: list[float], start: int, end: int, limit: float
) -> list[Bundle]:
    """Up to five shortest routes, as goods, that pass no city twice and are shorter than `limit`.

    The part of a route with the least it can come to goes on first, so that routes are finished in order of length.
    """
    found: list[Bundle] = []
    parts: list[tuple[float, float, Bundle, Bundle]] = [(left[start], 0.0, (start,), ())] * (left[start] < limit)
    while parts and len(found) < 5:
        _, length, way, goods = heapq.heappop(parts)
        if way[-1] == end:
            found.append(tuple(sorted(goods)))
            continue
        for city, good, far in from_city[way[-1]]:
            if city not in way and length + far + left[city] < limit:
                heapq.heappush(parts, (length + far + left[city], length + far, (*way, city), (*goods, good)))
    return found


def matching(goods: int, bids: int, seed: int) -> Auction:
    """Runway slots: a flight wants a slot to take off at one airport and one to land at another.

    Good 4·t + a is time t at airport a: Chicago O'Hare, Washington National, New York Kennedy, New York La Guardia. A
    flight between the farthest two takes ten times, or as many as there are less one; none goes within New York. It
    means to start at s and to be there, after a flight of f, at s + f; any start from s − 1 to s + 2 will do, and any
    landing in [start + f, s + f + 2]. It gives dev·(price + price')·0.9^delay·0.75^late, prices ~ U(0, 5),
    dev ~ U(0.5, 1.5), delay = landing − start − f, late = min(landing − s − f, 0). So published, and so in the files:
    being early pays, being late costs nothing but the delay.
    """
    if goods < 8 or goods % 4:
        raise ValueError(f"matching with {goods} goods: it needs two times or more at each of four airports")
    return _auction("matching", goods, bids, seed, 5, _flights(goods // 4, np.random.default_rng(seed)))


def _flights(times: int, rng: np.random.Generator) -> Iterator[Offers]:
    """Bidders for a slot to take off and a slot to land; times count from 0."""
    place = np.array([(-87.75, 41.98), (-77.03, 38.85), (-73.78, 40.65), (-73.87, 40.77)])  # degrees, as on a plane
    distance = np.hypot(*(place[:, None] - place[None]).transpose(2, 0, 1))
    lasts = np.rint(min(10, times - 1) * distance / distance[:2].max()).astype(int)
    price = rng.uniform(0, 5, 4)
    for a, b in _pairs(4, rng):
        if {a, b} == {2, 3}:
            continue
        flight = int(lasts[a, b])
        means = int(rng.integers(0, times - flight))
        gives = rng.uniform(0.5, 1.5) * (price[a] + price[b])
        offers: Offers = []
        for start in range(max(0, means - 1), min(times - 1, means + 2) + 1):
            for landing in range(start + flight, min(times - 1, means + flight + 2) + 1):
                delay, late = landing - start - flight, min(landing - means - flight, 0)
                offers.append((float(gives * 0.9**delay * 0.75**late), tuple(sorted((4 * start + a, 4 * landing + b)))))
        yield offers


def scheduling(goods: int, bids: int, seed: int) -> Auction:
    """Time on a machine: a job of ℓ ~ U{1 … 10} hours wants ℓ slots in a row, the sooner the better.

    Its deadline is d ~ U{ℓ … goods}; with probability 0.7 there is a later one d' ~ U{d + 1 … goods}, and so on. It
    gives dev·ℓ^1.2·d / d' for any slots that end in time for d' and not for the deadline before, dev ~ U(0.5, 1.5).
    """
    _refuse_none("scheduling", goods)
    return _auction("scheduling", goods, bids, seed, 5, _jobs(goods, np.random.default_rng(seed)))


def _jobs(goods: int, rng: np.random.Generator) -> Iterator[Offers]:
    """Bidders for slots in a row."""
    while True:
        hours = int(rng.integers(1, min(10, goods) + 1))
        due = int(rng.integers(hours, goods + 1))
        gives, before = rng.uniform(0.5, 1.5) * hours**1.2 * due, hours - 1
        offers: Offers = []
        while True:
            offers += [(float(gives / due), tuple(range(end - hours, end))) for end in range(before + 1, due + 1)]
            if due == goods or rng.random() > 0.7:
                break
            before, due = due, int(rng.integers(due + 1, goods + 1))
        yield offers


def l4(goods: int, bids: int, seed: int) -> Auction:
    """Legacy distribution 4 (Sandholm's decay): one good, and one more with probability 0.55, again and again.

    The goods are any, the value is U(1, 1000) a good, each bid is a bidder's only one. A bid is dropped if another asks
    for no other goods and gives no less, and drawing goes on until enough are left.

    Raises:
        ValueError: if 100 times as many draws do not leave enough.
    """
    _refuse_none("L4", goods)
    return _auction("L4", goods, bids, seed, 2, _lone_bidders(goods, bids, np.random.default_rng(seed)))


def _lone_bidders(goods: int, bids: int, rng: np.random.Generator) -> Iterator[Offers]:
    """Bidders with one bid, in the order drawn, none of them dominated."""
    wants, cents = sparse.csr_array((0, goods), dtype=np.int64), np.zeros(0)
    for _ in range(100):
        size = np.minimum(rng.geometric(0.45, bids), goods)
        drawn = np.argsort(rng.random((bids, goods)), axis=1)
        taken = np.arange(goods) < size[:, None]
        rows = np.repeat(np.arange(bids), size)
        new = sparse.csr_array((np.ones(len(rows), dtype=np.int64), (rows, drawn[taken])), shape=(bids, goods))
        wants = sparse.vstack([wants, new], format="csr")
        cents = np.concatenate([cents, np.rint(size * rng.uniform(1, 1000, bids) * 100)])
        kept = _undominated(wants, cents)
        wants, cents = wants[kept], cents[kept]
        if len(cents) >= bids:
            break
    else:
        raise ValueError(f"L4 with {goods} goods: of {100 * bids} bids only {len(cents)} are not dominated by another")
    wants.sort_indices()
    for a, b, worth in zip(wants.indptr[:-1], wants.indptr[1:], cents / 100):
        yield [(float(worth), tuple(wants.indices[a:b].tolist()))]


def _undominated(wants: sparse.csr_array, cents: NDArray[np.float64]) -> NDArray[np.intp]:
    """The bids (rows of goods) for which no other asks for a part of their goods and gives as much or more."""
    size = wants.sum(axis=1)
    # Of two bids for the same goods and as much the first stays.
    rank = np.empty(len(cents), dtype=np.intp)
    rank[np.lexsort((np.arange(len(cents)), size, -cents))] = np.arange(len(cents))
    beaten = np.zeros(len(cents), dtype=bool)
    others = wants.T.tocsr()
    for first in range(0, len(cents), 1000):  # by the thousand, for the sake of memory
        both = (wants[first : first + 1000] @ others).tocoo()
        mine, other = both.coords[0] + first, both.coords[1]
        beaten[mine[(both.data == size[other]) & (rank[other] < rank[mine])]] = True
    return np.flatnonzero(~beaten)


# A family's name, and what draws it: (goods, bids, seed) -> Auction
FAMILIES: dict[str, Callable[[int, int, int], Auction]] = {
    "regions": regions,
    "paths": paths,
    "matching": matching,
    "arbitrary": arbitrary,
    "scheduling": scheduling,
    "L4": l4,
}


def main() -> None:
    """Draw an auction and write its tender."""
    if len(sys.argv) != 6 or sys.argv[1] not in FAMILIES:
        raise SystemExit(f"python benchmarks/cats.py FAMILY GOODS BIDS SEED FOLDER, a family of {', '.join(FAMILIES)}")
    family, *sizes, folder = sys.argv[1:]
    tender, _ = procurement(FAMILIES[family](*map(int, sizes)))
    po.write_tender(tender, folder)


if __name__ == "__main__":
    main()
