"""Who bids with whom: the network of bidders, and groups in it that deserve a question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import networkx as nx
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from procure_opt.auction.past import PastBids, past_bids
from procure_opt.cells import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Group = tuple[int, ...]

EDGES_A_BIDDER = 3  # of the pairs that met most beyond expectation, so many a bidder are searched for groups
SURPRISE = 2.0  # a pair is searched from so many standard deviations above what is expected
SWEEPS = 5  # passes over all bids between one shuffling and the next
ORDERS = 999  # orders of wins drawn for the test of rotation
LEAST_WINS = 6  # fewer wins of a group cannot show that they take turns
MEASURES = ("together", "exclusive", "rotation")


@dataclass(frozen=True, eq=False)
class BidNetwork:
    """Bidders, and how often each two of them bid in the same tenders.

    The weight of a pair is the Jaccard index of their sets of tenders, w = |A ∩ B| / |A ∪ B|.

    Attributes:
        bidders: One row a bidder: `bidder`, `tenders` (it bid in), `wins`.
        pairs: One row a pair that met: `bidder_a`, `bidder_b`, `together` (tenders), `weight`.

    References: Wachs and Kertész (2019), Scientific Reports 9, 10818; Onnela et al. (2005), Physical Review E 71.
    """

    bidders: pd.DataFrame
    pairs: pd.DataFrame

    @cached_property
    def graph(self) -> nx.Graph[str]:
        """The network as a networkx graph, with `tenders` and `wins` on nodes, `together` and `weight` on edges."""
        graph: nx.Graph[str] = nx.Graph()
        names = self.bidders["bidder"].tolist()
        tenders, wins = self.bidders["tenders"].tolist(), self.bidders["wins"].tolist()
        graph.add_nodes_from((b, {"tenders": t, "wins": w}) for b, t, w in zip(names, tenders, wins))
        columns = (self.pairs[column].tolist() for column in ("bidder_a", "bidder_b", "together", "weight"))
        graph.add_edges_from((a, b, {"together": c, "weight": w}) for a, b, c, w in zip(*columns))
        return graph

    def cohesion(self, members: Sequence[str]) -> float:
        """The geometric mean of the weights of all pairs: 0 if two never met, 1 if all always bid together.

        Raises:
            ValueError: fewer than two members, or one who never bid.
        """
        weights = self._within(members)
        return float(np.exp(np.log(weights).mean())) if weights.all() else 0.0

    def coherence(self, members: Sequence[str]) -> float:
        """The geometric over the arithmetic mean of the weights: 1 if all pairs are equally close; NaN if none met.

        Raises:
            ValueError: as `cohesion`.
        """
        weights = self._within(members)
        return self.cohesion(members) / float(weights.mean()) if weights.any() else math.nan

    def exclusivity(self, members: Sequence[str]) -> float:
        """Weight within the group / (within + from members to others): 1 if they meet nobody else; NaN if nobody.

        Raises:
            ValueError: as `cohesion`.
        """
        within = float(self._within(members).sum())
        inside = set(members)
        boundary = sum(
            data["weight"] for one in inside for other, data in self.graph[one].items() if other not in inside
        )
        return within / (within + boundary) if within + boundary else math.nan

    def _within(self, members: Sequence[str]) -> Floats:
        who = list(dict.fromkeys(members))
        unknown = [one for one in who if one not in self.graph]
        if unknown:
            raise ValueError(f"{', '.join(map(repr, unknown))} did not bid; bidders are named as in the table of bids")
        if len(who) < 2:
            raise ValueError("a group has at least two members")
        pairs = [(a, b) for i, a in enumerate(who) for b in who[i + 1 :]]
        return np.array([self.graph.edges[pair]["weight"] if self.graph.has_edge(*pair) else 0.0 for pair in pairs])

    def plot(self, ax: Axes | None = None, *, groups: Sequence[Sequence[str]] = (), least: float = 0.1) -> Axes:
        """Bidders as discs sized by the tenders they bid in, lines for weights of at least `least`, groups coloured."""
        import matplotlib.pyplot as plt

        if ax is None:
            ax = plt.figure(figsize=(8, 8), layout="constrained").add_subplot()
        close = self.pairs[self.pairs["weight"] >= least]
        kept = list(zip(close["bidder_a"], close["bidder_b"]))
        shown = self.graph.edge_subgraph(kept) if kept else self.graph
        place = nx.spring_layout(shown, weight="weight", seed=0)
        hue = {one: f"C{number % 10}" for number, group in reversed([*enumerate(groups)]) for one in group}
        most = max(self.bidders["tenders"].max(), 1)
        sizes = [20 + 300 * shown.nodes[one]["tenders"] / most for one in shown]
        colours = [hue.get(one, "lightgrey") for one in shown]
        nx.draw_networkx_nodes(shown, place, ax=ax, node_size=sizes, node_color=colours)
        nx.draw_networkx_edges(
            shown, place, ax=ax, edgelist=kept, width=(3 * close["weight"]).tolist(), alpha=0.5, edge_color="grey"
        )
        nx.draw_networkx_labels(shown, place, ax=ax, labels={one: one for one in shown if one in hue}, font_size=8)
        ax.set_title(f"Who bids with whom (weights from {least:g})")
        ax.set_axis_off()
        return ax

    def __repr__(self) -> str:
        return f"BidNetwork({len(self.bidders):,} bidders, {len(self.pairs):,} pairs that met)"


def bid_network(bids: Table | PastBids) -> BidNetwork:
    """The network of bidders who meet in tenders.

    Args:
        bids: Past bids (`past_bids`).

    Raises:
        BadTable: as `past_bids`.

    >>> met = {"2023": "Acer Briar", "2024": "Acer Briar Cedar", "2025": "Acer Cedar"}
    >>> network = bid_network([{"auction": a, "bidder": b, "bid": 1} for a, who in met.items() for b in who.split()])
    >>> network.pairs
      bidder_a bidder_b  together    weight
    0     Acer    Briar         2  0.666667
    1     Acer    Cedar         2  0.666667
    2    Briar    Cedar         1  0.333333
    >>> round(network.cohesion(["Acer", "Briar"]), 4), round(network.exclusivity(["Acer", "Briar"]), 4)
    (0.6667, 0.4)
    """
    past = past_bids(bids)
    names, bidder, auction = _coded(past)
    tenders = np.bincount(bidder, minlength=len(names))
    wins = np.bincount(bidder[past.table["winner"].to_numpy(dtype=bool)], minlength=len(names))
    i, j, together = _met(auction, bidder, len(names))
    weight = together / (tenders[i] + tenders[j] - together)
    who = pd.Series(names, dtype="str")
    pairs = {"bidder_a": who.take(i).array, "bidder_b": who.take(j).array, "together": together, "weight": weight}
    return BidNetwork(pd.DataFrame({"bidder": who, "tenders": tenders, "wins": wins}), pd.DataFrame(pairs))


def _coded(past: PastBids) -> tuple[list[str], Ints, Ints]:
    """The bidders in the order of their names, and the bidder and the auction of each bid as numbers."""
    bidder, names = pd.factorize(past.table["bidder"].astype(str), sort=True)
    return [str(name) for name in names], bidder.astype(np.int64), past.auctions.astype(np.int64)


def _met(auction: Ints, bidder: Ints, bidders: int) -> tuple[Ints, Ints, Ints]:
    """The pairs i < j that met, and in how many auctions."""
    ones = np.ones(len(bidder), dtype=np.int64)
    sat = sparse.csr_array((ones, (auction, bidder)), shape=(int(auction.max()) + 1, bidders))
    both = sparse.triu(sat.T @ sat, k=1, format="coo")
    order = np.lexsort((both.col, both.row))
    both = sparse.coo_array((both.data[order], (both.row[order], both.col[order])), shape=both.shape)
    return both.row.astype(np.int64), both.col.astype(np.int64), both.data.astype(np.int64)


# ---- groups that deserve a question -----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class SuspiciousGroups:
    """Groups of bidders whose bidding chance alone would hardly bring about: where to look, not what was done.

    Attributes:
        table: One row a group, the most remarkable first: `group` (a number), `members`, `tenders` (in which at least
            two of them bid), `wins` (of members in these), `cohesion`, `coherence`, `exclusivity`, `p_together`,
            `p_exclusive`, `p_rotation` (adjusted for all groups looked at), `p` (of the three together), `flagged`,
            `question`.
        evidence: One row a group and measure: `value`, `expected`, `p`, `p_adjusted`, `how`; screens given come here.
        tenders: One row a group and tender in which at least two members bid: `group`, `auction`, `members`, `winner`.
        level: The level `flagged` is decided at.
        network: Of all bidders.
        notes: What was assumed and what could not be looked at.
    """

    table: pd.DataFrame
    evidence: pd.DataFrame
    tenders: pd.DataFrame
    level: float
    network: BidNetwork
    notes: tuple[str, ...] = ()

    def plot(self, ax: Axes | None = None, *, top: int = 5, least: float = 0.1) -> Axes:
        """The network with the first `top` groups coloured."""
        return self.network.plot(ax, groups=self.table["members"].head(top).tolist(), least=least)

    def __repr__(self) -> str:
        return (
            f"SuspiciousGroups({len(self.table):,} groups, {self.table['flagged'].sum():,} at the level {self.level:g})"
        )


@dataclass(frozen=True, eq=False)
class Seats:
    """Bids as numbers, and what is expected within each class: two bidders meet with the product of their chances."""

    auction: Ints
    bidder: Ints
    stratum: Ints
    tenders: Ints
    chance: Floats
    count: Floats
    boundary: Floats


class Scored(NamedTuple):
    """Groups found among the seats, with the scores that shuffled tenders are compared by."""

    groups: list[Group]
    together: Floats
    exclusive: Floats
    within: Floats
    expected: Floats


def suspicious_groups(
    bids: Table | PastBids,
    *,
    given: str | Sequence[str] = (),
    evidence: pd.DataFrame | None = None,
    least: int = 5,
    permutations: int = 199,
    level: float = 0.05,
    seed: int = 0,
) -> SuspiciousGroups:
    """Groups who bid together more, meet others less, or take turns at winning more than chance would have it.

    Bidders of one trade or region meet anyway. So chance means: within each class that `given` names, every bidder
    bids in as many tenders and every tender has as many bidders as in the data, but who meets whom is shuffled.

    1. Pairs that met at least `least` times and far oftener than expected are joined; the maximal cliques of these
       graphs (networkx), from the strictest to the widest, are the groups. Expected: the configuration model of
       bipartite graphs, in which i bids in tender a with chance p_ia = x_i y_a / (1 + x_i y_a); then
       e_ij = Σ_a f_a p_ia p_ja, where f_a makes the sum over pairs that of the tender, and v_ij = Σ_a m (1 − m) with
       m = f_a p_ia p_ja.
    2. together: Z = Σ (c_ij − e_ij) / √Σ v_ij over the pairs of the group. exclusive: exclusivity less what is
       expected. Each has p = (1 + k) / (1 + `permutations`), where k shufflings hold any group, found by the same
       search, that scores as high: the search is paid for, and so are all groups at once. Shufflings are steps of a
       reversible chain that has the data at a random place, which makes p exact however fast it mixes.
    3. rotation: of the tenders all members bid in and one won, in the order of dates, how often the same member wins
       twice running, over all and within each class. p: the share of random orders, each member with its wins in each
       class, with as few repeats; adjusted over groups by Benjamini and Hochberg.
    4. `p` = min(1, 3 · the least of the three); without dates rotation is left out, and it is 2.

    Evidence of screens is added to the evidence but not to `p`.

    Args:
        bids: Past bids (`past_bids`); `date` is needed for rotation.
        given: Columns of bids that class tenders (kind of work, region). Without them, bidders of one region may look
            like a group.
        evidence: Screens by tender: `auction` and columns of numbers. Each is compared, by the mean, between the
            tenders in which at least two members bid and the others of the class (permutation, two-sided).
        least: Each two of a group met in at least so many tenders.
        permutations: Shufflings.
        level: For `flagged`.
        seed: Of the shuffling.

    Raises:
        BadTable: as `past_bids`.
        ValueError: a column that is not there, or differs within a tender; a number out of its range.

    References: Wachs and Kertész (2019), Scientific Reports 9; Saracco et al. (2015), Scientific Reports 5 (expected
    meetings); Besag and Clifford (1989), Biometrika 76 (p); Benjamini and Hochberg (1995), JRSS B 57.

    >>> import numpy as np
    >>> rng, rows = np.random.default_rng(1), []
    >>> for tender in range(90):
    ...     who = [f"B{number}" for number in rng.choice(12, 3, replace=False)]
    ...     if tender % 3 == 0:
    ...         who[:2] = ["Ash", "Elm"]
    ...     rows += [{"auction": tender, "bidder": b, "bid": 100 + i} for i, b in enumerate(dict.fromkeys(who))]
    >>> found = suspicious_groups(rows, permutations=99)
    >>> found.table.loc[0, ["members", "tenders", "p_together", "flagged"]].to_dict()
    {'members': ('Ash', 'Elm'), 'tenders': 30, 'p_together': 0.01, 'flagged': True}
    """
    past = past_bids(bids)
    for name, number in (("least", least), ("permutations", permutations)):
        if number < 1:
            raise ValueError(f"{name} is {number!r}; it must be at least 1")
    if not 0 < level < 1:
        raise ValueError(f"level is {level!r}; it is a probability above 0 and below 1, 0.05 for instance")
    network, rng = bid_network(past), np.random.default_rng(seed)
    names, bidder, auction = _coded(past)
    classes = [given] if isinstance(given, str) else list(given)
    notes = [] if classes else ["no classes are given: bidders of one trade or region may look like a group"]
    seats = _seats(auction, bidder, _strata(past, classes), len(names))
    found = _search(seats, least)
    chosen = _apart(found)
    top = _shuffled_tops(seats, least, permutations, rng)
    rows = _co_bidding(network, names, found, chosen, top)
    rows += _rotation(past, names, seats, [found.groups[at] for at in chosen], rng, notes)
    tenders = _meetings(past, [found.groups[at] for at in chosen], bidder, auction, names)
    if evidence is not None:
        rows += _screened(past, evidence, tenders, seats, len(chosen), rng)
    told = pd.DataFrame(rows, columns=["group", "measure", "value", "expected", "p", "p_adjusted", "how"])
    told = told.sort_values("group", kind="stable").reset_index(drop=True)
    members = [tuple(names[one] for one in found.groups[at]) for at in chosen]
    return _told(network, members, told, tenders, level, notes)


def _strata(past: PastBids, classes: Sequence[str]) -> Ints:
    """The class of each bid as a number."""
    table = past.table
    missing = [column for column in classes if column not in table]
    if missing:
        own = [column for column in table.columns if column not in ("auction", "bidder", "bid", "n", "winner")]
        raise ValueError(f"given: there is no column {missing[0]!r}; there are {', '.join(map(str, own)) or 'none'}")
    if not classes:
        return np.zeros(len(table), dtype=np.int64)
    for column in classes:
        several = table.groupby("auction")[column].nunique(dropna=False)
        if (several > 1).any():
            raise ValueError(
                f"given: {column!r} differs among the bids of the tender {several.index[several > 1][0]!r}"
            )
    return np.asarray(table.groupby(list(classes), dropna=False).ngroup(), dtype=np.int64)


def _seats(auction: Ints, bidder: Ints, stratum: Ints, bidders: int) -> Seats:
    """The chances of the configuration model, by bidder and kind of tender (class and number of bidders)."""
    size = np.bincount(auction)[auction]
    kinds, kind = np.unique(np.stack([stratum, size]), axis=1, return_inverse=True)
    count = np.bincount(kind, minlength=kinds.shape[1]) / kinds[1]
    chance = np.zeros((bidders, kinds.shape[1]))
    for one in np.unique(stratum):
        here = np.flatnonzero(kinds[0] == one)
        times = np.bincount(bidder[stratum == one], minlength=bidders).astype(float)
        who = np.flatnonzero(times)
        chance[np.ix_(who, here)] = _chances(times[who], kinds[1][here].astype(float), count[here])
    # Seats drawn one by one vary the size of tenders, which makes for more pairs than tenders of one size have.
    pairs = kinds[1] ** 2.0 - (chance**2).sum(axis=0)
    chance *= np.sqrt(kinds[1] * (kinds[1] - 1) / np.where(pairs > 1e-9, pairs, 1.0))
    tenders = np.bincount(bidder, minlength=bidders)
    boundary = np.empty(bidders)
    for start in range(0, bidders, 256):
        rows = slice(start, start + 256)
        meet = (chance[rows] * count) @ chance.T
        alike = meet / np.maximum(tenders[rows, None] + tenders - meet, 1e-12)
        boundary[rows] = alike.sum(axis=1) - alike[np.arange(len(alike)), np.arange(bidders)[rows]]
    return Seats(auction, bidder, stratum, tenders, chance, count, boundary)


def _chances(times: Floats, size: Floats, count: Floats) -> Floats:
    """p = x y / (1 + x y) with Σ_a p = times of each bidder and Σ_i p = size of each tender, by fixed point."""
    x, y = times / math.sqrt(times.sum()), size / math.sqrt(times.sum())
    for _ in range(300):
        x = times / (count * y / (1 + np.outer(x, y))).sum(axis=1)
        y = size / (x[:, None] / (1 + np.outer(x, y))).sum(axis=0)
    product = np.outer(x, y)
    return product / (1 + product)


def _expected(seats: Seats, i: Ints, j: Ints) -> tuple[Floats, Floats]:
    """How often pairs are expected to meet, and the variance."""
    both = seats.chance[i] * seats.chance[j]
    return both @ seats.count, (both * (1 - both)) @ seats.count


def _search(seats: Seats, least: int) -> Scored:
    """Groups that meet beyond expectation: maximal cliques of the most surprising pairs, strict to wide."""
    bidders = len(seats.tenders)
    i, j, met = _met(seats.auction, seats.bidder, bidders)
    weight = met / (seats.tenders[i] + seats.tenders[j] - met)
    strength = np.bincount(i, weight, bidders) + np.bincount(j, weight, bidders)
    often = met >= least
    i, j, met, weight = i[often], j[often], met[often], weight[often]
    expected, variance = _expected(seats, i, j)
    surprise = (met - expected) / np.sqrt(variance + 1e-3)
    order = np.argsort(-surprise, kind="stable")[: EDGES_A_BIDDER * bidders]
    order = order[surprise[order] >= SURPRISE]
    pair = {(int(i[at]), int(j[at])): at for at in order}
    groups: dict[Group, None] = {}
    most = len(order)
    while most:
        graph: nx.Graph[int] = nx.Graph()
        graph.add_edges_from((int(i[at]), int(j[at])) for at in order[:most])
        groups |= dict.fromkeys(tuple(sorted(clique)) for clique in nx.find_cliques(graph))
        most //= 2
    scores = np.zeros((4, len(groups)))
    for column, group in enumerate(groups):
        its = [pair[one, other] for k, one in enumerate(group) for other in group[k + 1 :]]
        alone = list(group)
        excess, spread = float((met[its] - expected[its]).sum()), float(variance[its].sum())
        within = float(weight[its].sum())
        usual = expected[its] / np.maximum(seats.tenders[i[its]] + seats.tenders[j[its]] - expected[its], 1e-12)
        around, expected_around = float(strength[alone].sum()), float(seats.boundary[alone].sum())
        inside = float(usual.sum())
        share = within / (around - within)
        usual_share = inside / max(expected_around - inside, 1e-12)
        scores[:, column] = excess / math.sqrt(spread + 1e-3), share - usual_share, share, usual_share
    return Scored(list(groups), *scores)


def _apart(found: Scored) -> list[int]:
    """The groups from the highest score down, without those that share two members with a higher one."""
    chosen: list[int] = []
    for at in np.argsort(-found.together, kind="stable").tolist():
        who = set(found.groups[at])
        if all(len(who & set(found.groups[one])) < 2 for one in chosen):
            chosen.append(at)
    return chosen


def _shuffled_tops(seats: Seats, least: int, permutations: int, rng: np.random.Generator) -> Floats:
    """The highest scores (together, exclusive) in each shuffling; −inf where no group is found."""
    before = int(rng.integers(permutations + 1))
    tops = []
    for steps in (before, permutations - before):
        bidder = seats.bidder
        for _ in range(steps):
            bidder = _shuffled(seats, bidder, rng)
            found = _search(replace(seats, bidder=bidder), least)
            tops.append((found.together.max(initial=-np.inf), found.exclusive.max(initial=-np.inf)))
    return np.array(tops)


def _shuffled(seats: Seats, bidder: Ints, rng: np.random.Generator) -> Ints:
    """One step of the chain: random pairs of bids of a class swap their bidders, unless one would be twice in a tender.

    A swap is made if neither new bid exists and no other swap proposed makes a bid that this one makes or unmakes.
    Proposed the other way round from the new seating it would be made as well, so that every seating is as likely.
    """
    auction, stratum, bidders = seats.auction, seats.stratum, len(seats.tenders)
    bidder = bidder.copy()
    for _ in range(SWEEPS):
        order = np.lexsort((rng.random(len(bidder)), stratum))
        order = order[rng.integers(2) :]
        a, b = order[: len(order) // 2 * 2 : 2], order[1::2]
        same = stratum[a] == stratum[b]
        a, b = a[same], b[same]
        made = np.stack([auction[a] * bidders + bidder[b], auction[b] * bidders + bidder[a]])
        unmade = np.stack([auction[a] * bidders + bidder[a], auction[b] * bidders + bidder[b]])
        _, inverse, counts = np.unique(made, return_inverse=True, return_counts=True)
        clash = (counts[inverse].reshape(made.shape) > 1) | np.isin(made, auction * bidders + bidder)
        clash |= np.isin(unmade, made)
        a, b = a[~clash.any(axis=0)], b[~clash.any(axis=0)]
        bidder[a], bidder[b] = bidder[b], bidder[a]
    return bidder


# ---- evidence ---------------------------------------------------------------------------------------------


def _co_bidding(
    network: BidNetwork, names: list[str], found: Scored, chosen: list[int], top: Floats
) -> list[dict[str, Any]]:
    """The evidence of who meets whom, each group against the highest scores of shuffled tenders."""
    how = "highest score of any group in shuffled tenders"
    rows = []
    for number, at in enumerate(chosen):
        members = [names[one] for one in found.groups[at]]
        p = [(1 + int((top[:, k] >= score[at] - 1e-9).sum())) / (1 + len(top))
             for k, score in enumerate((found.together, found.exclusive))]  # fmt: skip
        scores = {
            "together": (found.together[at], 0.0, p[0]),
            "exclusive": (found.within[at], found.expected[at], p[1]),
        }
        for measure, (value, expected, chance) in scores.items():
            rows.append(_evidence(number, measure, float(value), float(expected), chance, chance, how))
        for measure in ("cohesion", "coherence"):
            value = getattr(network, measure)(members)
            rows.append(_evidence(number, measure, value, math.nan, math.nan, math.nan, "described only"))
    return rows


def _evidence(
    group: int, measure: str, value: float, expected: float, p: float, adjusted: float, how: str
) -> dict[str, Any]:
    return {"group": group, "measure": measure, "value": value, "expected": expected, "p": p, "p_adjusted": adjusted,
            "how": how}  # fmt: skip


def _rotation(
    past: PastBids, names: list[str], seats: Seats, groups: list[Group], rng: np.random.Generator, notes: list[str]
) -> list[dict[str, Any]]:
    """Whether members take turns: repeats of a winner in tenders all members bid in, against random orders."""
    table = past.table
    if "date" not in table:
        notes.append("no column date: whether members take turns is not looked at")
        return []
    won = table["winner"].to_numpy(dtype=bool) & table["date"].notna().to_numpy()
    auctions = int(seats.auction.max()) + 1
    rows, few = [], 0
    for number, group in enumerate(groups):
        inside = np.isin(seats.bidder, group)
        full = np.bincount(seats.auction[inside], minlength=auctions) == len(group)
        at = np.flatnonzero(won & inside & full[seats.auction])
        at = at[np.lexsort((seats.auction[at], table["date"].to_numpy()[at]))]
        winner, stratum = seats.bidder[at], seats.stratum[at]
        if len(at) < LEAST_WINS or len(set(winner.tolist())) < 2:
            few += 1
            continue
        orders = np.repeat(winner[None], 1 + ORDERS, axis=0)
        for one in np.unique(stratum):
            orders[1:, stratum == one] = rng.permuted(orders[1:, stratum == one], axis=1)
        # Turns may be taken over all tenders or within each class: repeats in either succession count.
        by_class = np.argsort(stratum, kind="stable")
        same_class = stratum[by_class][1:] == stratum[by_class][:-1]
        repeats = (orders[:, 1:] == orders[:, :-1]).sum(axis=1)
        if not same_class.all():
            repeats += ((orders[:, by_class][:, 1:] == orders[:, by_class][:, :-1]) & same_class).sum(axis=1)
        seen, drawn = int(repeats[0]), repeats[1:]
        p = (1 + int((drawn <= seen).sum())) / (1 + ORDERS)
        how = f"repeats among {len(winner)} wins in succession, against random orders of the same wins"
        rows.append(_evidence(number, "rotation", float(seen), float(drawn.mean()), p, math.nan, how))
    if few:
        notes.append(f"{few} groups have too few wins for a test of rotation: under {LEAST_WINS}, or all of one member")
    for row, adjusted in zip(rows, _adjusted([row["p"] for row in rows])):
        row["p_adjusted"] = adjusted
    return rows


def _adjusted(p: Sequence[float]) -> list[float]:
    """p adjusted for the false discovery rate (Benjamini and Hochberg)."""
    given = np.asarray(p, dtype=float)
    order = np.argsort(given)
    steps = given[order] * len(given) / np.arange(1, len(given) + 1)
    out = np.empty(len(given))
    out[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    return [float(one) for one in out]


def _meetings(past: PastBids, groups: list[Group], bidder: Ints, auction: Ints, names: list[str]) -> pd.DataFrame:
    """The tenders in which at least two members of a group bid, and who won."""
    table = past.table
    won = table["winner"].to_numpy(dtype=bool)
    winner = dict(zip(auction[won].tolist(), table["bidder"].to_numpy()[won].tolist()))
    label = dict(zip(auction.tolist(), table["auction"].tolist()))
    rows = []
    for number, group in enumerate(groups):
        inside = np.isin(bidder, group)
        who: dict[int, list[str]] = {}
        for a, b in zip(auction[inside].tolist(), bidder[inside].tolist()):
            who.setdefault(a, []).append(names[b])
        rows += [
            {"group": number, "auction": label[a], "members": tuple(sorted(some)), "winner": winner.get(a, "")}
            for a, some in who.items()
            if len(some) > 1
        ]
    return pd.DataFrame(rows, columns=["group", "auction", "members", "winner"])


def _screened(
    past: PastBids, evidence: pd.DataFrame, tenders: pd.DataFrame, seats: Seats, groups: int, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """The means of screens in a group's tenders against those of the other tenders of the same classes."""
    if "auction" not in evidence:
        raise ValueError(f"evidence: there is no column 'auction'; there are {', '.join(map(str, evidence.columns))}")
    twice = evidence["auction"].astype(str).duplicated()
    if twice.any():
        raise ValueError(
            f"evidence: the tender {evidence['auction'][twice].iloc[0]!r} stands twice; give one row a tender"
        )
    screens = [c for c in evidence.columns if c != "auction" and pd.api.types.is_numeric_dtype(evidence[c])]
    table = past.table.assign(stratum=seats.stratum).drop_duplicates("auction")[["auction", "stratum"]]
    table["auction"] = table["auction"].astype(str)
    values = table.merge(evidence.assign(auction=evidence["auction"].astype(str)), on="auction", how="left")
    met = pd.crosstab(tenders["auction"].astype(str), tenders["group"]).reindex(
        index=values["auction"], columns=range(groups), fill_value=0
    )
    its = met.to_numpy(dtype=float)
    rows = []
    how = "mean in its tenders against the others of their classes, two-sided"
    for screen in screens:
        known = values[screen].notna().to_numpy()
        figures, stratum = values[screen].to_numpy(dtype=float)[known], values["stratum"].to_numpy()[known]
        centred = figures - pd.Series(figures).groupby(stratum).transform("mean").to_numpy()
        inside = its[known]
        some = np.flatnonzero((inside.sum(axis=0) >= 2) & (inside.sum(axis=0) < len(inside)))
        share = inside[:, some] / inside[:, some].sum(axis=0)
        seen, mean = centred @ share, figures @ share
        beyond = np.zeros(len(some))
        for _ in range(ORDERS):
            mixed = centred.copy()
            mixed[np.argsort(stratum, kind="stable")] = centred[np.lexsort((rng.random(len(stratum)), stratum))]
            beyond += np.abs(mixed @ share) >= np.abs(seen) - 1e-12
        for number, value, excess, p in zip(some, mean, seen, (1 + beyond) / (1 + ORDERS)):
            rows.append(
                _evidence(int(number), f"screen {screen}", float(value), float(value - excess), float(p), math.nan, how)
            )
    for row, adjusted in zip(rows, _adjusted([row["p"] for row in rows])):
        row["p_adjusted"] = adjusted
    return rows


