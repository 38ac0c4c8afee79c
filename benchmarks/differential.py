"""The same award from three solvers: HiGHS by the search of this package, CBC and SCIP through PuLP.

Small random tenders, with quantities, packages, consortia, discounts, scores, fixed charges and xor bids, under random
policies: every constraint of the catalogue in turn, hard or at a penalty, others beside it, ledgers, objectives and
tie-breaks. Whether there is an award and the objective must be the same from each solver; so must the bids that tie
and the award itself where the bound of a linear program proves the award of CBC or SCIP. Every award must pass the
check. What the tenders hold is counted.

    python benchmarks/differential.py --cases 1000 --seed 1 --write
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import procure_opt as po
import results
from procure_opt.constraints import CATALOGUE

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import strategies

KINDS = tuple(rule.__name__ for rule in CATALOGUE)
TIES = (po.DrawLots(seed=1), po.HigherQuality(), po.Refuse(), None)
SOLVERS = ("highs", "CBC", "SCIP_PY")
Case = tuple[po.Tender, po.Policy]


def cases(count: int, seed: int) -> Iterator[Case]:
    """Tenders and policies, as many under each constraint of the catalogue."""
    for number, kind in enumerate(KINDS):
        some = range(number, count, len(KINDS))
        yield from drawn(kind, len(some), seed * len(KINDS) + number) if some else ()


def drawn(kind: str, count: int, seed: int) -> list[Case]:
    """So many tenders under a constraint of a class, and up to two others."""
    found: list[Case] = []

    @hypothesis.seed(seed)
    @settings(max_examples=count, database=None, deadline=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.data())
    def draw(data: Any) -> None:
        tender = data.draw(strategies.tenders(max_lots=4, max_bids=8))
        policy = data.draw(strategies.policies(tender, max_rules=2))
        rule, tie = data.draw(strategies.rules(tender, kind)), data.draw(st.sampled_from(TIES))
        found.append((tender, replace(policy, constraints=(rule, *policy.constraints), tie_break=tie)))

    draw()
    return found[:count]


def holds(tender: po.Tender, policy: po.Policy) -> Counter[str]:
    """What a case is about."""
    rules = {type(rule).__name__ for rule in policy.constraints}
    soft = {f"{type(rule).__name__}, soft" for rule in policy.constraints if rule.penalty is not None}
    there = {
        "ledger": policy.ledger is not None,
        "discounts": len(tender.discounts) > 0,
        "scores": len(tender.scores) > 0,
        "packages": bool((tender.bids["lots"].str.contains(";")).any()),
        "quantities": bool((tender.part.data < 1).any()),
        "consortia": bool((tender.bidders["members"] != "").any()),
        "fixed charges": bool(tender.fixed.any()),
        "xor": bool((tender.xor_group >= 0).any()),
        f"objective {type(policy.objective).__name__}": True,
        f"ties by {type(policy.tie_break).__name__.replace('NoneType', 'none')}": True,
    }
    return Counter([*rules, *soft, *(name for name, is_so in there.items() if is_so)])


@dataclass(frozen=True)
class Answer:
    """What a solver says of a case: why there is no award, or the award in figures."""

    refused: str
    objective: float = 0.0
    tied: frozenset[str] | None = None
    bids: frozenset[str] = frozenset()
    wrong: tuple[str, ...] = ()

    def agrees(self, other: Answer, unit: float) -> str:
        """How another answer differs; "" if it does not."""
        if self.refused != other.refused:
            return f"{self.refused or 'awarded'}, and {other.refused or 'awarded'}"
        if not abs(self.objective - other.objective) <= unit:
            return f"objective {self.objective!r}, and {other.objective!r}"
        if other.tied is not None and self.tied != other.tied:
            return f"tied {self.tied}, and {other.tied}"
        if other.tied is not None and self.bids != other.bids:
            return f"bids {self.bids}, and {other.bids}"
        return ""


def answer(tender: po.Tender, policy: po.Policy, solver: str) -> Answer:
    """What a solver says of a case."""
    try:
        award = po.award(tender, policy, solver=solver)
    except po.Infeasible:
        return Answer("infeasible")
    except po.Tied:
        return Answer("tied")
    except ValueError as said:
        return Answer(str(said))
    tied = None if award.tied is None else frozenset(award.tied)
    wrong = tuple(str(each) for each in po.check(award) if "not independently checked" not in each.message)
    if award.status != "optimal" and solver == "highs":  # of the others the bound is an LP's, which may not prove it
        wrong += (f"status is {award.status}",)
    return Answer("", award.objective, tied, frozenset(award.bids["bid"]), wrong)


@dataclass
class Told:
    """What was counted, the seconds of each solver, and where they disagree."""

    cases: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SOLVERS, 0.0))
    apart: list[str] = field(default_factory=list)


def compare(given_cases: Iterator[Case], solvers: tuple[str, ...] = SOLVERS, progress: bool = False) -> Told:
    """Every case through every solver."""
    told = Told()
    for number, (tender, policy) in enumerate(given_cases):
        told.cases += 1
        told.counts += holds(tender, policy)
        unit = tender.money_unit / 2 if not isinstance(policy.objective, po.BestScore) else 1e-6
        found: dict[str, Answer] = {}
        for solver in solvers:
            start = time.perf_counter()
            found[solver] = answer(tender, policy, solver)
            told.seconds[solver] += time.perf_counter() - start
            told.apart += [f"case {number}, {solver}: {wrong}" for wrong in found[solver].wrong]
        mine = found[solvers[0]]
        said = mine.refused if mine.refused in ("", "infeasible", "tied") else "refused"
        told.answers[said or "awarded"] += 1
        for solver in solvers[1:]:
            differs = mine.agrees(found[solver], unit)
            if differs:
                told.apart.append(f"case {number}, {solvers[0]} and {solver}: {differs}")
        if progress and number % 50 == 49:
            print(f"{number + 1} cases, {len(told.apart)} apart", flush=True)
    return told


def report(told: Told, seed: int) -> str:
    """The section of RESULTS.md."""
    rows = [[name, str(told.counts[name]), str(told.counts[f"{name}, soft"])] for name in KINDS]
    others = sorted(name for name in told.counts if name.partition(",")[0] not in KINDS)
    answers = ", ".join(f"{count:,} {what}" for what, count in told.answers.most_common())
    seconds = ", ".join(f"{solver} {seconds:.0f} s" for solver, seconds in told.seconds.items())
    return "\n\n".join([
        "## The same award from three solvers",
        f"`python benchmarks/differential.py --cases {told.cases} --seed {seed} --write`",
        f"{told.cases:,} random tenders: {answers}. "
        f"Disagreements of status, objective, ties or award, or with the check: {len(told.apart)}. In all {seconds}. "
        f"{results.machine('pulp')}",
        results.table(["Constraint", "tenders under it", "at a penalty"], rows),
        "Also in them: " + ", ".join(f"{name} {told.counts[name]}" for name in others) + ".",
    ])  # fmt: skip


def main() -> None:
    """All cases; disagreements are printed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")  # of solvers through PuLP
    told = compare(cases(chosen.cases, chosen.seed), progress=True)
    print(report(told, chosen.seed))
    print("\n".join(told.apart))
    if chosen.write:
        results.write("differential", report(told, chosen.seed))
    sys.exit(bool(told.apart))


if __name__ == "__main__":
    main()
