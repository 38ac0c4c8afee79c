"""A contestable award: a file with tender, announced rules, award and proof, and the program that checks it.

`verify_award.py` derives every row from the rules in the file. Here the same rows are given to a solver, whose
multipliers go into the file: what they prove is judged by whoever runs that program, in fractions.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from procure_opt import verify_award
from procure_opt.award import Award
from procure_opt.files import replacing
from procure_opt.highs import linear
from procure_opt.payments import Payments, pay
from procure_opt.policy import announce
from procure_opt.program import Family, Program, Rows
from procure_opt.proof import Case, certify
from procure_opt.tender import Tender

MOST = 300  # bids that would have to be shown, one by one, to be called in vain
NOTHING = 1e-7  # by how much the rows of an impossible program have to give way at least
ANOTHER = "another award"  # the row that only this award does not keep
Json = dict[str, Any]


def contest(award: Award, payments: Payments | None = None) -> Json:
    """What a losing bidder needs to check an award, as `award.json` holds it.

    `content` holds the rules announced as the text their hash is of (`announced`), the `tender` beside that text, the
    `award`, the `payments` and the `proof`; `digest` is SHA-256 of `content`, to be published with the award.

    The proof is multipliers of the rows that `verify_award.py` derives from the rules, with cases where the linear
    relaxation leaves a gap. It shows, in whole numbers, that no other award costs as little (`alone`); or that none
    costs less and that the draw calls this one first. Where there is none, `proof["why"]` says why.

    Args:
        award: The award.
        payments: What the winners are paid; None = as bid.

    Raises:
        ValueError: payments of another award, by owner, or open for a winner without whom there is no award; a bid
            whose name starts with "~".

    >>> import procure_opt as po
    >>> tender = po.Tender([{"lot": "A"}], [{"bid": "x", "bidder": "X", "lots": "A", "price": 7},
    ...                                     {"bid": "y", "bidder": "Y", "lots": "A", "price": 9}])
    >>> file = contest(po.award(tender))
    >>> file["content"]["proof"]["alone"], verify_award.judge(file)
    (True, ([], []))
    """
    odd = award.tender.every_bid["bid"][award.tender.every_bid["bid"].str.startswith("~")]
    if len(odd):
        raise ValueError(f"bid {odd.iloc[0]!r}: in a contestable award a bid's name may not start with ~")
    paid = pay(award) if payments is None else payments
    if paid.award is not award or paid.by != "bidder" or paid.pivotal:
        raise ValueError(
            "the payments must be of this award, by bidder, and open for none"
            + (f"; {', '.join(paid.pivotal)} has no rival: give the lots an in-house cost" if paid.pivotal else "")
        )
    rules = announce(award.policy, award.tender)
    content: Json = {
        "announced": {"text": rules.fixed, "hash": rules.hash},
        "tender": _tender(award),
        "award": _award(award),
        "payments": {
            "rule": paid.rule.name,
            "amounts": {str(who): _cell(float(amount)) for who, amount in paid.amounts.items()},
        },
    }
    content["proof"] = _proof(verify_award.Case(content), award.status == "optimal")
    file = {"digest": digest(content), "content": content}
    wrong, _ = verify_award.judge(file)
    if wrong:
        raise RuntimeError(f"contradiction: the award is {award.status}, and who checks it is told that {wrong[0]}")
    return file


def digest(content: Json) -> str:
    """SHA-256 of the content as `verify_award.py` computes it."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_contest(award: Award, folder: str | Path, payments: Payments | None = None) -> str:
    """Write award.json and verify_award.py into a folder, each whole or not at all; returns the digest.

    Raises:
        ValueError: as `contest`.
    """
    file = contest(award, payments)
    texts = {
        "award.json": json.dumps(file, ensure_ascii=False, indent=1) + "\n",
        "verify_award.py": Path(verify_award.__file__).read_text(encoding="utf-8"),
    }
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        with replacing(Path(folder) / name) as beside:
            beside.write_text(text, encoding="utf-8", newline="\n")
    return str(file["digest"])


# ---- the tables -------------------------------------------------------------------------------------------


