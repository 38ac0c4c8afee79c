"""What may be outsourced at all: legality, responsibility, and an object that can be measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from procure_opt.cells import NUMBER, TEXT, BadTable, Problem, Table, as_quantity, as_text, check_within, read_table


@dataclass(frozen=True, eq=False)
class Checklist:
    """What is missing before a tender may go out.

    Attributes:
        findings: One a row: `lot` (blank: the tender as a whole), `about`, `sentence`, `source`.
        front_share: The share of the estimates that lies in lots marked front-end; NaN without estimates.
    """

    findings: pd.DataFrame
    front_share: float

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return self.findings.empty

    @property
    def by_lot(self) -> dict[str, tuple[str, ...]]:
        """The sentences, by lot; under "" those on the tender as a whole."""
        return {str(lot): tuple(rows["sentence"]) for lot, rows in self.findings.groupby("lot", sort=False)}

    def __str__(self) -> str:
        return "\n".join(self.findings["sentence"]) or "nothing is missing"


OBJECT = {  # what a lot says of its object, and what to write where it does not
    "unit": "in what its quantity is counted, such as m² or calls",
    "quantity": "how much of it there is to do",
    "indicator": "by what its fulfilment is measured",
    "price_base": "for what a price is asked, such as a month or a unit",
}
STAGES = {"front": "done before the public", "back": "done behind it"}


def outsourcing_checklist(
    lots: Any, duties: Table | None = None, regime: Table | None = None, bodies: Sequence[str] = ()
) -> Checklist:
    """What is missing before lots may be put out to tender: legality, responsibility, and a measurable object.

    1. No rule of the regime bars a lot.
    2. Each lot is marked front-end or back-end (column `stage`: front, back).
    3. Each lot is some duty's, and each duty has exactly one accountable owner, of the bodies if these are given: what
       is outsourced is the work, not the responsibility.
    4. Each lot states its object measurably: `unit`, `quantity`, `indicator`, `price_base`.

    Args:
        lots: A table with `lot`, and the columns that rules and the object ask for; or a tender.
        duties: A table with `duty`, `owner` and `lot` (blank where the work stays in house); a second row of the same
            duty and owner gives it another lot.
        regime: The rules of law or policy in force, as a table: `rule` (its name), `column` of the lots, `test` (is, is
            not, above, below), `value` (several as "a; b", in capitals or not), `share` (blank: each such lot is
            barred; else at most that share of the estimates may lie in such lots), `says` (why, in words) and `source`.
            A lot whose cell is blank cannot be held against the rule, and that is a finding. None checks no rule, and
            says so.
        bodies: Who may be accountable; () for anybody.

    Raises:
        BadTable: a table cannot be read or has no lots, a rule names a test or a column there is not, a duty's lot is
            unknown, an estimate is below 0.
        TypeError: bodies are one text.

    References: Williamson (1999), Journal of Law, Economics, and Organization 15 (what governments should not buy).

    >>> lots = [{"lot": "park", "kind": "service", "stage": "front", "unit": "m²", "quantity": 42000,
    ...          "indicator": "share of inspections passed", "price_base": "m² and month"}]
    >>> duties = [{"duty": "clean parks", "owner": "parks office", "lot": "park"}]
    >>> regime = [{"rule": "works", "column": "kind", "test": "is", "value": "works", "says": "works are no service",
    ...            "source": "regulation of the example"}]
    >>> print(outsourcing_checklist(lots, duties, regime))
    nothing is missing
    >>> print(outsourcing_checklist([lots[0] | {"unit": ""}], duties, regime))
    lot park does not say in what its quantity is counted, such as m² or calls (column unit)
    """
    if isinstance(bodies, str):
        raise TypeError(f"bodies is one text, {bodies!r}; give several, such as ({bodies!r},)")
    problems: list[Problem] = []
    offered = _read_lots(lots, problems)
    held = read_table("duties", duties, problems.append, {"duty": TEXT, "owner": TEXT, "lot": TEXT}, ("duty",))
    columns = {"rule": TEXT, "column": TEXT, "test": TEXT, "value": TEXT, "share": NUMBER, "says": TEXT, "source": TEXT}
    rules = read_table("regime", regime, problems.append, columns, ("rule", "column", "test", "value", "source"))
    problems += _unknown(offered, held, rules)
    if problems:
        raise BadTable(problems)
    findings = [*_barred(offered, rules), *_unmarked(offered), *_unowned(offered, held, bodies), *_vague(offered)]
    if regime is None:
        findings.insert(0, ("", "regime", "no rules were given, so none was checked", ""))
    estimate, front = offered["estimate"].to_numpy(), (offered["stage"] == "front").to_numpy()
    return Checklist(
        pd.DataFrame(findings, columns=["lot", "about", "sentence", "source"]),
        float(estimate[front].sum() / estimate.sum()) if estimate.sum() > 0 else math.nan,
    )


def _read_lots(lots: Any, problems: list[Problem]) -> pd.DataFrame:
    columns = {"lot": TEXT, "stage": TEXT, "estimate": NUMBER, **dict.fromkeys(OBJECT, TEXT), "quantity": NUMBER}
    given = lots if isinstance(lots, pd.DataFrame) else getattr(lots, "lots", lots)  # a table may have a column `lots`
    table = read_table("lots", given, problems.append, columns, ("lot",))
    if table.empty:
        problems.append(Problem("lots", None, None, "there are no lots"))
    check_within("lots", table, "estimate", 0.0, math.inf, problems.append)
    twice = table["lot"].duplicated() & (table["lot"] != "")
    problems += [
        Problem("lots", int(row), "lot", f"lot {lot!r} stands there twice")
        for row, lot in zip(table.index[twice], table["lot"][twice].tolist())
    ]
    return table


def _unknown(lots: pd.DataFrame, duties: pd.DataFrame, rules: pd.DataFrame) -> Iterator[Problem]:
    """What tables say of each other that is not so."""
    for row, lot in duties["lot"].items():
        if lot and lot not in set(lots["lot"]):
            yield Problem("duties", int(str(row)), "lot", f"there is no lot {lot!r}")
    for row, rule in rules.iterrows():
        place = int(str(row))
        if rule["column"] and rule["column"] not in lots.columns:
            yield Problem(
                "regime", place, "column", f"the lots have no column {rule['column']!r}, which the rule asks for"
            )
        if rule["test"] and rule["test"] not in TESTS:
            yield Problem("regime", place, "test", f"{rule['test']!r} is no test; there are {', '.join(TESTS)}")
        elif rule["test"] in NUMERIC and as_quantity(rule["value"]) is None:
            yield Problem("regime", place, "value", f"{rule['value']!r} is not a number, which {rule['test']!r} needs")
        elif rule["test"] in NUMERIC and not pd.api.types.is_numeric_dtype(lots.get(rule["column"], pd.Series([0.0]))):
            told = f"column {rule['column']!r} holds no numbers, which {rule['test']!r} needs"
            yield Problem("regime", place, "column", told)
        if not math.isnan(rule["share"]):
            if not 0 <= rule["share"] <= 1:
                yield Problem("regime", place, "share", f"{rule['share']:g} is not a share, from 0 to 1")
            blank = lots.loc[lots["estimate"].isna(), "lot"]
            if not len(blank) and not lots["estimate"].sum() > 0:
                yield Problem("lots", None, "estimate", "a rule on shares needs it, and all are 0")
            if len(blank):
                yield Problem(
                    "lots", None, "estimate", f"a rule on shares needs it, and {', '.join(blank[:8])} has none"
                )


Finding = tuple[str, str, str, str]


def _barred(lots: pd.DataFrame, rules: pd.DataFrame) -> Iterator[Finding]:
    for rule in rules.to_dict("records"):
        column = lots[rule["column"]]
        blank = as_text(column) == ""
        for lot in lots["lot"][blank].tolist():
            told = f"lot {lot} does not say its {rule['column']}, so that the rule {rule['rule']} cannot be checked"
            yield lot, "regime", told, rule["source"]
        met = (TESTS[rule["test"]](column, str(rule["value"])) & ~blank).to_numpy()
        why = f": {rule['says']}" if rule["says"] else ""
        told = f"{rule['column']} {rule['test']} {rule['value']}"
        if math.isnan(rule["share"]):
            for lot, own in zip(lots["lot"][met].tolist(), as_text(column)[met].tolist()):
                its = f"its {rule['column']} is {own} ({told})"
                yield lot, "regime", f"lot {lot} may not be put out, since {its}{why}", rule["source"]
            continue
        share = lots["estimate"][met].sum() / lots["estimate"].sum()
        if share > rule["share"]:
            told = f"lots where {told} are {share:.0%} of the estimates, and may be {rule['share']:.0%}{why}"
            yield "", "regime", told, rule["source"]


def _unmarked(lots: pd.DataFrame) -> Iterator[Finding]:
    for lot, stage in zip(lots["lot"], lots["stage"]):
        if stage not in STAGES:
            marks = " or ".join(f"{name} ({told})" for name, told in STAGES.items())
            now = f"is marked {stage!r}" if stage else "is not marked"
            yield lot, "stage", f"lot {lot} {now}; it must be {marks} (column stage)", ""


def _unowned(lots: pd.DataFrame, duties: pd.DataFrame, bodies: Sequence[str]) -> Iterator[Finding]:
    for duty in dict.fromkeys(duties["duty"]):
        rows = duties[duties["duty"] == duty]
        owners = [owner for owner in dict.fromkeys(rows["owner"]) if owner]
        where = next(filter(None, rows["lot"]), "")
        if not owners:
            yield where, "owner", f"the duty {duty} has no accountable owner", ""
        elif len(owners) > 1:
            yield where, "owner", f"the duty {duty} has {len(owners)} owners, {' and '.join(owners)}; name one", ""
        elif bodies and owners[0] not in bodies:
            told = (
                f"the duty {duty} is owned by {owners[0]}, who may not be accountable for it ({', '.join(bodies)} may)"
            )
            yield where, "owner", told, ""
    for lot in lots["lot"][~lots["lot"].isin(duties["lot"])]:
        yield lot, "owner", f"lot {lot} belongs to no duty, so that nobody is accountable for it", ""


def _vague(lots: pd.DataFrame) -> Iterator[Finding]:
    for _, row in lots.iterrows():
        for column, told in OBJECT.items():
            given = row[column] > 0 if column == "quantity" else row[column] != ""
            if not given:
                yield row["lot"], column, f"lot {row['lot']} does not say {told} (column {column})", ""


def _among(column: pd.Series, value: str) -> pd.Series:
    values = [each.strip() for each in value.split(";")]
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.isin([as_quantity(each) for each in values])
    return as_text(column).str.casefold().isin([each.casefold() for each in values])


TESTS: dict[str, Callable[[pd.Series, str], pd.Series]] = {  # when a rule concerns a lot; several values as "a;b"
    "is": _among,
    "is not": lambda column, value: ~_among(column, value),
    "above": lambda column, value: column.astype(float) > float(value),
    "below": lambda column, value: column.astype(float) < float(value),
}
NUMERIC = ("above", "below")
