"""The integer program as sparse arrays: column families, blocks of rows, and what a solver says of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from procure_opt.files import replacing

Floats = NDArray[np.float64]
Labels = Callable[[int], str]
Columns = Mapping[str, Any]  # values by family: a vector, or for many solutions a matrix, sparse or not, a row for each


def always(text: str) -> Labels:
    """The same label for every row or column."""
    return lambda _: text


def through(label: Labels, which: NDArray[Any]) -> Labels:
    """Labels of some rows or columns, by the position they had."""
    return lambda i: label(int(which[i]))


@dataclass(frozen=True, eq=False)
class Family:
    """Columns of one kind, built once whatever uses them, with the rows that give them their meaning.

    `key` names the family; two families of the same key are the same. Where the values follow from those of other
    families, `implied` says how; they then satisfy the links.
    """

    key: str
    lower: Floats
    upper: Floats
    integer: NDArray[np.bool_]
    label: Labels
    links: tuple[Rows, ...] = ()
    implied: Callable[[Columns], Floats] | None = None

    @property
    def size(self) -> int:
        """How many columns the family has."""
        return len(self.lower)

    def __call__(self, which: NDArray[Any] | None = None) -> Linear:
        """The columns themselves, or some of them by position, as linear expressions."""
        which = np.arange(self.size) if which is None else which
        content = (np.ones(len(which)), which, np.arange(len(which) + 1))
        pick = sparse.csr_array(content, shape=(len(which), self.size))
        return Linear({self.key: pick}, np.zeros(len(which)), {self.key: self})


@dataclass(frozen=True, eq=False)
class Linear:
    """Linear expressions over column families, one a row: Σ_family matrix @ columns + constant."""

    terms: Mapping[str, sparse.csr_array]
    constant: Floats
    families: Mapping[str, Family] = field(default_factory=dict)

    @staticmethod
    def fixed(constant: Floats | Sequence[float]) -> Linear:
        """Expressions without columns."""
        return Linear({}, np.asarray(constant, dtype=float))

    @staticmethod
    def stack(parts: Sequence[Linear]) -> Linear:
        """The rows of all parts, one under the other."""
        families = _known([part.families for part in parts])
        blocks: dict[str, sparse.csr_array] = {}
        for key, family in families.items():
            rows = [(len(part), part.terms.get(key)) for part in parts]
            counts = [np.zeros(height, int) if block is None else np.diff(block.indptr) for height, block in rows]
            content = (
                np.concatenate([block.data for _, block in rows if block is not None]),
                np.concatenate([block.indices for _, block in rows if block is not None]),
                np.append(0, np.cumsum(np.concatenate(counts))),
            )
            blocks[key] = sparse.csr_array(content, shape=(len(content[2]) - 1, family.size))
        constant = np.concatenate([part.constant for part in parts]) if parts else np.empty(0)
        return Linear(blocks, constant, families)

    def __len__(self) -> int:
        return len(self.constant)

    def __add__(self, other: Linear) -> Linear:
        terms = dict(self.terms)
        for key, matrix in other.terms.items():
            terms[key] = terms[key] + matrix if key in terms else matrix
        return Linear(terms, self.constant + other.constant, _known([self.families, other.families]))

    def __sub__(self, other: Linear) -> Linear:
        return self + other.times(-1.0)

    def times(self, factor: float | Floats) -> Linear:
        """Every row multiplied by a number, or each by its own."""
        by_row = np.broadcast_to(np.asarray(factor, dtype=float), len(self))
        terms = {key: _scaled(block, by_row) for key, block in self.terms.items()}
        return Linear(terms, self.constant * by_row, self.families)

    def under(self, matrix: Any) -> Linear:
        """`matrix @ self`: sums of rows. A dense vector gives one row."""
        left = sparse.csr_array(np.atleast_2d(matrix)) if isinstance(matrix, np.ndarray) else sparse.csr_array(matrix)
        terms = {key: _product(left, block) for key, block in self.terms.items()}
        return Linear(terms, np.asarray(left @ self.constant), self.families)

    def total(self) -> Linear:
        """The sum of all rows, as one row."""
        return self.under(np.ones(len(self)))

    def rows(self, which: NDArray[Any]) -> Linear:
        """Some of the rows."""
        return Linear({key: block[which] for key, block in self.terms.items()}, self.constant[which], self.families)

    def repeat(self, times: int) -> Linear:
        """A single row, repeated."""
        return self.under(sparse.csr_array(np.ones((times, 1))))

    def at(self, values: Columns) -> Floats:
        """What the expressions come to at the given values of the columns; for many solutions a row each."""
        result = self.constant.copy()
        for key, block in self.terms.items():
            if block.nnz:  # a program holds the families its rows use
                part: Any = (block @ values[key].T).T
                result = result + (part if isinstance(part, np.ndarray) else part.toarray())
        return result

    def range(self) -> tuple[Floats, Floats]:
        """Lower and upper bounds of the expressions, from the bounds of their columns."""
        low, high = self.constant.copy(), self.constant.copy()
        for key, block in self.terms.items():
            family, positive, negative = self.families[key], block.maximum(0), block.minimum(0)
            for part in (positive, negative):
                part.eliminate_zeros()  # 0 · ∞ is no bound
            low = low + positive @ family.lower + negative @ family.upper
            high = high + positive @ family.upper + negative @ family.lower
        return low, high


class Implied(dict[str, Any]):
    """`Columns` that holds, beside the values it is made of, those that follow from them once they are asked for."""

    def __init__(self, given: Columns, families: Mapping[str, Family]):
        super().__init__(given)
        self.families = families

    def __missing__(self, key: str) -> Any:
        implied = self.families[key].implied
        if implied is None:
            raise KeyError(f"the values of {key!r} do not follow from others")
        self[key] = implied(self)
        return self[key]

    def settles(self, key: str) -> bool:
        """Whether the values of a family are given or follow."""
        return key in self or self.families[key].implied is not None


def _scaled(block: sparse.csr_array, by_row: Floats) -> sparse.csr_array:
    content = (block.data * np.repeat(by_row, np.diff(block.indptr)), block.indices, block.indptr)
    return sparse.csr_array(content, shape=block.shape)


def _product(left: sparse.csr_array, right: sparse.csr_array) -> sparse.csr_array:
    """left @ right at the cost of the columns that `right` uses: SciPy's own product looks at every column there is."""
    if 4 * right.nnz > right.shape[1]:
        return sparse.csr_array(left @ right)
    used, at = np.unique(right.indices, return_inverse=True)
    product = left @ sparse.csr_array((right.data, at, right.indptr), shape=(right.shape[0], len(used)))
    product.sort_indices()
    return sparse.csr_array((product.data, used[product.indices], product.indptr), (left.shape[0], right.shape[1]))