def _cell(value: Any) -> Any:
    """A cell as JSON has it: whole numbers without a point, nothing for blanks."""
    if value is None or value is pd.NA or (isinstance(value, (float, np.floating)) and math.isnan(value)):
        return None
    if isinstance(value, (bool, np.bool_)):
        return int(value)  # as in the tables: a column of these is one of figures
    if isinstance(value, (int, float, np.integer, np.floating)):
        return int(value) if float(value).is_integer() else float(value)
    return str(value)


def _named(table: pd.DataFrame, key: str) -> dict[str, Json]:
    rows = table.to_dict("records")
    return {str(row[key]): {str(name): _cell(cell) for name, cell in row.items() if name != key} for row in rows}


def _tender(award: Award) -> Json:
    """The tender beside what the announcement holds of it.

    `bids` are all that the reserves judge: who checks the award finds by itself which of them are above. Those set
    aside for anything else stand in `aside`, with the reason.
    """
    tender, field = award.tender, award.policy.field(award.tender)[0]
    judged = tender.replace(lots=tender.lots.assign(reserve=np.nan))
    rejected = field.rejected
    above = rejected["bid"].isin(judged.bid_names) & rejected["reason"].str.startswith("above the reserve: ")
    aside = {str(bid): str(reason) for bid, reason in rejected.loc[~above, ["bid", "reason"]].to_numpy()}
    bids, lots, quantity = _named(judged.bids, "bid"), judged.lot_names, judged.quantity
    for place, name in enumerate(judged.bid_names):
        where = slice(quantity.indptr[place], quantity.indptr[place + 1])
        bids[str(name)]["lots"] = {
            str(lots[lot]): _cell(much) for lot, much in zip(quantity.indices[where], quantity.data[where])
        }
    scores: dict[str, dict[str, list[Any]]] = {}
    for mark in tender.scores.to_dict("records"):
        scores.setdefault(mark["bid"], {}).setdefault(mark["criterion"], []).append(_cell(mark["score"]))
    return {
        "name": tender.name,
        "bids": {name: row for name, row in bids.items() if name not in aside},
        "aside": aside,
        "bidders": _named(tender.bidders, "bidder"),
        "counts": _counts(award, field),
        "rooms": _rooms(award, field),
        "scores": scores,
        "discounts": [
            {str(name): _cell(cell) for name, cell in rebate.items()}
            for rebate in tender.discounts.to_dict("records")
        ],
    }


def _counts(award: Award, field: Tender) -> Json:
    """Whom each bidder counts for in a rule, and how much; left out where each counts for itself alone.

    In full for each of several entities where lots are counted, divided among them where shares are squared. A
    consortium counts for its members; where contracts are counted, for itself; of a capacity for both.
    """
    found: Json = {}
    for rule in award.policy.constraints:
        kind, per = type(rule).__name__, getattr(rule, "per", None)
        if per is None or kind not in (*verify_award.WHOLE, *verify_award.ANY):
            continue
        of = getattr(rule, "of", "demand" if kind == "Capacity" else "lots")
        rows = _whom(field, per, winners=kind in ("MinWinners", "MaxWinners"), split=kind == "MaxHHI")
        if kind in ("MaxLots", "Separate") or (kind == "MinAward" and of == "lots"):
            rows = {who: dict.fromkeys(whom, 1) for who, whom in rows.items()}
        if kind == "Capacity":
            for who in _consortia(field):
                rows[who][f" {who}"] = 1  # no name begins with a space
        if any(whom != {who: 1} for who, whom in rows.items()):
            found[f"{kind} of {of} by {per}"] = rows
    return found


def _whom(field: Tender, per: str, **how: bool) -> Json:
    names, weight = field.groups(per, **how)
    table = sparse.csr_array(weight)
    found: Json = {}
    for row, who in enumerate(field.bidder_names):
        where = slice(table.indptr[row], table.indptr[row + 1])
        found[str(who)] = {str(names[at]): _cell(much) for at, much in zip(table.indices[where], table.data[where])}
    return found


def _consortia(field: Tender) -> list[str]:
    return field.bidders["bidder"][field.bidders["members"] != ""].astype(str).tolist()


