"""One self-contained page of a case, for who decided, for the public, or for one bidder."""

from procure_opt.report.document import Report, report
from procure_opt.report.findings import Bounds

__all__ = ["Bounds", "Report", "report"]