def _must_agree(one: Family, other: Family) -> None:
    """Two families of one key are the same columns with the same links; anything else is a defect of their makers."""
    shape = [
        [(len(rows), *(block.nnz for block in rows.body.terms.values())) for rows in f.links] for f in (one, other)
    ]
    if one.size != other.size or (one.links and other.links and shape[0] != shape[1]):
        raise RuntimeError(f"two different column families are called {one.key!r}")


def _known(maps: Iterable[Mapping[str, Family]]) -> dict[str, Family]:
    """Families by key. Inside its own links a family stands without them; the one that has them prevails."""
    families: dict[str, Family] = {}
    for some in maps:
        for key, family in some.items():
            if key not in families or family.links:
                families[key] = family
    return families


def _whole(body: Linear) -> bool:
    """Whether an expression is whole wherever the columns that have to be whole are."""
    for key, block in body.terms.items():
        used = block.indices[block.data != 0]
        if not body.families[key].integer[used].all() or not np.equal(block.data, np.rint(block.data)).all():
            return False
    return bool(np.equal(body.constant, np.rint(body.constant)).all())


def _leveled(text: str, levels: Floats) -> Labels:
    return lambda i: f"{text}{levels[i]:.6g}"


def _equal_rows(body: Linear) -> list[NDArray[np.intp]]:
    """Positions of rows that are the same expression."""
    groups: dict[bytes, list[int]] = {}
    for i in range(len(body)):
        parts = [body.constant[i].tobytes()]
        for key, block in body.terms.items():
            where = slice(block.indptr[i], block.indptr[i + 1])
            parts += [key.encode(), block.indices[where].tobytes(), block.data[where].tobytes()]
        groups.setdefault(b"|".join(parts), []).append(i)
    return [np.array(group) for group in groups.values()]


