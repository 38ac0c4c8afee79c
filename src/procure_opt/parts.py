"""A program that falls into independent parts: which they are, and one solution from those of the parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from procure_opt.program import Floats, Program, Solution, Status

FEWEST = 300  # columns; smaller parts share a program


@dataclass(frozen=True, eq=False)
class Part:
    """Some columns of a program, and all the rows they are in."""

    columns: NDArray[np.intp]
    matrix: sparse.csr_array
    row_lower: Floats
    row_upper: Floats

    def of(self, program: Program) -> Program:
        """The part of a program with the same rows, at its costs and bounds."""
        mine = self.columns
        return replace(
            program,
            cost=program.cost[mine],
            offset=0.0,
            lower=program.lower[mine],
            upper=program.upper[mine],
            integer=program.integer[mine],
            matrix=self.matrix,
            row_lower=self.row_lower,
            row_upper=self.row_upper,
        )


def independent(program: Program) -> list[Part]:
    """The parts of a program that share no row, so that each can be solved for itself.

    Two columns belong together if a row holds both: the parts are the components of the graph of rows and columns.
    """
    height, width = program.matrix.shape
    if width < 2 * FEWEST:
        return [Part(np.arange(width), program.matrix, program.row_lower, program.row_upper)]
    graph: Any = sparse.block_array([[None, program.matrix], [program.matrix.T, None]], format="csr")
    count, label = connected_components(graph, directed=False)
    if count == 1:
        return [Part(np.arange(width), program.matrix, program.row_lower, program.row_upper)]
    group = _merged(label, height, count)
    of_row, of_column = group[:height], group[height:]
    rows, columns = np.argsort(of_row, kind="stable"), np.argsort(of_column, kind="stable")
    names = np.arange(group.max() + 2)
    row_ends, column_ends = np.searchsorted(of_row[rows], names), np.searchsorted(of_column[columns], names)
    ordered = sparse.csr_array(program.matrix[rows])
    place = np.empty(width, dtype=np.int64)
    place[columns] = np.arange(width)
    parts = []
    for part in names[:-1]:
        r0, r1, c0, c1 = *row_ends[part : part + 2], *column_ends[part : part + 2]
        entries = slice(ordered.indptr[r0], ordered.indptr[r1])
        at = place[ordered.indices[entries]] - c0
        content = (ordered.data[entries], at, ordered.indptr[r0 : r1 + 1] - ordered.indptr[r0])
        matrix, mine = sparse.csr_array(content, shape=(r1 - r0, c1 - c0)), rows[r0:r1]
        parts.append(Part(columns[c0:c1], matrix, program.row_lower[mine], program.row_upper[mine]))
    return parts


def _merged(label: NDArray[np.int32], height: int, count: int) -> NDArray[np.intp]:
    """Labels after small components, in order, were put together until they have `FEWEST` columns."""
    size = np.bincount(label[height:], minlength=count)
    small = size < FEWEST
    bins = np.cumsum(np.where(small, size, 0)) // FEWEST
    groups = np.where(small, bins, bins.max(initial=0) + 1 + np.cumsum(~small))
    return np.unique(groups, return_inverse=True)[1][label]


def joined(program: Program, parts: Sequence[Part], solved: Sequence[Solution]) -> Solution:
    """The solution of a program from those of its parts."""
    states = [solution.status for solution in solved]
    for status in (Status.INFEASIBLE, Status.NOTHING, Status.FEASIBLE, Status.OPTIMAL):
        if status in states:
            break
    total = Solution(
        status,
        program,
        objective=sum(solution.objective for solution in solved) + program.offset,
        bound=sum(solution.bound for solution in solved) + program.offset,
        relaxed=sum(solution.relaxed for solution in solved) + program.offset,
    )
    if any(solution.reduced_cost is None for solution in solved):
        return total
    x, reduced = np.empty(program.width), np.empty(program.width)
    for part, solution in zip(parts, solved, strict=True):
        reduced[part.columns] = solution.reduced_cost
        if solution.x is not None:
            x[part.columns] = solution.x
    return replace(total, reduced_cost=reduced, x=None if Status.NOTHING in states else x)