def _rooms(award: Award, field: Tender) -> Json:
    """The capacity of each that has one: of an entity its bidders' in sum, of a consortium its own figure besides."""
    found: Json = {}
    joint, rules = _consortia(field), list[Any](award.policy.constraints)
    for rule in rules:
        if type(rule).__name__ == "Capacity":
            room = dict(zip(field.bidders["bidder"].astype(str), field.bidders[rule.column].astype(float)))
            parts: dict[str, list[float]] = {f" {who}": [room[who]] for who in joint}
            for who, whom in _whom(field, rule.per).items():
                for entity in whom if who not in joint else ():
                    parts.setdefault(entity, []).append(room[who])
            bounded = {entity: _cell(sum(some)) for entity, some in parts.items() if not np.isnan(some).any()}
            found[f"{rule.column} by {rule.per}"] = bounded
    return found


def _award(award: Award) -> Json:
    bids, home = award.bids[["bid", "fraction", "net"]], award.in_house[["lot", "fraction"]]
    return {
        "bids": _named(bids, "bid"),
        "in_house": _named(home, "lot"),
        "unawarded": list(award.unawarded),
        "cost": _cell(round(award.price + float(award.in_house["cost"].sum()), 9)),  # without transaction costs
    }


# ---- the proof --------------------------------------------------------------------------------------------


class _Model(NamedTuple):
    """The rows of `verify_award.Case` as a program, costs in whole numbers: they are multiplied by `scale`.

    `labels` names the row of the case behind a row of the program that keeps it from above, and the one from below.
    """

    program: Program
    columns: list[str]
    labels: list[tuple[str, str]]
    scale: int


def _proof(case: verify_award.Case, optimal: bool) -> Json:
    if case.beyond:
        return {"why": f"it is not tried with {', '.join(case.beyond)}"}
    if not optimal:
        return {"why": "the award itself is not known to be optimal"}
    plain, other = _model(case, another=False), _model(case, another=True)
    goal, step = case.at(case.cost), Fraction(_step(plain.program), plain.scale)
    alone = _multipliers(other, certify(other.program, (goal + step) * other.scale))
    if alone is not None and case.dearer(goal, alone, verify_award.ONE)[0]:
        return {"alone": True, **alone}
    found = _multipliers(plain, certify(plain.program, goal * plain.scale))
    if found is None or not case.dearer(goal - step, found, verify_award.ONE)[0]:
        return {"why": "no proof was found with a moderate number of cases"}
    return {"alone": False, **found, "draw": _draw(case, plain, found, goal, step)}


def _step(program: Program) -> int:
    """By how much two different objectives differ at least."""
    return math.gcd(*(int(cost) for cost in program.cost)) or 1


def _model(case: verify_award.Case, *, another: bool) -> _Model:
    columns = sorted({column for row in [case.cost, *case.rows.values()] for column in row} - {""})
    place = {column: at for at, column in enumerate(columns)}
    scale = math.lcm(*(cost.denominator for cost in case.cost.values()))
    cost = np.zeros(len(columns))
    for column, figure in case.cost.items():
        cost[place[column]] = float(figure * scale)
    labels, rows = list[tuple[str, str]](), list[Mapping[str, Any]]()
    for label, row in case.rows.items():
        below = label.replace("at most once", "at least once")
        if label.endswith(" at least once") or (label == ANOTHER and not another):
            continue
        labels.append((label, below if below != label and below in case.rows else ""))
        rows.append(row)
    entries = [(i, place[c], float(f)) for i, row in enumerate(rows) for c, f in row.items() if c]
    i, j, figures = (np.array(part) for part in zip(*entries)) if entries else (np.empty(0, int),) * 3
    matrix = sparse.csr_array((figures.astype(float), (i, j)), shape=(len(rows), len(columns)))
    upper = np.array([-float(row.get("", 0)) for row in rows])
    lower = np.where([below != "" for _, below in labels], upper, -np.inf)
    none = np.zeros(len(columns))
    x = Family("column", none, none + 1, none == 0, lambda k: columns[k])()
    program = Program.build(x.under(cost), [Rows(x.under(matrix), lower, upper, lambda k: labels[k][0])])
    return _Model(program, columns, labels, scale)


