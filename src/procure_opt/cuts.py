"""Cuts: rows that every whole solution keeps, and that a fractional point of the linear relaxation breaks.

Three kinds, all read off the program's own rows, so that they hold whatever the costs, for all bounds within 0 and 1.
Cliques: of bids every two of which share a lot (or exclude each other) at most one is accepted, though no single row
may say so. Roundings: a row divided by one of its coefficients and rounded, after some columns are counted from above
(complemented mixed-integer rounding: Marchand and Wolsey 2001). One cap on a share cut by bids that do not fit it
becomes a sharper row. Halves: the sum of some rows, halved and rounded, where its right-hand side is odd
(Chvátal–Gomory cuts with multipliers of one half: Caprara and Fischetti 1996), such as five bids in a ring of which
each overlaps the next: of these at most two are accepted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from procure_opt.program import Floats, Program

Mask = NDArray[np.bool_]
Places = NDArray[np.intp]

FRACTIONAL = 1e-6  # how far from whole a column has to be to count as fractional
BROKEN = 1e-3  # by how much a clique or a half has to be exceeded; how near its side a row is that is rounded
DEEP = 1e-3  # how far, in the space of the columns, the point has to lie beyond a rounding
SEEDS = 300  # columns that cliques are grown from, a round
ROWS = 300  # rows that are rounded, a round
FRIENDS = 300  # columns outside the fractional ones that may join a clique
ALIKE = 0.95  # the cosine of two cuts of which one is enough
MOST = 150  # cuts a round
KNOTS = 0.1  # share of the rows: with fewer fractional columns than that, in small knots, rows are also halved
HALVES = 100  # sums of rows that are halved, a round
STEPS = 24  # coefficients of a row by which it is divided
RANGE = 1e4  # the largest coefficient of a cut by the smallest


Cut = tuple[Places, Floats, float]  # columns, coefficients, upper side


@dataclass(frozen=True, eq=False)
class Cuts:
    """Rows `matrix @ x ≤ upper`."""

    matrix: sparse.csr_array
    upper: Floats

    @staticmethod
    def none(width: int) -> Cuts:
        """No rows."""
        return Cuts(sparse.csr_array((0, width)), np.empty(0))

    def __len__(self) -> int:
        return len(self.upper)

    def deepest(self, x: Floats) -> Cuts:
        """Those that a point lies farthest beyond, no two of them nearly parallel."""
        size = np.sqrt(np.asarray(self.matrix.power(2).sum(axis=1)).ravel())
        beyond = (self.matrix @ x - self.upper) / size
        unit = sparse.diags_array(1 / size) @ self.matrix
        alike = np.asarray((unit @ unit.T).toarray()) > ALIKE
        left, chosen = np.ones(len(self), dtype=bool), list[int]()
        for row in np.argsort(-beyond, kind="stable"):
            if left[row] and len(chosen) < MOST:
                chosen.append(int(row))
                left &= ~alike[row]
        return Cuts(self.matrix[chosen], self.upper[chosen])

    def on(self, program: Program) -> Program:
        """The program with these rows below its own."""
        if not len(self):
            return program
        return replace(
            program,
            matrix=sparse.vstack([program.matrix, self.matrix], format="csr"),
            row_lower=np.append(program.row_lower, np.full(len(self), -np.inf)),
            row_upper=np.append(program.row_upper, self.upper),
        )


@dataclass(frozen=True, eq=False)
class Cutter:
    """What a program's rows say that cuts can be read off.

    Args:
        program: Cuts hold for every program with its rows and with `Cutter.binary` columns between 0 and 1.
    """

    program: Program

    def holds_for(self, program: Program) -> bool:
        """Whether cuts read off these rows hold at the bounds of another program."""
        least = np.where(self.binary, 0.0, self.program.lower)
        most = np.where(self.binary, 1.0, np.inf)
        return bool((program.lower >= least).all() and (program.upper <= most).all())

    @cached_property
    def binary(self) -> Mask:
        """Columns that are 0 or 1."""
        return self.program.integer & (self.program.lower >= 0) & (self.program.upper <= 1)

    @cached_property
    def _packing(self) -> sparse.csc_array:
        """Rows of which at most one column is 1."""
        program, matrix = self.program, self.program.matrix
        strange = np.bincount(_row_of(matrix), (matrix.data != 1) | ~self.binary[matrix.indices], matrix.shape[0])
        rows = np.flatnonzero((strange == 0) & (program.row_upper == 1))
        return sparse.csc_array(matrix[rows])

    @cached_property
    def _roundable(self) -> tuple[sparse.csr_array, Floats]:
        """Rows with different coefficients as matrix @ x ≤ upper; columns that are not binary cannot be negative."""
        program, matrix = self.program, self.program.matrix
        row = _row_of(matrix)
        strange = np.bincount(row, ~self.binary[matrix.indices] & (program.lower[matrix.indices] < 0), matrix.shape[0])
        plain = np.bincount(row, np.abs(matrix.data) != 1, matrix.shape[0]) == 0
        return self._at_most((strange == 0) & ~plain)

    def _at_most(self, which: Mask) -> tuple[sparse.csr_array, Floats]:
        """Some rows as matrix @ x ≤ upper; equations once, as if they were at most so much."""
        program, matrix = self.program, self.program.matrix
        above = np.flatnonzero(which & np.isfinite(program.row_upper))
        below = np.flatnonzero(which & np.isfinite(program.row_lower) & (program.row_lower != program.row_upper))
        stacked: sparse.csr_array = sparse.vstack([matrix[above], -matrix[below]], format="csr")
        return stacked, np.append(program.row_upper[above], -program.row_lower[below])

    def broken(self, x: Floats, reduced: Floats) -> Cuts:
        """Cuts that a point of the relaxation breaks; `reduced` are its reduced costs, of columns that may join."""
        split = np.flatnonzero(self.binary & (np.abs(x - np.rint(x)) > FRACTIONAL))
        found = [*self._cliques(x, split, reduced), *self._roundings(x)]
        if len(split) < KNOTS * len(self.program.row_lower):
            found += self._halves(x, split)
        if not found:
            return Cuts.none(self.program.width)
        columns, coefficients, upper = zip(*found, strict=True)
        ends = np.append(0, np.cumsum([len(each) for each in columns]))
        content = (np.concatenate(coefficients), np.concatenate(columns), ends)
        return Cuts(sparse.csr_array(content, shape=(len(found), self.program.width)), np.array(upper)).deepest(x)

    # ---- cliques ----

    def _cliques(self, x: Floats, split: Places, reduced: Floats) -> Iterator[Cut]:
        if not len(split) or not self._packing.shape[0]:
            return
        exclude = self._excluding(split)
        share, known = x[split], set()
        for seed in np.argsort(-share, kind="stable")[:SEEDS]:
            for by_weight in (True, False):
                clique = _grown(int(seed), exclude, share, by_weight)
                if share[list(clique)].sum() > 1 + BROKEN and clique not in known:
                    known.add(clique)
                    columns = self._joined(split[list(clique)], reduced)
                    yield columns, np.ones(len(columns)), 1.0

    def _excluding(self, columns: Places) -> Mask:
        """Which of some columns exclude each other: those that a row of the packing holds both."""
        rows = self._packing[:, columns]
        exclude: Mask = (rows.T @ rows).toarray() > 0
        np.fill_diagonal(exclude, False)
        return exclude

    def _joined(self, clique: Places, reduced: Floats) -> Places:
        """The clique with further columns that exclude all of it and each other, the cheapest first."""
        shared = sparse.csr_array(self._packing.T @ self._packing[:, clique])
        count = np.diff(shared.indptr)
        count[clique] = 0
        friends = np.flatnonzero(count == len(clique))
        friends = friends[np.argsort(reduced[friends], kind="stable")[:FRIENDS]]
        exclude, may = self._excluding(friends), np.ones(len(friends), dtype=bool)
        joined = []
        for number in range(len(friends)):
            if may[number]:
                joined.append(number)
                may &= exclude[number]
        return np.sort(np.append(clique, friends[joined]))

    # ---- roundings ----

    def _roundings(self, x: Floats) -> Iterator[Cut]:
        matrix, upper = self._roundable
        if not len(upper):
            return
        split = self.program.integer & (np.abs(x - np.rint(x)) > FRACTIONAL)
        size = np.maximum(1.0, np.abs(upper))
        near = (upper - matrix @ x <= BROKEN * size) & (abs(matrix) @ split.astype(float) > 0)
        for row in np.flatnonzero(near)[:ROWS]:
            entries = slice(matrix.indptr[row], matrix.indptr[row + 1])
            columns, coefficients = matrix.indices[entries], matrix.data[entries]
            binary, whole = self.binary[columns], self.program.integer[columns]
            found = _rounding(coefficients, float(upper[row]), x[columns], binary, whole)
            if found is not None:
                used = found[0] != 0
                yield columns[used], found[0][used], found[1]

    # ---- halves ----

    @cached_property
    def _even(self) -> tuple[sparse.csr_array, Floats]:
        """Rows of whole coefficients in binary columns, as matrix @ x ≤ upper."""
        matrix = self.program.matrix
        strange = (matrix.data != np.rint(matrix.data)) | ~self.binary[matrix.indices] | (np.abs(matrix.data) > 64)
        rows, upper = self._at_most(np.bincount(_row_of(matrix), strange, matrix.shape[0]) == 0)
        return rows, np.floor(upper + 1e-9)

    def _halves(self, x: Floats, split: Places) -> Iterator[Cut]:
        matrix, upper = self._even
        held = np.zeros(len(x))
        held[split] = 1.0
        slack = upper - matrix @ x
        rows = np.flatnonzero((slack < 1 - 2 * BROKEN) & (abs(matrix) @ held > 0))
        if not len(rows):
            return
        part = sparse.csr_array(matrix[rows])
        # Columns at 1 are counted from 1 down, so that only fractional ones weigh.
        turned = self.binary & (x > 1 - FRACTIONAL)
        side = upper[rows] - part @ turned.astype(float)
        odd = np.asarray(np.abs(part[:, split].toarray()) % 2 == 1)
        for together in _odd_sums(odd, side % 2 == 1, np.maximum(slack[rows], 0.0), x[split]):
            some = part[together]
            columns, place = np.unique(some.indices, return_inverse=True)
            flip = np.where(turned[columns], -1.0, 1.0)
            row = flip * np.floor(flip * np.bincount(place, some.data) / 2)
            most = float(np.floor(side[together].sum() / 2) + row[turned[columns]].sum())
            if row @ x[columns] > most + BROKEN:
                yield columns[row != 0], row[row != 0], most


def without(program: Program, rows: Places) -> Program:
    """The program without some of its rows."""
    keep = np.ones(len(program.row_lower), dtype=bool)
    keep[rows] = False
    rest = sparse.csr_array(program.matrix[np.flatnonzero(keep)])
    return replace(program, matrix=rest, row_lower=program.row_lower[keep], row_upper=program.row_upper[keep])


def _row_of(matrix: sparse.csr_array) -> Places:
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def _grown(seed: int, exclude: Mask, share: Floats, by_weight: bool) -> tuple[int, ...]:
    """A clique around a column: next the heaviest that excludes all, or the one that leaves most weight to choose."""
    clique, may = [seed], exclude[seed].copy()
    while may.any():
        choice = np.flatnonzero(may)
        worth = share[choice]
        if not by_weight:
            worth = worth + exclude[np.ix_(choice, choice)] @ worth
        chosen = int(choice[worth.argmax()])
        clique.append(chosen)
        may &= exclude[chosen]
    return tuple(sorted(clique))


def _odd_sums(odd: Mask, odd_side: Mask, slack: Floats, x: Floats) -> list[Places]:
    """Sets of rows whose sum has an odd side, and less than 1 of weight in odd columns and slack.

    Gaussian elimination over the integers modulo 2, the heaviest columns first (Koster, Zymolka and Kutschka 2009).
    """
    odd, odd_side, slack = odd.copy(), odd_side.copy(), slack.copy()
    used, together = np.zeros(len(odd), dtype=bool), np.eye(len(odd), dtype=bool)
    found: dict[bytes, Places] = {}
    for column in np.argsort(-x, kind="stable"):
        others = odd[:, column].copy()
        mine = others & ~used
        if not mine.any():
            continue
        pivot = int(np.where(mine, slack, np.inf).argmin())
        used[pivot], others[pivot] = True, False
        odd[others] ^= odd[pivot]
        odd_side[others] ^= odd_side[pivot]
        together[others] ^= together[pivot]
        slack[others] += slack[pivot]
        light = np.flatnonzero(others & odd_side & (slack < 1 - 2 * BROKEN))
        for row in light[slack[light] + odd[light] @ x < 1 - 2 * BROKEN]:
            found.setdefault(together[row].tobytes(), np.flatnonzero(together[row]))
    return list(found.values())[:HALVES]


def _rounding(a: Floats, upper: float, x: Floats, binary: Mask, whole: Mask) -> tuple[Floats, float] | None:
    """The rounding of a @ x ≤ upper that the point lies farthest beyond; None if there is none.

    Binary columns above one half are counted from 1 down. For a divisor d let β = upper / d and f = β − ⌊β⌋: then
    Σ_whole (⌊q⌋ + max(0, q − ⌊q⌋ − f) / (1 − f)) x + Σ_others min(0, q) / (1 − f) x ≤ ⌊β⌋ with q = a / d.
    """
    turned = binary & (x > 0.5)
    q, level, point = np.where(turned, -a, a), upper - float(a[turned].sum()), np.where(turned, 1 - x, x)
    used = point > 1e-9
    divisors = np.unique(np.abs(q[used & whole]))
    if not len(divisors):
        return None
    if len(divisors) > STEPS:
        divisors = divisors[np.linspace(0, len(divisors) - 1, STEPS).astype(int)]
    divisors = (divisors[:, None] / np.array([1.0, 2.0, 4.0, 8.0])).ravel()
    beta = level / divisors
    rest = beta - np.floor(beta)
    divisors = divisors[(rest > 0.01) & (rest < 0.99)]
    if not len(divisors):
        return None
    rows = _divided(q[used], whole[used], level, divisors)
    beyond = (rows @ point[used] - np.floor(level / divisors)) / np.sqrt((rows**2).sum(axis=1) + 1e-12)
    deepest = int(beyond.argmax())
    if beyond[deepest] < DEEP:
        return None
    row = _divided(q, whole, level, divisors[deepest : deepest + 1])[0]
    some = np.abs(row[row != 0])
    if some.max() > RANGE * some.min():
        return None
    back = np.where(turned, -row, row)
    # Rounding noise of the coefficients must not cut off a solution.
    side = np.floor(level / divisors[deepest]) - row[turned].sum() + 1e-9 * some.sum()
    return back, float(side)


def _divided(q: Floats, whole: Mask, level: float, divisors: Floats) -> Floats:
    """The coefficients for each divisor (rows)."""
    beta = (level / divisors)[:, None]
    rest = beta - np.floor(beta)
    part = q / divisors[:, None]
    down = np.floor(part)
    return np.where(whole, down + np.maximum(0.0, part - down - rest) / (1 - rest), np.minimum(0.0, part) / (1 - rest))
