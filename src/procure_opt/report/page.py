"""The page: sections poured into one HTML text that asks no network for anything.

The template escapes every value it is given (jinja2 with autoescape), so that nobody can forget to; only drawings, the
style and the script come in as they are, and these are our own. Besides, the page forbids itself any script but its
own, by that script's hash, and any request at all: a name that got through unescaped could still do nothing.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from procure_opt.report.content import Block, Section, long
from procure_opt.report.texts import Words
from procure_opt.report.wording import blank

HERE = Path(__file__).parent
# Characters that HTML cannot hold.
UNSHOWN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def rendered(title: str, whom: str, top: Sequence[Block], sections: Sequence[Section], t: Words) -> str:
    """The page as HTML.

    Raises:
        ImportError: jinja2 is not there.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from markupsafe import Markup
    except ImportError:
        raise ImportError('a report needs jinja2: pip install "procure-opt[report]"') from None

    def shown(value: Any) -> Any:
        return value if isinstance(value, Markup) or not isinstance(value, str) else UNSHOWN.sub("\ufffd", value)

    world = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, finalize=shown, trim_blocks=False
    )
    script = (HERE / "page.js").read_text(encoding="utf-8")
    style = (HERE / "page.css").read_text(encoding="utf-8")
    parts = [(actor, list(part)) for actor, part in groupby(sections, key=lambda section: section.actor)]
    return world.get_template("page.html").render(
        title=title, whom=whom, top=top, parts=parts, t=t, plain=plain, blank=blank, long=long,
        script=Markup(script), style=Markup(style), script_hash=Markup(hash_of(script)),
    )  # fmt: skip


def hash_of(script: str) -> str:
    """A script as a content security policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def plain(value: Any) -> str:
    """A figure as the sort script reads it."""
    number = float(value)
    return ("Infinity" if number > 0 else "-Infinity") if math.isinf(number) else f"{number:.17g}"