Separate = Callable[[Mapping[str, Floats]], "Rows | None"]


@dataclass(frozen=True, eq=False)
class Rows:
    """A block of rows: lower ≤ body ≤ upper.

    Attributes:
        body: The expressions.
        lower, upper: Bounds, one a row.
        label: What row i says, in the buyer's words.
        unit: What one unit of relaxation is called ("winner", "money", "percentage point").
        relax: How far the bounds of a row give way for one unit of relaxation; 0 = they never do.
        whole: Relaxation comes in whole units only.
        per: Where the relaxation of a row is `relax · per` and `per` depends on the award (a share of spend,
            a mean over what is let): that expression.
        penalty: Charge a unit; None = the rows are hard.
        cut: Whole solutions satisfy the rows because of the others: they only sharpen the relaxation, and a solver may
            leave them out until a relaxed solution breaks them.
        separate: Given values of all columns, further rows they violate, or None.
    """

    body: Linear
    lower: Floats
    upper: Floats
    label: Labels
    unit: str = ""
    relax: Floats | None = None
    whole: bool = False
    per: Linear | None = None
    penalty: float | None = None
    cut: bool = False
    separate: Separate | None = None

    def __len__(self) -> int:
        return len(self.body)

    @staticmethod
    def at_most(body: Linear, upper: Floats | float, label: Labels, **more: Any) -> Rows:
        """body ≤ upper."""
        return Rows(body, np.full(len(body), -np.inf), np.broadcast_to(upper, len(body)).astype(float), label, **more)

    @staticmethod
    def at_least(body: Linear, lower: Floats | float, label: Labels, **more: Any) -> Rows:
        """body ≥ lower."""
        return Rows(body, np.broadcast_to(lower, len(body)).astype(float), np.full(len(body), np.inf), label, **more)

    @staticmethod
    def stack(parts: Sequence[Rows]) -> Rows:
        """One block of several that share unit and penalty."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return Rows(Linear.fixed([]), np.empty(0), np.empty(0), always(""))
        ends = np.cumsum([len(part) for part in parts])

        def label(i: int) -> str:
            part = int(np.searchsorted(ends, i, side="right"))
            return parts[part].label(i - (int(ends[part - 1]) if part else 0))

        separators = [part.separate for part in parts if part.separate is not None]

        def separate(values: Mapping[str, Floats]) -> Rows | None:
            found = [rows for one in separators if (rows := one(values)) is not None]
            return Rows.stack(found) if found else None

        per = None
        if any(part.per is not None for part in parts):
            per = Linear.stack([Linear.fixed(np.ones(len(part))) if part.per is None else part.per for part in parts])
        return Rows(
            Linear.stack([part.body for part in parts]),
            np.concatenate([part.lower for part in parts]),
            np.concatenate([part.upper for part in parts]),
            label,
            unit=parts[0].unit,
            relax=np.concatenate([np.zeros(len(p)) if p.relax is None else p.relax for p in parts]),
            whole=parts[0].whole,
            per=per,
            penalty=parts[0].penalty,
            separate=separate if separators else None,
        )

    def excess(self, values: Columns) -> Floats:
        """By how many units of relaxation each row is exceeded."""
        body = self.body.at(values)
        over = np.maximum(np.maximum(body - self.upper, self.lower - body), 0.0)
        scale = np.ones(len(self)) if self.relax is None else self.relax
        if self.per is not None:
            scale = scale * self.per.at(values)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(over > 0, over / scale, 0.0)

    def softened(self, key: str, *, shared: bool = False, room: float = 0.0) -> tuple[Rows, Linear]:
        """The rows with slack columns, one a row (or one `shared` by all), and those columns.

        Where the relaxation is `relax · per` the product slack · per is not linear. It is then bounded by the largest
        `per` first, and wherever a solution pays too little (by more than `room` units) the range of `per` is split at
        the value it takes there.
        """
        count = 1 if shared else len(self)
        relax = np.zeros(len(self)) if self.relax is None else self.relax
        most = np.ones(len(self)) if self.per is None else self.per.range()[1]
        column = np.zeros(len(self), dtype=int) if shared else np.arange(len(self))
        pick = sparse.csr_array((np.ones(len(self)), column, np.arange(len(self) + 1)), shape=(len(self), count))
        family = Family(
            key,
            np.zeros(count),
            np.full(count, np.inf),
            np.full(count, self.whole),
            lambda i: f"relaxation: {self.label(i)}",
        )
        # Prices of 1e11 cents beside a slack of 1 are more than a solver can tell apart: the column is then scaled.
        size = np.ones(len(self))
        for block in (block for block in self.body.terms.values() if block.nnz):
            size = np.maximum(size, np.asarray(abs(block).max(axis=1).todense()).ravel())
        reach = (size / np.maximum(relax * most, 1e-9)).max(initial=1.0)
        unit = 1.0 if self.whole else 2.0 ** max(0.0, np.floor(np.log2(reach)) - 10)
        columns = family().times(unit)
        slack = columns.under(pick)
        parts = []
        for rows, sign in ((_finite(self.upper), -1.0), (_finite(self.lower), 1.0)):
            if len(rows):
                body = self.body.rows(rows) + slack.rows(rows).times(sign * (relax * most)[rows])
                parts.append((body, rows, sign))

        def separate(values: Mapping[str, Floats]) -> Rows | None:
            found = [more] if self.separate is not None and (more := self.separate(values)) is not None else []
            if self.per is not None:
                found += self._split_where_underpaid(key, slack, values, room)
            return Rows.stack(found) if found else None

        blocks = [
            Rows(
                body,
                self.lower[rows] if sign > 0 else np.full(len(rows), -np.inf),
                self.upper[rows] if sign < 0 else np.full(len(rows), np.inf),
                through(self.label, rows),
            )
            for body, rows, sign in parts
        ]
        asks = self.separate is not None or self.per is not None
        return replace(Rows.stack(blocks), separate=separate if asks else None), columns

    def _split_where_underpaid(self, key: str, slack: Linear, values: Mapping[str, Floats], room: float) -> list[Rows]:
        """Rows that charge enough where `per` is at most so much, for some levels around the value it takes."""
        assert self.per is not None and self.relax is not None
        owed, paid, size = self.excess(values), slack.at(values), self.per.at(values)
        low, high = self.per.range()
        found = []
        # A level has to lie above the value by what a solver can tell apart beside the largest.
        above = np.maximum(4e-9 * high, 1e-9 * np.abs(size)) + 1e-12
        near = np.maximum(1e-7, 2 * above / np.maximum(np.abs(size), 1e-12))
        under = owed > paid + np.maximum(near * np.maximum(1, owed), room)
        for group in _equal_rows(self.per):
            if not under[group].any():
                continue
            first = group[:1]
            # A total in whole units is at most so much or at least one more: nothing lies between.
            step = 1.0 if _whole(self.per.rows(first)) and above[first[0]] < 1.0 else 0.0
            at = np.rint(size[first[0]]) if step else size[first[0]] + above[first[0]]
            levels = at * np.array([0.95, 0.99, 1.0, 1.01, 1.05, 1.2])
            levels = np.unique(np.floor(levels + 1e-9)) if step else levels
            levels = levels[(levels > 0) & (levels >= low[first]) & (levels < high[first])]
            if not len(levels):
                continue
            count, ones = len(levels), np.ones(len(levels))
            told = f"{self.label(int(first[0]))}: the total is at most "
            split = Family(
                f"{key} split {first[0]} at {at!r}",
                ones * 0,
                ones,
                ones > 0,
                _leveled(told, levels),
            )()
            per = self.per.rows(first).repeat(count)
            label = always(f"{told}a level, or not")
            found.append(Rows.at_most(per + split.times(high[first] - levels), high[first], label))
            found.append(Rows.at_least(per + split.times(levels + step - low[first]), levels + step, label))
            row, level = (grid.ravel() for grid in np.meshgrid(group, np.arange(count), indexing="ij"))
            pay = slack.rows(row).times(self.relax[row] * levels[level])
            for bound, body in ((self.upper, self.body), (-self.lower, self.body.times(-1.0))):
                which = np.flatnonzero(np.isfinite(bound[row]))
                if len(which):
                    side = (body.rows(row) - pay).rows(which)
                    over = np.maximum(side.range()[1] - bound[row[which]], 0.0)
                    charge = side + split.rows(level[which]).times(over)
                    found.append(Rows.at_most(charge, bound[row[which]] + over, through(self.label, row[which])))
        return found


BOUNDS = ("lower", "upper", "integer")  # of a program's columns


@dataclass(frozen=True, eq=False)
class Program:
    """min cost @ x + offset, row_lower ≤ matrix @ x ≤ row_upper, lower ≤ x ≤ upper, some x whole.

    Made of an objective (one linear expression) and blocks of rows by `Program.build`; the arrays are what solvers
    get. Columns are named by family and position only.
    """

    objective: Linear
    blocks: tuple[Rows, ...]
    families: Mapping[str, Family]
    start: Mapping[str, int]
    cost: Floats
    offset: float
    lower: Floats
    upper: Floats
    integer: NDArray[np.bool_]
    matrix: sparse.csr_array
    row_lower: Floats
    row_upper: Floats
    row_blocks: tuple[Rows, ...]

    @staticmethod
    def build(objective: Linear, blocks: Iterable[Rows]) -> Program:
        """Collect the families behind the objective and the blocks, lay out the columns, stack the rows."""
        blocks = tuple(blocks)
        families: dict[str, Family] = {}
        row_blocks: list[Rows] = []
        fresh = list(objective.families.values())

        def meet(rows: Rows) -> None:
            row_blocks.append(rows)
            fresh.extend(rows.body.families.values())

        for rows in blocks:
            meet(rows)
        while fresh:
            family = fresh.pop(0)
            known = families.get(family.key)
            if known is not None and known is not family:
                _must_agree(known, family)
            if known is None or (family.links and not known.links):
                families[family.key] = family
                for rows in family.links:
                    meet(rows)
        families = dict(sorted(families.items()))
        sizes = [family.size for family in families.values()]
        ends = np.cumsum([0, *sizes])
        start = dict(zip(families, map(int, ends), strict=False))
        width = int(ends[-1])
        cost = np.zeros(width)
        for key, block in objective.terms.items():
            cost[start[key] : start[key] + families[key].size] += block.toarray()[0]
        members = list(families.values())
        return Program(
            objective,
            blocks,
            families,
            start,
            cost,
            float(objective.constant[0]),
            _joined([family.lower for family in members]),
            _joined([family.upper for family in members]),
            np.concatenate([family.integer for family in members]) if members else np.empty(0, dtype=bool),
            _assemble([rows.body for rows in row_blocks], start, width),
            _joined([rows.lower - rows.body.constant for rows in row_blocks]),
            _joined([rows.upper - rows.body.constant for rows in row_blocks]),
            tuple(row_blocks),
        )

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.cost)

    @property
    def cuts(self) -> NDArray[np.bool_]:
        """Which rows only sharpen the relaxation (`Rows.cut`)."""
        known = np.repeat([rows.cut for rows in self.row_blocks], [len(rows) for rows in self.row_blocks])
        return np.append(known, np.zeros(self.matrix.shape[0] - len(known))).astype(bool)

    def extended(self, more: Iterable[Rows]) -> Program:
        """The program with further blocks of rows; columns keep the bounds and costs they have here."""
        return self._carried(Program.build(self.objective, (*self.blocks, *more)), "cost", *BOUNDS)

    def aiming(self, objective: Linear) -> Program:
        """The program with another objective; columns keep the bounds they have here."""
        return self._carried(Program.build(objective, self.blocks), *BOUNDS)

    def _carried(self, other: Program, *names: str) -> Program:
        arrays: dict[str, Any] = {name: getattr(other, name).copy() for name in names}
        for key, at in self.start.items():
            if key in other.start:
                size, to = self.families[key].size, other.start[key]
                for name, array in arrays.items():
                    array[to : to + size] = getattr(self, name)[at : at + size]
        return replace(other, **arrays)

    def split(self, x: Floats) -> dict[str, Floats]:
        """A solver's vector as values by family."""
        return {key: x[at : at + self.families[key].size] for key, at in self.start.items()}

    def separate(self, x: Floats) -> list[Rows]:
        """Rows that `x` violates and that the program does not hold yet."""
        values = self.split(x)
        found = [rows.separate(values) for rows in self.row_blocks if rows.separate is not None]
        return [rows for rows in found if rows is not None and len(rows)]

    def column_labels(self) -> list[str]:
        """What each column means."""
        return [family.label(i) for family in self.families.values() for i in range(family.size)]

    def row_labels(self) -> list[str]:
        """What each row says."""
        return [rows.label(i) for rows in self.row_blocks for i in range(len(rows))]

    def write_lp(self, path: str | Path) -> None:
        """Write the program in LP format for an auditor, rows named in the buyer's words.

        LP names may hold neither spaces nor signs, so each row and column is also explained, word for word, in a
        comment. Rules whose rows are made on the way (`Rows.separate`: HHI, charges on totals that vary) are named at
        the head: there the file is a relaxation, and solving it may give less than the award.
        """
        rows, columns = self.row_labels(), self.column_labels()
        lines = ["\\ Minimise the cost of the award. Each row and column is explained in a comment (after \\)."]
        lazy = [rows.label(0) for rows in self.row_blocks if rows.separate is not None and len(rows)]
        lines += [f"\\ Only a relaxation: rows are added where a solution breaks: {_plain(label)}" for label in lazy]
        lines += [f"\\ x{j} = {_plain(label)}" for j, label in enumerate(columns)]
        lines += ["Minimize", f" cost: {_sum(self.cost, np.arange(self.width))} + {_number(self.offset)} one"]
        lines.append("Subject To")
        matrix = self.matrix
        for i, label in enumerate(rows):
            where = slice(matrix.indptr[i], matrix.indptr[i + 1])
            body = _sum(matrix.data[where], matrix.indices[where]) or "0 one"
            low, high = self.row_lower[i], self.row_upper[i]
            name = f"r{i}_{re.sub('[^A-Za-z0-9]+', '_', label)[:80].strip('_')}"
            lines.append(f"\\ {_plain(label)}")
            if low == high:
                lines.append(f" {name}: {body} = {_number(low)}")
            else:
                lines += [f" {name}_at_least: {body} >= {_number(low)}"] if np.isfinite(low) else []
                lines += [f" {name}_at_most: {body} <= {_number(high)}"] if np.isfinite(high) else []
        lines.append("Bounds")
        lines.append(" one = 1")
        for j in range(self.width):
            high = f" <= {_number(self.upper[j])}" if np.isfinite(self.upper[j]) else ""
            lines.append(f" {_number(self.lower[j]) if np.isfinite(self.lower[j]) else '-inf'} <= x{j}{high}")
        whole = np.flatnonzero(self.integer)
        if len(whole):
            lines += ["General", *(f" x{j}" for j in whole)]
        lines.append("End\n")
        with replacing(path) as beside:
            beside.write_text("\n".join(lines), encoding="utf-8")


