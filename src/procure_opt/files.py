"""Files are written whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path beside `path` to write to: it takes its place once all is written, and is gone if that fails.

    So whoever looks finds the former file or the new one, also if writing is interrupted. What is no file, such as
    /dev/stdout, is written to as it is.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "award.csv"
    >>> with replacing(file) as beside:
    ...     _ = beside.write_text("bid,price\\n")
    ...     file.exists()
    False
    >>> file.read_text()
    'bid,price\\n'
    """
    file = Path(path).resolve()  # of a link what it points to is written, not the link
    if file.exists() and not file.is_file():
        yield file
        return
    beside = file.with_name(f".{file.stem[:80]}.{secrets.token_hex(4)}{file.suffix}")  # writers look at how it ends
    try:
        yield beside
        os.replace(beside, file)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
