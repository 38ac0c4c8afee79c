"""What a report is made of, for one audience."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from procure_opt.award import Award
from procure_opt.check import Violation
from procure_opt.payments import Payments
from procure_opt.policy import Announcement
from procure_opt.report.audience import Audience
from procure_opt.report.evidence import Evidence
from procure_opt.report.findings import Findings, LeftOut, Lost
from procure_opt.report.texts import Words
from procure_opt.tender import Tender


@dataclass(frozen=True, eq=False)
class Case:
    """Everything a report is made of, for one audience.

    Attributes:
        findings, evidence: Hold what the audience may see and nothing else.
        risks: The rows of the register that are for it.
        inputs: Names of files and their SHA-256, those that are for it.
        versions: Of what decided the award.
        within: The share of the objective within which near ties were looked for.
    """

    award: Award
    audience: Audience
    t: Words
    announcement: Announcement
    announced: str | None
    findings: Findings
    evidence: Evidence
    payments: Payments | None
    problems: Sequence[Violation]
    risks: pd.DataFrame
    inputs: Mapping[str, str]
    versions: Mapping[str, str]
    seed: int
    within: float = 0.01
    left_out: Sequence[LeftOut] = ()

    @cached_property
    def tender(self) -> Tender:
        """The tender as it was evaluated: quality derived, bids on thin lots set aside."""
        return self.award.policy.field(self.award.tender)[0]

    @cached_property
    def seen(self) -> pd.DataFrame:
        """The valid bids whose prices the audience may see: its own, those accepted, or all."""
        won = set(self.award.bids["bid"])
        bids = self.tender.bids
        bids["won"] = bids["bid"].isin(won)
        bids["offer"] = bids["price"] + bids["fixed"]
        own = bids["bidder"].map(self.audience.owns).astype(bool)
        return bids[own | bids["won"]]

    @property
    def lost(self) -> tuple[Lost, ...]:
        """The bids not accepted, with their reasons."""
        return self.findings.lost

    @cached_property
    def winner_of(self) -> dict[str, list[str]]:
        """Who provides each lot, by name."""
        who: dict[str, list[str]] = {str(lot): [] for lot in self.tender.lot_names}
        for bid, bidder in zip(self.award.bids["bid"], self.award.bids["bidder"]):
            for lot in self.tender.quantity[[self.tender.bid_index(bid)]].indices:
                names = who[str(self.tender.lot_names[lot])]
                names += [] if bidder in names else [str(bidder)]
        for lot in self.award.in_house["lot"]:
            who[str(lot)].append(self.t("table.in_house"))
        return who
