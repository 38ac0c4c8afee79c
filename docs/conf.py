"""How the site is built from docs/, docstrings and catalogues: `make docs`, which fails at any warning.

Pages are Markdown and read well without the site. Three marks are worked out when it is built:

- a block ```{reference} procure_opt``` with public names: their docstrings;
- a block ```{catalogue} payments```: the catalogue as a table (`catalogues.py`);
- a link such as [`po.award`](reference/award.md): to the name itself on that page.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "src")]

project = "procure_opt"
author = "The procure_opt authors"
project_copyright = "the procure_opt authors, MIT licence"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["tutorial"]
myst_heading_anchors = 4
default_role = "code"
smartquotes_action = "D"  # dashes alone: what stands between quotes is to be typed as it stands

html_theme = "furo"
html_title = "procure_opt"
html_copy_source = False
html_show_sphinx = False
html_static_path = ["static"]
html_css_files = ["site.css"]
maximum_signature_line_length = 80

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_type_aliases = dict.fromkeys(("Floats", "Ints", "Places", "Mask"), "numpy.ndarray")
napoleon_numpy_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style")]

PACKAGES = ("procure_opt.auction", "procure_opt.governance", "procure_opt")


# ---- pages ------------------------------------------------------------------------------------------------


def worked_out(app: Any, page: str, source: list[str]) -> None:
    """The page with names, catalogues and links put in."""
    source[0] = filled(source[0])


def filled(text: str) -> str:
    """Markdown with the three marks worked out.

    >>> print(filled("[`po.pay`](reference/payments.md) and [`po.auction.screens`](screens.md)"))
    {py:obj}`po.pay <procure_opt.pay>` and {py:obj}`po.auction.screens <procure_opt.auction.screens>`
    """
    import catalogues

    text = re.sub(r"```\{reference\} (\S+)\n(.*?)```", lambda found: documented(found[1], found[2].split()), text,
                  flags=re.DOTALL)  # fmt: skip
    text = re.sub(r"```\{catalogue\} (.+?)\n```", lambda found: catalogues.TABLES[found[1]](), text)
    text = text.replace("\n\n```\n", "\n```\n")  # a session ends at a blank line, which need not be seen
    text = text.replace("```console", "```text")  # whose colours take a comment of a file for a command
    return re.sub(r"\[`(po(?:\.\w+)+)`\]\([\w./]+\.md\)", lambda found: f"{{py:obj}}`{found[1]} <{full(found[1])}>`",
                  text)  # fmt: skip


def full(name: str) -> str:
    """A name as an import would say it.

    >>> full("po.governance.bond")
    'procure_opt.governance.bond'
    """
    return name.replace("po", "procure_opt", 1)


def documented(package: str, names: list[str]) -> str:
    """The directives that put docstrings of public names on a page."""
    module = import_module(package)
    lines = []
    for name in names:
        value = getattr(module, name)
        if inspect.isclass(value):
            kind = "exception" if issubclass(value, Exception) else "class"
        else:
            kind = "function" if inspect.isfunction(value) else "data"
        lines += [f".. auto{kind}:: {package}.{name}", *(["   :members:"] if kind == "class" else []), ""]
    return "\n".join(["```{eval-rst}", *lines, "```"])


# ---- docstrings -------------------------------------------------------------------------------------------


def plain(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Docstrings are plain text with code between single backticks; the site is made of reStructuredText.

    Of a property napoleon would take what stands before a colon for its type, unless the first line is empty of text.
    """
    lines[:] = [*(["..", ""] if what in ("attribute", "property") else []), *"\n".join(restructured(lines)).split("\n")]


def signed(app: Any, what: str, name: str, obj: Any, options: Any, signature: str | None, returned: str | None) -> Any:
    """Signatures with defaults that can be read."""
    return None if signature is None else (signature.replace("<factory>", "..."), returned)


def restructured(lines: list[str]) -> Iterator[str]:
    """Code spans, formulas that stand apart and tables, sessions as they are, and nothing else taken for markup.

    >>> list(restructured(["The |mean| of `x`s:", "", "    m = Σ x_i / n", "", ">>> 2 * 3", "6"]))[::2]
    ['The \\\\|mean\\\\| of ``x``\\\\ s:', '::\\n\\n    m = Σ x_i / n', '>>> 2 * 3\\n6']
    """
    section = False
    for block in re.split(r"\n(?:[ ]*\n)+", "\n".join(lines)):
        first = block.lstrip("\n").split("\n")[0]
        indent = len(first) - len(first.lstrip())
        section = bool(re.fullmatch(r"[A-Z]\w+:", first)) or (section and indent > 0)
        if first.lstrip().startswith(">>>"):
            yield block
        elif indent >= 4 and not section:
            yield f"::\n\n{block}"
        elif all(line.startswith("| ") for line in block.split("\n")):
            yield "::\n\n    " + block.replace("\n", "\n    ")
        else:
            text, session, after = block.partition("\n>>> ")
            yield prose(text) + (f"\n\n>>> {after}" if session else "")
        yield ""


@cache
def places() -> dict[str, str]:
    """Where each public name stands, as an import would say it."""
    return {name: f"{package}.{name}" for package in PACKAGES for name in import_module(package).__all__}


def prose(text: str) -> str:
    """Text in which only what stands between backticks is markup; classes, and what is to be seen, are links.

    >>> prose("A `Tender` in `currency` (see `pay`).")
    'A :py:obj:`Tender <procure_opt.Tender>` in ``currency`` (see :py:obj:`pay <procure_opt.pay>`).'
    """
    parts = re.split(r"(`[^`]+`)", text)
    for k, part in enumerate(parts):
        if k % 2:
            before = "\\ " if re.search(r"[^\s(\[]$", parts[k - 1]) else ""
            behind = "\\ " if re.match(r"[\w`]", parts[k + 1]) else ""
            where = places().get(part[1:-1])
            linked = where is not None and (part[1].isupper() or parts[k - 1].endswith("see "))
            code = f":py:obj:`{part[1:-1]} <{where}>`" if linked else f"`{part}`"
            parts[k] = f"{before}{code}{behind}"
        else:
            parts[k] = re.sub(r"([\\|]|(?<!^)\*|\*(?! )|_(?!\w))", r"\\\1", part, flags=re.MULTILINE)
    return "".join(parts)


def setup(app: Any) -> None:
    """Before napoleon, which reads sections of docstrings."""
    app.connect("source-read", worked_out)
    app.connect("autodoc-process-docstring", plain, priority=400)
    app.connect("autodoc-process-signature", signed)
