"""Payments: what each winner's absence costs against one solve a winner, and core payments against both.

python benchmarks/payments.py [NAME ...] [--runs 5] [--patience 120] [--limit 600] [--write]

Names: python benchmarks/instances.py.

The naive way to VCG payments solves the award's program once for each winner with HiGHS, gap 0, the winner's bids fixed
to 0. Where that takes longer than `--patience` seconds it is done for as many winners, drawn at random, as it takes to
pass that, and the time for all is extrapolated; payments are compared for those.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import cats
import procure_opt as po
from award import raw_highs
from instances import FILES, REGISTRY, Instance, chosen
from procure_opt.payments import Economies, Entities
from results import Timed, brief, in_turn, machine, options, table, write

DEFAULT = [
    *(f"sourcing-{bids}-cap{cap}" for bids in (4000, 10000, 20000) for cap in (20, 5)),
    *(f"{family}-64-1000" for family in ("regions", "paths", "matching", "arbitrary", "scheduling", "L4")),
]

# Cheng and others, Fair-BLO, Table 3: mean seconds over 50 auctions of 64 goods and 1,000 bids, CPLEX 20.1 at 3.1 GHz:
# VCG, the core payments nearest to it, and their own rule.
PUBLISHED = {
    "arbitrary": (12.49, 23.32, 7.15),
    "L4": (1.83, 4.84, 1.81),
    "matching": (0.75, 2.23, 1.22),
    "paths": (2.50, 5.86, 3.25),
    "regions": (2.35, 4.76, 1.55),
    "scheduling": (0.83, 2.90, 1.58),
}


class Naive(NamedTuple):
    """VCG payments found one solve a winner, for the winners there was time for."""

    amounts: pd.Series
    winners: int

    @property
    def all_of_them(self) -> bool:
        """Whether there was time for every winner."""
        return len(self.amounts) == self.winners


def naive(award: po.Award, patience: float) -> Callable[[], Naive]:
    """VCG payments by HiGHS, one solve a winner, until `patience` seconds are over."""
    plan = award.policy.plan(award.tender)
    program, at = plan.program, plan.program.start["take"]
    entities = Entities.of(award, "bidder")
    order = np.random.default_rng(0).permutation(len(entities.names))

    def run() -> Naive:
        amounts: dict[str, float] = {}
        start = time.perf_counter()
        for i in order:
            upper = program.upper.copy()
            upper[at + np.flatnonzero(entities.of_bid == i)] = 0.0
            without = raw_highs(replace(program, upper=upper), math.inf)()
            more = (without.objective - award.objective / plan.unit) / entities.factor[i]
            amounts[entities.names[i]] = (entities.price[i] + more) * award.tender.money_unit
            if time.perf_counter() - start > patience:
                break
        return Naive(pd.Series(amounts), len(order))

    return run


class Cored(NamedTuple):
    """Core payments, and how many integer programs were solved to look for coalitions."""

    amounts: pd.Series
    programs: int


def _core(award: po.Award) -> Cored:
    return Cored(po.pay(award, "core").amounts, Economies.of(award, "bidder").searches)


def _core_when_told(award: po.Award, told: Connection) -> None:
    told.send("ready")
    told.recv()
    told.send(_core(award))


def cored(award: po.Award, limit: float) -> Callable[[], Cored | None]:
    """Core payments from the award alone, VCG included; None after `limit` seconds.

    With a limit they are found by a process of their own, ready before the clock starts, which can be ended.
    """
    fresh = replace(award)  # what was found out for an award is kept as long as it lives
    if math.isinf(limit):
        return lambda: _core(fresh)
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=_core_when_told, args=(fresh, there), daemon=True)
    child.start()
    there.close()
    here.recv()

    def run() -> Cored | None:
        here.send("go")
        found: Cored | None = here.recv() if here.poll(limit) else None
        child.kill()
        child.join()
        return found

    return run


def vickrey(award: po.Award) -> Callable[[], po.Payments]:
    """VCG payments from the award alone."""
    fresh = replace(award)
    return lambda: po.pay(fresh, "vcg")


def known(name: str) -> dict[str, Any]:
    """What is known of a file of the CATS suite: totals of VCG and of core payments, and cuts of the naive kind."""
    path, (family, _, size) = FILES / "known_answers.json", name.partition("-")
    if size != "64-1000" or not path.exists():
        return {}
    answers = json.loads(path.read_text(encoding="utf-8"))
    found = [answer for file, answer in answers.items() if file.lower().startswith(f"{family.lower()}-g64-b1000-0")]
    return found[0] if found else {}


@dataclass(frozen=True)
class Measured:
    """One instance: what the award took, and each way to pay for it."""

    name: str
    award: Timed
    vcg: Timed
    core: Timed
    naive: Timed

    @property
    def factor(self) -> float:
        """From the winners there was time for to all."""
        return float(self.naive.result.winners / len(self.naive.result.amounts))

    @property
    def vcg_row(self) -> list[str]:
        """The row of the table of VCG payments."""
        found: Naive = self.naive.result
        solved = "all" if found.all_of_them else f"{len(found.amounts)} of {found.winners}"
        about = "" if found.all_of_them else "~ "
        published = PUBLISHED.get(self.name.removesuffix("-64-1000"), ())
        return [
            self.name,
            f"{found.winners}",
            brief(self.award.seconds),
            brief(self.vcg.seconds),
            about + brief(self.naive.seconds * self.factor),
            solved,
            f"{about}{self.vcg.seconds / (self.naive.seconds * self.factor):.2g}",
            f"{about}{self.vcg.cpu / (self.naive.cpu * self.factor):.2g}",
            f"{published[0]:.2f}" if published else "–",
            f"{self.vcg.runs}/{self.naive.runs}",
        ]

    @property
    def core_row(self) -> list[str]:
        """The row of the table of core payments."""
        found: Cored | None = self.core.result
        late = "> " if found is None else ""
        published = PUBLISHED.get(self.name.removesuffix("-64-1000"), ())
        return [
            self.name,
            f"{self.naive.result.winners}",
            f"{late}{brief(self.core.seconds)}",
            f"{late}{self.core.seconds / self.vcg.seconds:.2f}",
            "–" if found is None else f"{found.programs}",
            str(known(self.name).get("ccg_naive_wdp_calls", "–")),
            *([f"{published[1]:.2f}", f"{published[2]:.2f}"] if published else ["–", "–"]),
            f"{self.core.runs}",
        ]


def measure(name: str, instance: Instance, runs: int, patience: float = 120.0, limit: float = math.inf) -> Measured:
    """Measure one instance, and assert that VCG payments are the naive ones, no core ones above them, totals known."""
    tender, policy = instance()
    award = po.award(tender, policy)
    ways = {
        "award": lambda: lambda: po.award(tender, policy),
        "vcg": lambda: vickrey(award),
        "core": lambda: cored(award, limit),
        "naive": lambda: naive(award, patience),
    }
    timed = in_turn(ways, runs)
    vcg, core = timed["vcg"].result.amounts, timed["core"].result
    one_by_one: Naive = timed["naive"].result
    room = 0.5 * tender.money_unit + 1e-9 * abs(award.objective)
    off = (vcg.reindex(one_by_one.amounts.index) - one_by_one.amounts).abs().max()
    assert not off > room, f"{name}: a VCG payment is off by {off}"
    paid = {"VCG": vcg} if core is None else {"VCG": vcg, "MRC": core.amounts}
    assert core is None or not (core.amounts > vcg + room).any(), f"{name}: a core payment exceeds the VCG payment"
    worth = tender.lots.set_index("lot")["in_house"]
    for answer in paid.keys() & known(name).keys():
        total, expected = cats.forward(award, worth, paid[answer]).sum(), known(name)[answer]
        assert math.isclose(total, expected, abs_tol=1e-4), f"{name}: {answer} is {total}, known is {expected}"
    return Measured(name, *(timed[way] for way in ("award", "vcg", "core", "naive")))


VCG_HEAD = [
    "instance",
    "winners",
    "award s",
    "VCG s",
    "naive s",
    "of winners",
    "VCG / naive",
    "the same in CPU time",
    "CPLEX s",
    "runs",
]
CORE_HEAD = [
    "instance",
    "winners",
    "core s",
    "core / VCG",
    "programs",
    "one cut a round",
    "CPLEX core s",
    "CPLEX BLO s",
    "runs",
]


def text(measured: list[Measured], runs: int, patience: float, limit: float) -> str:
    """The section."""
    return f"""## Payments