class Status(Enum):
    """What a solver established."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    NOTHING = "nothing found before the limit"


@dataclass(frozen=True, eq=False)
class Solution:
    """Values of the columns, what they cost, a bound no solution can beat, and what was established.

    `reduced_cost` are those of the program's linear relaxation, and `relaxed` is that relaxation's bound: a column
    that is 0 there costs at least `relaxed + reduced_cost` to use. `worse` are other solutions met on the way.
    """

    status: Status
    program: Program
    x: Floats | None = None
    objective: float = np.inf
    bound: float = -np.inf
    relaxed: float = -np.inf
    reduced_cost: Floats | None = None
    worse: tuple[Floats, ...] = ()

    @property
    def values(self) -> dict[str, Floats]:
        """The values by family."""
        assert self.x is not None, "no solution was found"
        return self.program.split(self.x)


def _finite(bounds: Floats) -> NDArray[np.intp]:
    return np.flatnonzero(np.isfinite(bounds))


_NONE: NDArray[Any] = np.empty(0, dtype=np.int64)


def _joined(parts: Sequence[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.empty(0)


def _assemble(bodies: Sequence[Linear], start: Mapping[str, int], width: int) -> sparse.csr_array:
    """All rows as one matrix over all columns, block by block without going through dense or COO of the whole."""
    data: list[Floats] = []
    columns: list[NDArray[Any]] = []
    counts: list[NDArray[Any]] = [_NONE]
    for body in bodies:
        pieces = [(block.tocsr(), start[key]) for key, block in body.terms.items() if block.nnz]
        if len(pieces) == 1:
            block, at = pieces[0]
            data.append(block.data)
            columns.append(block.indices + at)
            counts.append(np.diff(block.indptr))
            continue
        i = np.concatenate([np.repeat(np.arange(len(body)), np.diff(b.indptr)) for b, _ in pieces] or [_NONE])
        j = np.concatenate([b.indices + at for b, at in pieces] or [_NONE])
        v = np.concatenate([b.data for b, _ in pieces] or [np.empty(0)])
        order = np.argsort(i, kind="stable")
        data.append(v[order])
        columns.append(j[order])
        counts.append(np.bincount(i, minlength=len(body)))
    pointer = np.append(0, np.cumsum(np.concatenate(counts)))
    height = len(pointer) - 1
    content = (_joined(data), np.concatenate(columns) if columns else np.empty(0, dtype=np.int64), pointer)
    matrix = sparse.csr_array(content, shape=(height, width))
    matrix.eliminate_zeros()
    return matrix


def _number(value: float) -> str:
    return f"{value:.15g}"


def _plain(label: str) -> str:
    return "".join(" " if character in "\r\n\\" else character for character in label)


def _sum(coefficients: Floats, columns: NDArray[Any]) -> str:
    used = [(c, j) for c, j in zip(coefficients, columns, strict=True) if c]
    pieces = [f"{'-' if c < 0 else '+'} {_number(abs(c))} x{j}" for c, j in used]
    return "\n  ".join(" ".join(pieces[k : k + 8]) for k in range(0, len(pieces), 8))
