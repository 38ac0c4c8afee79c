"""Who reads a report, and what is for its eyes."""

from __future__ import annotations

from dataclasses import dataclass

from procure_opt.tender import Tender


@dataclass(frozen=True)
class Audience:
    """The committee, which sees everything; the public; or one bidder.

    What is not for an audience is never computed for it, and not cut out afterwards: sections are made of figures that
    were asked for in the audience's name.

    Attributes:
        kind: "committee", "public" or "bidder".
        bidder: Which one.
    """

    kind: str
    bidder: str = ""

    @staticmethod
    def of(text: str, tender: Tender) -> Audience:
        """The audience that a text such as `bidder:Acme` names.

        Raises:
            ValueError: there is no such audience, or no such bidder; the message lists those there are.

        >>> from procure_opt.tender import Tender
        >>> tender = Tender([{"lot": "A"}], [{"bid": "x", "bidder": "X", "lots": "A", "price": 5}])
        >>> Audience.of("bidder:X", tender)
        Audience(kind='bidder', bidder='X')
        """
        kind, colon, name = str(text).partition(":")
        kind, name = kind.strip(), name.strip()
        if kind in ("committee", "public") and not colon:
            return Audience(kind)
        if kind != "bidder" or not colon:
            raise ValueError(f'audience is {text!r}; it must be "committee", "public", or "bidder:NAME"')
        names = [str(each) for each in tender.bidder_names]
        if name not in names:
            raise ValueError(f"there is no bidder {name!r}; the bidders are {', '.join(names)}")
        return Audience(kind, name)

    @property
    def committee(self) -> bool:
        """Whether it sees everything."""
        return self.kind == "committee"

    def owns(self, bidder: object) -> bool:
        """Whether prices of losing bids of this bidder are for its eyes."""
        return self.committee or (self.kind == "bidder" and bidder == self.bidder)

    def __str__(self) -> str:
        return f"bidder:{self.bidder}" if self.bidder else self.kind
