"""Bids as if all auctions had been alike: what is seen of an auction, taken off its bids.

With costs c = exp(x′γ) u, u the same everywhere, bids are exp(x′γ) times what they would be for u: equilibrium bids
scale with the costs. So

    ln b = x′γ + a(n) + e,

a(n) a constant for each number of bidders, and b / exp(x′γ) are the bids of auctions that are all like the one from
which x is measured. Haile, Hong and Shum (2003), NBER Working Paper 10105.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from procure_opt.cells import BadTable, Problem

Floats = NDArray[np.float64]
Terms = Callable[[pd.DataFrame], tuple[Floats, list[str]]]  # a table -> columns of x, and what they are called

LOG = re.compile(r"log\((.+)\)")


@dataclass(frozen=True, eq=False)
class Design:
    """What is seen of the auctions, as numbers measured from a reference auction.

    Attributes:
        x: A row a bid, a column a term, 0 in the reference auction; shape (bids, terms).
        names: Of the terms.
        log_scale: ln of the column in whose units bids are counted, less that of the reference; 0 without one.
        reference: The auction from which all is measured: of each column its mean over auctions, or what is most
            frequent; of the scale the geometric mean.
    """

    x: Floats
    names: tuple[str, ...]
    log_scale: Floats
    reference: Mapping[str, Any]
    _terms: Terms
    _scale: str | None = None

    def at(self, where: Mapping[str, Any] | None = None) -> tuple[Floats, float]:
        """x and ln scale of another auction, measured from the reference, to which all that is not given is equal.

        Raises:
            ValueError: a column is named that is no covariate, a number is none, or a text was never met.
        """
        where = dict(where or {})
        unknown = [name for name in where if name not in self.reference]
        if unknown:
            known = ", ".join(map(repr, self.reference)) or "none were given"
            raise ValueError(f"at= names {unknown[0]!r}, which is no covariate; covariates are: {known}")
        for name, value in where.items():
            usual = self.reference[name]
            if isinstance(usual, float) and not _is_amount(value):
                raise ValueError(f"at= says that {name!r} is {value!r}; it must be a number, such as {usual:.6g}")
            if isinstance(usual, float) and name == self._scale and not value > 0:
                raise ValueError(f"at= says that {name!r} is {value!r}; bids are counted in it, so it must be above 0")
        auction = pd.DataFrame([{**self.reference, **where}], index=["at="])
        x, log_scale = self.of(auction)
        return x[0], float(log_scale[0])

    def of(self, table: pd.DataFrame) -> tuple[Floats, Floats]:
        """x and ln scale of auctions in a table, measured from the reference, shapes (rows, terms) and (rows,)."""
        x, names = self._terms(table)
        _finite(x, names, [row if isinstance(row, str) else f"row {row}" for row in table.index])
        x = x - self._terms(pd.DataFrame([self.reference]))[0] if names else x
        if not self._scale:
            return x, np.zeros(len(table))
        return x, np.log(table[self._scale].to_numpy(dtype=float) / self.reference[self._scale])

    def told(self) -> str:
        """The reference auction in words."""
        values = (f"{value:.6g}" if isinstance(value, float) else repr(value) for value in self.reference.values())
        return ", ".join(f"{name} {value}" for name, value in zip(self.reference, values, strict=True))


def coefficients(x: Floats, log_bids: Floats, n: NDArray[np.intp]) -> Floats:
    """γ of ln b = x′γ + a(n) + e by least squares, shape (terms,).

    Args:
        x: Shape (bids, terms).
        log_bids: ln b, shape (bids,).
        n: Bidders of each bid's auction, shape (bids,).

    >>> x = np.array([[0.0], [1.0], [0.0], [1.0]])
    >>> coefficients(x, np.array([1.0, 3.0, 0.5, 2.5]), np.array([2, 2, 3, 3])).round(9).tolist()
    [2.0]
    """
    if not x.shape[1]:
        return np.zeros(0)
    within = np.column_stack([x, log_bids])
    counts = np.maximum(np.bincount(n), 1)
    within = within - np.column_stack([np.bincount(n, column) / counts for column in within.T])[n]
    return np.asarray(np.linalg.lstsq(within[:, :-1], within[:, -1], rcond=None)[0], dtype=float)


def design(table: pd.DataFrame, covariates: str | Sequence[str] | None = None, scale: str | None = None) -> Design:
    """The covariates of a table of bids, ready for ln b = x′γ + a(n) + e.

    Args:
        table: One row a bid, with columns `auction` and `n` (see `past_bids`).
        covariates: Names of columns, each as it is or as `log(column)`, texts as one dummy for each but the first in
            alphabetical order; or the right-hand side of a formula, `"np.log(area) * C(region)"` (with `patsy`, the
            language of statsmodels and R).
        scale: A column in whose units bids are counted, such as the buyer's estimate: its logarithm with coefficient 1.

    Raises:
        BadTable: a cell is blank or infinite, or of the scale not above 0; or a column differs within an auction.
        ValueError: a column is not there or holds dates, a logarithm is taken of what is not above 0, terms cannot be
            told apart, or the formula cannot be read.
        ImportError: a formula was given, and patsy is not there.

    >>> table = pd.DataFrame({"auction": ["A", "B", "C"], "n": 2, "area": [50.0, 100, 150], "town": ["x", "y", "y"]})
    >>> seen = design(table, ["log(area)", "town"])
    >>> seen.names, seen.told()
    (('log(area)', 'town = y'), "area 100, town 'y'")
    >>> seen.x.round(3).tolist()
    [[-0.693, -1.0], [0.0, 0.0], [0.405, 0.0]]
    """
    if isinstance(covariates, str):
        used, terms = _formula(table, covariates)
    else:
        used, terms = _listed(table, list(covariates or ()))
    columns = list(dict.fromkeys([*used, *([scale] if scale else [])]))
    _filled(table, columns, scale)
    reference = {name: _usual(table, name, geometric=name == scale and name not in used) for name in columns}
    x, names = terms(table)
    _finite(x, names, [f"row {row}" for row in table.index])
    x = x - terms(pd.DataFrame([reference]))[0] if names else x
    log_scale = np.log(table[scale].to_numpy(dtype=float) / reference[scale]) if scale else np.zeros(len(table))
    moving = [k for k, name in enumerate(names) if name != "Intercept"]
    made = Design(x[:, moving], tuple(names[k] for k in moving), log_scale, reference,
                  Some(terms, moving), scale)  # fmt: skip
    _told_apart(made, table["n"].to_numpy(dtype=np.intp))
    return made


@dataclass(frozen=True)
class Listed:
    """Columns named one by one: numbers as they are or their logarithms, texts as dummies."""

    columns: Mapping[str, str]  # what is asked for, such as log(area) -> the column
    met: Mapping[str, Sequence[str]]  # column of texts -> the texts it holds

    def __call__(self, rows: pd.DataFrame) -> tuple[Floats, list[str]]:
        """x and the names of its columns."""
        x, names = list[Floats](), list[str]()
        for each, column in self.columns.items():
            if column in self.met:
                texts = rows[column].astype(str).to_numpy()
                unmet = sorted(set(texts) - set(self.met[column]))
                if unmet:
                    raise ValueError(f"{column} {unmet[0]!r} was never met; there are {', '.join(self.met[column])}")
                x += [(texts == text).astype(float) for text in self.met[column][1:]]
                names += [f"{column} = {text}" for text in self.met[column][1:]]
                continue
            values = rows[column].to_numpy(dtype=float)
            with np.errstate(divide="ignore", invalid="ignore"):
                x.append(values if each == column else np.log(values))
            names.append(each)
        return np.column_stack(x) if x else np.zeros((len(rows), 0)), names


@dataclass(frozen=True)
class Some:
    """Those terms that move: all but a constant."""

    terms: Terms
    moving: Sequence[int]

    def __call__(self, rows: pd.DataFrame) -> tuple[Floats, list[str]]:
        """x and the names of its columns."""
        x, names = self.terms(rows)
        return x[:, self.moving], [names[k] for k in self.moving]


def _listed(table: pd.DataFrame, covariates: list[str]) -> tuple[list[str], Terms]:
    """Columns named one by one, numbers as they are or their logarithms, texts as dummies."""
    plain = {each: found.group(1).strip() if (found := LOG.fullmatch(each)) else each for each in covariates}
    _there(table, list(plain.values()), "covariates")
    _no_dates(table, list(plain.values()))
    for each, column in plain.items():
        if each != column and not _numeric(table, column):
            raise ValueError(f"covariates has {each!r}, but {column!r} holds texts; name the column alone")
    met = {c: sorted(map(str, table[c].unique())) for c in plain.values() if not _numeric(table, c)}
    return list(plain.values()), Listed(plain, met)


def _formula(table: pd.DataFrame, formula: str) -> tuple[list[str], Terms]:
    """The right-hand side of a formula."""
    try:
        import patsy
    except ImportError:
        raise ImportError(
            "covariates given as a formula need patsy: pip install procure-opt[estimate]; "
            "a list of columns, such as ['log(area)', 'region'], needs nothing more"
        ) from None
    if "~" in formula:
        raise ValueError(f"the formula is {formula!r}; write its right-hand side alone: ln bid stands on the left")
    try:
        described = patsy.ModelDesc.from_formula(formula)
        words = {word for term in described.rhs_termlist for factor in term.factors for word in _words(factor.name())}
        used = [str(column) for column in table.columns if column in words]
        _no_dates(table, used)
        info = patsy.dmatrix(described, table[used], NA_action=patsy.NAAction(NA_types=[])).design_info
    except (patsy.PatsyError, SyntaxError) as error:
        raise ValueError(f"the formula {formula!r} cannot be read: {str(error).splitlines()[0]}") from None

    def terms(rows: pd.DataFrame) -> tuple[Floats, list[str]]:
        keep = patsy.NAAction(NA_types=[])
        try:
            (matrix,) = patsy.build_design_matrices([info], rows, NA_action=keep)
        except patsy.PatsyError as error:
            raise ValueError(f"the formula {formula!r} cannot be worked out: {str(error).splitlines()[0]}") from None
        return np.asarray(matrix, dtype=float), list(info.column_names)

    return used, terms


def _words(code: str) -> set[str]:
    """The names and texts in a piece of code: the columns it uses are among them, Q("with blanks") too."""
    nodes = list(ast.walk(ast.parse(code, mode="eval")))
    return {node.id for node in nodes if isinstance(node, ast.Name)} | {
        node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def _numeric(table: pd.DataFrame, column: str) -> bool:
    return bool(pd.api.types.is_numeric_dtype(table[column].dtype)) and table[column].dtype != bool


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(np.isfinite(value))


def _there(table: pd.DataFrame, columns: list[str], what: str) -> None:
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ValueError(
            f"{what} has {missing[0]!r}, which is no column of the bids; there are {', '.join(map(str, table.columns))}"
        )


def _no_dates(table: pd.DataFrame, columns: list[str]) -> None:
    for column in columns:
        if pd.api.types.is_datetime64_any_dtype(table[column].dtype):
            raise ValueError(
                f"covariates has {column!r}, which holds dates, and auctions are not compared by dates: make a column "
                "of what matters of them, such as the year, and name that"
            )


def _filled(table: pd.DataFrame, columns: list[str], scale: str | None) -> None:
    if scale:
        _there(table, [scale], "scale")
    problems: list[Problem] = []
    for column in columns:
        cells = table[column]
        if column == scale and not _numeric(table, column):
            raise ValueError(f"scale is {column!r}, which holds texts; bids can be counted in a column of numbers")
        blank = cells.isna() | (cells.astype(str).str.strip() == "")
        for row in table.index[blank]:
            problems.append(Problem("bids", int(row), column, "the cell is blank, and bids are compared by it"))
        if column == scale:
            for row in table.index[(cells <= 0).to_numpy()]:
                reason = f"{cells[row]:g} is not above 0, and bids are counted in it"
                problems.append(Problem("bids", int(row), column, reason))
        if _numeric(table, column):
            for row in table.index[np.isinf(cells.to_numpy(dtype=float))]:
                problems.append(Problem("bids", int(row), column, "the number is infinite"))
    if not problems:
        problems += [problem for column in columns for problem in _differing(table, column)]
    if problems:
        raise BadTable(problems)


def _differing(table: pd.DataFrame, column: str) -> list[Problem]:
    """A problem if a column is not the same in all rows of an auction, told of the first such auction."""
    cells = table[column]
    first = cells.groupby(table["auction"]).transform("first")
    other = table.index[(cells != first).to_numpy()]
    if not len(other):
        return []
    auctions = table.loc[other, "auction"]
    rows = table.index[(table["auction"] == auctions.iloc[0]).to_numpy()]
    values = ", ".join(f"{cells[row]!s} in row {row}" for row in rows[:5]) + (", …" if len(rows) > 5 else "")
    more = f"; so it does in {auctions.nunique() - 1:,} more" if auctions.nunique() > 1 else ""
    reason = (
        f"it differs within the auction {auctions.iloc[0]!r} ({values}){more}: what auctions are compared by must be "
        "the same for all bids of one"
    )
    return [Problem("bids", int(other[0]), column, reason)]


def _finite(x: Floats, names: Sequence[str], rows: Sequence[str]) -> None:
    bad = ~np.isfinite(x)
    if bad.any():
        row, term = (int(each[0]) for each in np.nonzero(bad))
        told = f", and so in {bad.any(axis=1).sum() - 1} more rows" if bad.any(axis=1).sum() > 1 else ""
        raise ValueError(f"{names[term]} is {x[row, term]:g} in {rows[row]}{told}; a logarithm needs values above 0")


def _usual(table: pd.DataFrame, column: str, geometric: bool) -> Any:
    """What a column is in the reference auction; each auction counts once, however many bids it has."""
    weight = 1 / table.groupby("auction")["auction"].transform("size").to_numpy()
    if not _numeric(table, column):
        share = pd.Series(weight).groupby(table[column].astype(str).to_numpy()).sum().round(9)
        return str(share.index[int(share.to_numpy().argmax())])
    values = table[column].to_numpy(dtype=float)
    if geometric:
        return float(np.exp(np.average(np.log(values), weights=weight)))
    return float(np.average(values, weights=weight))


def _told_apart(made: Design, n: NDArray[np.intp]) -> None:
    """Terms must move independently of each other and of the number of bidders."""
    if not made.names:
        return
    spread = np.abs(made.x - made.x.mean(axis=0)).max(axis=0)
    still = [name for name, each in zip(made.names, spread, strict=True) if each <= 1e-12]
    if still:
        raise ValueError(f"the covariate {still[0]!r} is the same in all auctions: leave it out")
    centred = made.x - made.x.mean(axis=0)
    within = made.x - pd.DataFrame(made.x).groupby(n).transform("mean").to_numpy()
    within = within / np.linalg.norm(centred, axis=0)
    for k in range(1, len(made.names) + 1):
        if np.linalg.matrix_rank(within[:, :k], tol=1e-9) < k:
            raise ValueError(
                f"the covariate {made.names[k - 1]!r} moves exactly with the number of bidders or with those before "
                f"it ({', '.join(made.names[: k - 1]) or 'none'}): leave it out"
            )