def _told(
    network: BidNetwork, members: list[tuple[str, ...]], told: pd.DataFrame, tenders: pd.DataFrame, level: float,
    notes: list[str],
) -> SuspiciousGroups:  # fmt: skip
    """The groups in order, each with its question."""
    wide = told.pivot(index="group", columns="measure", values="p_adjusted").reindex(
        index=range(len(members)), columns=list(MEASURES)
    )
    value = told.pivot(index="group", columns="measure", values="value").reindex(
        index=range(len(members)), columns=["together", "exclusive", "cohesion", "coherence", "rotation"]
    )
    tests = 3 if "rotation" in set(told["measure"]) else 2
    rows = []
    for number, who in enumerate(members):
        its = tenders[tenders["group"] == number]
        p = min(1.0, tests * float(np.nanmin(wide.loc[number].to_numpy(dtype=float))))
        rows.append(
            {
                "group": number, "members": who, "tenders": len(its), "wins": int(its["winner"].isin(who).sum()),
                "cohesion": value["cohesion"][number], "coherence": value["coherence"][number],
                "exclusivity": value["exclusive"][number], "p_together": wide["together"][number],
                "p_exclusive": wide["exclusive"][number], "p_rotation": wide["rotation"][number], "p": p,
                "flagged": p <= level, "score": value["together"][number],
            }
        )  # fmt: skip
    columns = ["group", "members", "tenders", "wins", "cohesion", "coherence", "exclusivity", "p_together",
               "p_exclusive", "p_rotation", "p", "flagged"]  # fmt: skip
    table = pd.DataFrame(rows, columns=[*columns, "score"]).sort_values(["p", "score"], ascending=[True, False])
    order = {old: new for new, old in enumerate(table["group"])}
    table = table.drop(columns="score").assign(group=range(len(table))).reset_index(drop=True)
    table["question"] = pd.Series([_question(row, level) for row in table.itertuples()], dtype="str")
    told, tenders = (
        one.assign(group=one["group"].map(order)).sort_values("group", kind="stable").reset_index(drop=True)
        for one in (told, tenders)
    )
    return SuspiciousGroups(table, told, tenders, level, network, tuple(notes))


def _question(row: Any, level: float) -> str:
    """What to ask about a group."""
    who = f"{', '.join(row.members[:-1])} and {row.members[-1]}"
    signs = []
    if row.p_together <= level:
        signs.append(
            "meet more often than bidders of their classes do by chance: do they share owners, staff or an address?"
        )
    if row.p_exclusive <= level:
        signs.append("meet each other and few others: what keeps others out of their tenders?")
    if row.p_rotation <= level:
        signs.append(
            "win in turns: does a full order book explain it, or do losing bids in those tenders look meant to lose?"
        )
    if not signs:
        return f"{who}: nothing here that chance would not explain."
    return f"{who} " + " They ".join(signs)
