"""Imports run one way, and what a catalogue promises is kept everywhere."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import procure_opt as po
from procure_opt import abnormal, constraints, policy, scoring
from procure_opt.check import TWINS

SOURCE = Path(po.__file__).parent
OURS = "procure_opt"

# What each module may import of ours. A module stands below those it imports, so the table has no circle.
MAY = {
    "cells": "",
    "printing": "",
    "tender": "cells",
    "files": "",
    "program": "files",
    "measures": "tender program",
    "offers": "cells tender",
    "scoring": "tender offers",
    "abnormal": "cells tender offers",
    "reversals": "cells tender offers scoring",
    "constraints": "cells tender program measures",
    "ledger": "tender program measures constraints",
    "highs": "program",
    "cuts": "program",
    "search": "program highs",
    "parts": "program",
    "solvers": "program highs cuts search parts",
    "policy": "tender program measures scoring constraints ledger",
    "ties": "tender program measures policy solvers",
    "proof": "program highs search policy ties",
    "infeasible": "tender program constraints policy solvers ties",
    "award": "tender program measures constraints policy solvers ties proof infeasible",
    "by_lot": "tender constraints offers scoring policy award",
    "check_search": "",
    "check_payments": "check_search",
    "payments": "tender program measures constraints policy highs search solvers ties award",
    "check": "tender check_payments",
    "verify_award": "",
    "contest": "files tender program policy highs proof award payments verify_award",
    "policy_file": "cells tender policy constraints scoring ledger",
    "ocds": "cells tender policy constraints",
    "tables": "cells tender policy constraints scoring ledger policy_file ocds files",
    "diagnose": "cells tender program measures constraints policy solvers ties infeasible award payments",
    "auction.symmetric": "",
    "auction.multiple": "",
    "auction.rules": "",
    "auction.distributions": "auction.symmetric",
    "auction.market": "auction.distributions",
    "auction.asymmetric": "auction.distributions",
    "auction.verify": "auction.market auction.symmetric",
    "auction.outcome": "auction.asymmetric auction.market auction.symmetric",
    "auction.entry": "auction.market auction.outcome auction.symmetric",
    "auction.signals": "auction.asymmetric auction.distributions auction.market auction.outcome auction.rules"
    " auction.symmetric auction.verify",
    "auction.first_price": "auction.asymmetric auction.distributions auction.entry auction.market auction.outcome"
    " auction.rules auction.signals auction.symmetric auction.verify",
    "auction.second_price": "auction.asymmetric auction.entry auction.market auction.outcome auction.rules"
    " auction.signals auction.symmetric",
    "auction.average_bid": "auction.market auction.outcome auction.rules auction.symmetric",
    "auction.price_points": "auction.first_price auction.market auction.outcome auction.rules auction.symmetric"
    " auction.verify",
    "auction.packages": "tender award payments auction.distributions auction.market",
    "auction.scored": "auction.market auction.rules auction.symmetric auction.verify",
    "auction.equilibrium": "auction.asymmetric auction.average_bid auction.first_price auction.market auction.outcome"
    " auction.packages auction.price_points auction.rules auction.scored auction.second_price",
    "auction.reserve": "auction.distributions auction.market auction.rules auction.symmetric auction.equilibrium",
    "auction.simulate": "auction.market auction.outcome auction.packages auction.rules auction.symmetric"
    " auction.scored",
    "auction.compare": "auction.multiple auction.market auction.asymmetric auction.packages auction.scored"
    " auction.equilibrium auction.simulate",
    "auction.market_file": "cells policy_file auction.distributions auction.market auction.rules",
    "auction.past": "cells",
    "auction.past_lots": "cells ocds auction.past",
    "auction.past_file": "cells tables auction.past auction.past_lots",
    "auction.kernels": "",
    "auction.quantiles": "auction.kernels",
    "auction.smooth": "auction.kernels",
    "auction.homogenise": "cells",
    "auction.revealed": "cells auction.past",
    "auction.clustered": "auction.revealed",
    "auction.bid_preparation": "cells auction.symmetric auction.kernels auction.past auction.revealed",
    "auction.adaptation": "cells auction.symmetric auction.kernels auction.past auction.revealed auction.clustered",
    "auction.incumbency": "cells auction.symmetric auction.past auction.revealed auction.clustered",
    "auction.classes": "cells auction.kernels auction.past auction.revealed",
    "auction.heterogeneity": "cells auction.kernels auction.past auction.smooth",
    "auction.weibull": "cells auction.past auction.heterogeneity",
    "auction.common_cost": "cells auction.past",
    "auction.fair_price": "auction.distributions",
    "auction.reserve_curve": "auction.fair_price",
    "auction.estimate": "cells auction.distributions auction.past auction.kernels auction.quantiles auction.smooth"
    " auction.homogenise auction.revealed auction.bid_preparation auction.classes auction.heterogeneity auction.weibull"
    " auction.common_cost auction.fair_price",
    "auction.cartels": "auction.market auction.rules auction.equilibrium",
    "auction.independence": "cells auction.past auction.multiple",
    "auction.missing": "cells auction.past",
    "auction.screens": "cells auction.past auction.multiple",
    "auction.flags": "cells ocds auction.past auction.past_lots",
    "auction.network": "cells auction.past",
    "auction.tailored": "cells tender offers scoring reversals auction.past",
    "auction.report_past": "cells printing tables auction.past auction.past_file auction.estimate"
    " auction.reserve_curve auction.screens auction.independence auction.missing auction.network auction.flags",
    "governance.arguments": "",
    "governance.lowest_costs": "auction.distributions auction.symmetric governance.arguments",
    "governance.monitoring": "governance.arguments",
    "governance.boundary": "auction.distributions governance.arguments governance.lowest_costs",
    "governance.invitations": "auction.symmetric governance.arguments governance.lowest_costs",
    "governance.checklist": "cells",
    "governance.contracts": "auction.distributions auction.symmetric governance.arguments governance.lowest_costs",
    "governance.utility": "governance.arguments",
    "governance.moral_hazard": "solvers governance.arguments governance.utility",
    "governance.demand": "cells governance.arguments",
    "governance.splitting": "cells governance.arguments governance.demand",
    "governance.lock_in": "auction.distributions auction.symmetric governance.arguments governance.lowest_costs",
    "governance.performance": "cells governance.arguments",
    "governance.risks": "award check auction.flags auction.screens governance.arguments governance.checklist"
    " governance.lock_in governance.performance",
    "report.audience": "tender",
    "report.texts": "",
    "report.wording": "policy tender report.texts",
    "report.content": "report.texts report.wording",
    "report.findings": "award constraints diagnose highs infeasible payments policy program report.audience tender",
    "report.evidence": "tender auction.compare auction.equilibrium auction.estimate auction.fair_price auction.flags"
    " auction.market auction.network auction.outcome auction.past auction.rules auction.screens report.findings",
    "report.figures": "report.content report.texts report.wording",
    "report.case": "award check payments policy report.audience report.evidence report.findings report.texts tender",
    "report.drawings": "constraints policy report.case report.content report.figures report.findings tender",
    "report.government": "report.case report.content report.wording",
    "report.suppliers": "report.case report.content report.drawings report.findings report.texts report.wording",
    "report.third_party": "award report.case report.content report.drawings report.evidence report.wording",
    "report.public": "governance.risks report.case report.content report.wording",
    "report.sections": "report.case report.content report.government report.public report.suppliers report.third_party",
    "report.page": "report.content report.texts report.wording",
    "report.workbook": "report.content report.texts report.wording tables",
    "report.document": "award check files governance.risks payments policy report.audience report.case report.content"
    " report.evidence report.findings report.government report.page report.sections report.texts report.workbook",
    "cli": "files cells tender policy printing infeasible award payments check contest diagnose tables auction.compare"
    " auction.market_file auction.estimate auction.past_file auction.report_past report.audience report.document"
    " report.findings",
}
# A folder is a room: its modules are named after it, with a dot.
MODULES = sorted(
    ".".join(path.relative_to(SOURCE).with_suffix("").parts) for path in SOURCE.rglob("*.py") if path.stem != "__init__"
)
ROOMS = {module.split(".")[0] for module in MODULES if "." in module}

# The first five lines of the list of public names, and of the auctions those about bids alone; without pay, Payments.
NAMES = """
    Tender Policy Ledger award Award check read_tender read_tenders read_policy write_tender announce
    BadTable Infeasible OutOfTime Tied
    LowestCost QualityAdjusted BestScore DrawLots HigherQuality Refuse
    Budget Cover MinQuality AttributeBound MaxShare MinShare MaxLots MinWinners MaxWinners MaxHHI MinAward Capacity
    Separate Together KeepIncumbents Exclude Require Resilient
    price_to_win price_of_constraints near_ties frontier scenarios stability replacement_cost
    rank_reversals winner_map abnormally_low
