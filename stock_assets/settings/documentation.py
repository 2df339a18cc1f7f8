"""models of the settings -> the table of docs/settings.md, and ``.env.example``.

Belongs here: how a setting is told. ``make docs`` writes both files; a test holds them against the models.
Does not belong here: what there is to tell (each owner's fields).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stock_assets.settings.platform import HOME, OWNERS

BEGIN, END = "<!-- settings: written by `make docs` -->", "<!-- end of settings -->"
HOME_ROW = f"| `{HOME}` | the working directory | folder of `.env` and `.local`, where relative paths begin |"


def table() -> str:
    """Variable, default and meaning of every setting."""
    rows = [f"| `{name}` | {_default(field)} | {field.description} |" for _, name, field in _listed()]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", HOME_ROW, *rows])


def example() -> str:
    """``.env.example``: every setting by owner, none of them set."""
    lines = [
        "# Copy to .env and change what you need; without it everything runs locally. docs/settings.md tells what each means."
    ]
    shown = None
    for owner, name, field in _listed():
        if owner != shown:
            lines += ["", f"# {(OWNERS[owner].__doc__ or '').strip().splitlines()[0]}"]
            shown = owner
        lines.append(f"#{name}={_example(field)}")
    return "\n".join(lines) + "\n"


def written(page: str) -> str:
    """The page with the table of now."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def _listed() -> Iterator[tuple[str, str, Any]]:
    for owner, model in OWNERS.items():
        for name, field in model.variables().items():
            if field.json_schema_extra["listed"]:
                yield owner, name, field


def _default(field: Any) -> str:
    shown = field.json_schema_extra["shown"]
    return str(shown) if shown is not None else f"`{_text(field.default)}`"


def _example(field: Any) -> str:
    example = field.json_schema_extra["example"]
    return str(example) if example is not None else _text(field.default)


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    page = folder / "docs" / "settings.md"
    page.write_text(written(page.read_text(encoding="utf-8")), encoding="utf-8")
    (folder / ".env.example").write_text(example(), encoding="utf-8")
