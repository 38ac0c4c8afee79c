"""The sections of a report, in the order of who acts: government, suppliers, third party, public.

To add one: write a function from a case to its blocks in the file of who acts, and list it in `SECTIONS`. What an
audience may not see must not be asked of the case: see `Case`.
"""

from __future__ import annotations

from collections.abc import Callable

from procure_opt.report.case import Case
from procure_opt.report.content import Block, Section
from procure_opt.report.government import demand, rules
from procure_opt.report.public import again, ledger, risks, value
from procure_opt.report.suppliers import award, bids, lost, payments
from procure_opt.report.third_party import check, constraints, fair, screens, stability


def sections(case: Case) -> tuple[Section, ...]:
    """The sections that have something to say to the audience, in their order."""
    told = [(actor, tell.__name__, tell(case)) for actor, tell in SECTIONS]
    return tuple(Section(actor, key, blocks) for actor, key, blocks in told if blocks)


SECTIONS: tuple[tuple[str, Callable[[Case], list[Block]]], ...] = (
    ("government", demand), ("government", rules),
    ("suppliers", bids), ("suppliers", award), ("suppliers", lost), ("suppliers", payments),
    ("third", check), ("third", constraints), ("third", stability), ("third", fair), ("third", screens),
    ("public", value), ("public", ledger), ("public", risks), ("public", again),
)  # fmt: skip