"""


def imports(module: str, *, running: bool = True) -> Iterator[str]:
    """The modules a module imports, at the top or inside a function; not those for type checking alone."""

    def walk(node: ast.AST) -> Iterator[str]:
        if running and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            whole = node.module or ""
            # `from procure_opt import x` names modules, also of a room; `from procure_opt.x import y` what is in one.
            room = whole == OURS or whole.removeprefix(f"{OURS}.") in ROOMS
            yield from (f"{whole}.{alias.name}" for alias in node.names) if room else [whole]
        for child in ast.iter_child_nodes(node):
            yield from walk(child)

    yield from walk(ast.parse((SOURCE / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")))


def of_ours(module: str) -> set[str]:
    """The modules of ours among them."""
    inside = (name.split(".")[1:] for name in imports(module) if name.split(".")[0] == OURS)
    return {".".join(parts[: 2 if parts[0] in ROOMS else 1]) for parts in inside}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_stands_below_it(module: str) -> None:
    assert module in MAY, f"say in this table what {module}.py may import"
    assert of_ours(module) <= set(MAY[module].split())


def test_the_table_itself_has_no_circle() -> None:
    below: set[str] = set()
    for module, allowed in MAY.items():
        assert set(allowed.split()) <= below
        below.add(module)


def test_the_check_shares_nothing_with_the_program() -> None:
    ours = {"check": {"tender", "check_payments"}, "check_payments": {"check_search"}, "check_search": set()}
    for module, below in ours.items():
        others = {name.split(".")[0] for name in imports(module)} - {OURS} - set(sys.stdlib_module_names)
        assert of_ours(module) == below
        assert others <= {"numpy", "pandas"}


def test_who_verifies_an_equilibrium_knows_nothing_of_those_who_solve_it() -> None:
    """Of `symmetric` only what a strategy is."""
    whole = ast.parse((SOURCE / "auction/verify.py").read_text(encoding="utf-8"))
    taken = {alias.name for node in ast.walk(whole) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert {"Market", "Strategy"} <= taken
    assert not taken & {"equilibrium", "asymmetric", "symmetric", "first_price", "solved", "factor_hazard"}


def test_nobody_imports_the_command_line() -> None:
    assert not [module for module in [*MODULES, "__init__"] if "cli" in of_ours(module)]


def test_modules_are_named_after_what_they_hold() -> None:
    names = {module.split(".")[-1] for module in MODULES}
    assert not {"utils", "util", "base", "helpers", "common", "constants", "exceptions", "types"} & names


@pytest.mark.parametrize("rule", constraints.CATALOGUE, ids=lambda rule: rule.__name__)
def test_every_constraint_is_public_scoped_priced_and_checked(rule: type) -> None:
    assert getattr(po, rule.__name__) is rule
    assert {"lots", "each", "penalty"} <= set(rule.__dataclass_fields__)  # type: ignore[attr-defined]
    assert rule.__name__ in TWINS


def test_every_twin_has_a_constraint() -> None:
    assert set(TWINS) == {rule.__name__ for rule in constraints.CATALOGUE}


def test_catalogues_of_the_policy_are_public() -> None:
    for value in (*policy.OBJECTIVES, *policy.TIE_BREAKS):
        assert getattr(po, value.__name__) is value


@pytest.mark.parametrize("value", [*scoring.CATALOGUE, *abnormal.TESTS], ids=lambda value: value.__name__)
def test_every_formula_and_every_test_of_low_bids_is_public(value: type) -> None:
    assert getattr(po, value.__name__) is value
    assert callable(value)


def test_every_formula_says_what_it_claims() -> None:
    assert all(hasattr(formula, "claims") for formula in scoring.CATALOGUE)
    assert {type(formula) for formula in scoring.PUBLISHED.values()} <= set(scoring.CATALOGUE)


@pytest.mark.parametrize("name", NAMES.split())
def test_the_public_names_are_there(name: str) -> None:
    assert name in po.__all__
    assert hasattr(po, name)


def test_all_is_true() -> None:
    assert len(po.__all__) == len(set(po.__all__))
    assert all(hasattr(po, name) for name in po.__all__)