`python benchmarks/payments.py --write`. {machine()}

Medians, of {runs} runs or of fewer where one takes over 30 s (last column). Both ways find the same VCG payments, and
totals are those known of the CATS files.

VCG: `po.pay(award, "vcg")`, which solves two economies at a time, against one solve by HiGHS for each winner, one after
the other, gap 0. Where that takes over {patience:g} s it is done for some winners drawn at random, as many as
`of winners` says, and extrapolated to all (`~`).

{table(VCG_HEAD, [each.vcg_row for each in measured])}

Core: `po.pay(award, "core")` from the award alone, so VCG payments included; `programs` are the integer programs it
solves, beside those of VCG, to look for coalitions; {limit:g} s at most. `one cut a round` is how many it takes if
each round solves one for one cut.

{table(CORE_HEAD, [each.core_row for each in measured])}

CPLEX: means published by Cheng and others (Fair-BLO, Table 3) over 50 other auctions of the same family and size, CPLEX
20.1 at 3.1 GHz: VCG, the core payments nearest to it, and their own rule. Another machine: to be read as an order of
magnitude."""


def main() -> None:
    """Measure the instances asked for and print, or write, both tables."""
    asked = options(
        __doc__,
        ", ".join(REGISTRY),
        patience=(float, 120.0, "seconds for the naive way"),
        limit=(float, 600.0, "seconds for core payments"),
    )
    measured: list[Measured] = []
    for name in chosen(asked.names, REGISTRY, DEFAULT):
        measured.append(measure(name, REGISTRY[name], asked.runs, asked.patience, asked.limit))
        print(" | ".join([*measured[-1].vcg_row, *measured[-1].core_row[2:]]), flush=True)
        if asked.write:
            write("payments", text(measured, asked.runs, asked.patience, asked.limit))


if __name__ == "__main__":
    main()