def _multipliers(model: _Model, cases: Sequence[Case] | None) -> Json | None:
    """Cases as `verify_award.Case.dearer` reads them: multipliers in whole parts of 1 / `per`."""
    if cases is None:
        return None
    bits = max((_bits(y) for case in cases for y in case.multipliers.values()), default=0)
    told: list[Any] = []
    for case in cases:
        weights: dict[str, int] = {}
        for row, y in case.multipliers.items():
            above, below = model.labels[row]
            whole = int(Fraction(y) * 2**bits)
            weights[above] = max(-whole, 0)
            if below:
                weights[below] = max(whole, 0)
        told.append([weights, None if case.column is None else model.columns[case.column]])
    return {"per": model.scale * 2**bits, "cases": told}


def _bits(y: float) -> int:
    """The least k ≥ 0 for which y is a whole multiple of 2^-k."""
    return y.as_integer_ratio()[1].bit_length() - 1


def _draw(case: verify_award.Case, model: _Model, optimum: Json, goal: Fraction, step: Fraction) -> Json:
    """That the draw calls every bid in vain that it calls before those accepted, given what it called before."""
    if not case.policy["Ties"].startswith("DrawLots("):
        return {"why": "other awards may cost the same, and the rule that decides among them is no draw"}
    everything = {"per": optimum["per"], "cases": [[optimum["cases"][0][0], None]]}
    fixed = case.dearer(goal, everything, verify_award.ONE)[1]
    seed, each = verify_award.fields(case.policy["Ties"])["seed"], dict[str, Any]()
    place = {column: at for at, column in enumerate(model.columns)}
    lower, upper = model.program.lower.copy(), model.program.upper.copy()
    for column, value in fixed.items():
        if column:
            lower[place[column]] = upper[place[column]] = value
    for bid in sorted(case.bids, key=lambda bid: verify_award.sha(f"{seed}:{bid}")):
        taken = float(bid in case.value)
        if not taken and fixed.get(bid, 1):
            if len(each) == MOST:
                return {"why": f"more than {MOST} bids would have to be shown to be called in vain"}
            called = lower.copy()
            called[place[bid]] = 1.0
            program = replace(model.program, lower=called, upper=upper.copy())
            found = _multipliers(model, _beaten(program, (goal + step) * model.scale))
            if found is None or not case.dearer(goal, found, {**fixed, bid: 1})[0]:
                return {"why": f"no proof was found that bid {bid} is called in vain"}
            each[bid] = found
        fixed[bid] = int(taken)
        lower[place[bid]] = upper[place[bid]] = taken
    return {"all": everything, "each": each}


def _beaten(program: Program, goal: Fraction) -> Sequence[Case] | None:
    """A proof that all of a program costs at least the goal, also where nothing is feasible; None if none is found."""
    found = certify(program, goal)
    if found is not None:
        return found
    height = program.matrix.shape[0]
    give = sparse.eye_array(height, format="csr")
    widened = replace(
        program,
        cost=np.concatenate([0 * program.cost, np.ones(2 * height)]),
        offset=0.0,
        lower=np.concatenate([program.lower, np.zeros(2 * height)]),
        upper=np.concatenate([program.upper, np.full(2 * height, np.inf)]),
        integer=np.zeros(len(program.cost) + 2 * height, dtype=bool),
        matrix=sparse.csr_array(sparse.hstack([program.matrix, give, -give])),
    )
    run = linear(widened)
    if run.duals is None or not run.objective > NOTHING:
        return None
    # As large a multiple of the ray as exceeds whatever the costs can take off.
    reach = (float(goal) + np.abs(program.cost).sum() + 1) / run.objective
    y = np.rint(2 * run.duals * reach * 16) / 16
    y = np.where(np.isfinite(np.where(y > 0, program.row_lower, program.row_upper)), y, 0.0)
    return (Case({int(row): float(y[row]) for row in np.flatnonzero(y)}),)
