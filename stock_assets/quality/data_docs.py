"""suites, newest sessions of the lake -> a site of Great Expectations' Data Docs.

Belongs here: validating each table's newest session as its check would, and having Great Expectations draw suites and results.
Does not belong here: the expectations (``suites``), the verdicts that stop a build (``defs.checks``).

``quality/expectations`` keeps verdicts, not results: what was observed and which values broke a rule are no longer known. So the
rows are looked at once more, each table's in one pass.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from stock_assets.domain.errors import PermanentError
from stock_assets.domain.table import Table
from stock_assets.domain.tables import DERIVED_TABLES, RAW_TABLES
from stock_assets.lake.tables import read_sessions, visible_rows
from stock_assets.quality.suites import checked_columns
from stock_assets.quality.validate import batches, context, frame_of, name_of, suite_of

if TYPE_CHECKING:
    import pyarrow as pa

DOCUMENTED = (*RAW_TABLES.values(), *DERIVED_TABLES)
INDEX = "index.html"
_SITE = "stock_assets"
_PAGES = "expectations", "validations"
"""Folders of a site, beside its own pictures and styles; each has a page per suite or result."""
_SHOWN = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"}


@dataclass(frozen=True)
class Documented:
    """A table whose suite is in the site; without a session it has no rows, and no result."""

    table: Table
    session: date | None
    rows: int = 0
    broken: int = 0


def write_site(lake_root: str, folder: Path) -> list[Documented]:
    """Write the site into a folder, in place of an older one.

    Raises:
        PermanentError: the folder holds something else, or Great Expectations left out a page.
    """
    folder = folder.resolve()
    if folder.exists() and not _replaceable(folder):
        raise PermanentError(f"{folder} holds other files than a site of Data Docs: name a new or an empty folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as aside:
        written = Path(aside) / "site"
        told, drawn = [], []
        for table in DOCUMENTED:
            drawn.append(_suite_page(table))
            about, result = _validated(lake_root, table)
            told.append(about)
            drawn += [result] if result is not None else []
        _draw(written, drawn)
        _link(written)
        if folder.exists():
            shutil.rmtree(folder)
        written.rename(folder)
    return told


def newest_session(lake_root: str, table: Table) -> date | None:
    """The newest session that readers see rows of; None for a table without any."""
    import pyarrow.compute as pc

    dataset = visible_rows(lake_root, table)
    if dataset is None:
        return None
    # batch by batch: a raw table may have a hundred million rows, though no file of it is opened for this
    found = [pc.max(batch["trading_day"]).as_py() for batch in dataset.to_batches(columns=["trading_day"])]
    return max((day for day in found if day is not None), default=None)


def _validated(lake_root: str, table: Table) -> tuple[Documented, Any]:
    """What the suite says of the newest session, and the key of the result; None where there are no rows."""
    import great_expectations as gx
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    day = newest_session(lake_root, table)
    if day is None:
        return Documented(table, None), None
    raw = table in RAW_TABLES.values()
    rows = read_sessions(lake_root, table, checked_columns(table), day, day, accepted_only=raw)
    definition = context().validation_definitions.add_or_update(
        gx.ValidationDefinition(
            name=name_of(table), data=batches(table), suite=context().suites.get(suite_of(table).name)
        )
    )
    run = RunIdentifier(run_name=f"session {day}", run_time=datetime.now(UTC))
    frame = frame_of(table, _harmless(rows))
    outcome = definition.run(batch_parameters={"dataframe": frame}, result_format="SUMMARY", run_id=run)
    key = ValidationResultIdentifier(ExpectationSuiteIdentifier(name_of(table)), run, outcome.batch_id)
    return Documented(table, day, rows.num_rows, sum(not each.success for each in outcome.results)), key


def _harmless(rows: pa.Table) -> pa.Table:
    """Texts as HTML shows them: Great Expectations puts values that break a rule into its pages as they are.

    Different texts stay different, and none becomes a value that a rule allows: the verdict is the same.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    for place, field in enumerate(rows.schema):
        if pa.types.is_string(field.type):
            texts = rows[field.name]
            for sign, shown in _SHOWN.items():
                texts = pc.replace_substring(texts, sign, shown)
            rows = rows.set_column(place, field, texts)
    return rows


def _suite_page(table: Table) -> Any:
    """The key of the table's suite, which the context holds from now on."""
    from great_expectations.data_context.types.resource_identifiers import ExpectationSuiteIdentifier

    context().suites.add_or_update(suite_of(table))
    return ExpectationSuiteIdentifier(name_of(table))


def _draw(folder: Path, drawn: list[Any]) -> None:
    config = {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }
    if _SITE in context().list_data_docs_sites():
        context().delete_data_docs_site(_SITE)
    context().add_data_docs_site(_SITE, config)
    context().build_data_docs(site_names=[_SITE], resource_identifiers=drawn)
    pages = [page for part in _PAGES for page in (folder / part).rglob("*.html")]
    if len(pages) != len(drawn) or not (folder / INDEX).is_file():  # it only logs what it could not draw
        raise PermanentError(f"Great Expectations drew {len(pages)} of {len(drawn)} pages.")


def _link(folder: Path) -> None:
    """Name all pages at the top of the first one: its own lists are drawn by scripts from the internet."""
    listed = []
    for table in DOCUMENTED:
        inner = table.path
        pages = [folder / _PAGES[0] / f"{inner}.html", *sorted((folder / _PAGES[1] / inner).rglob("*.html"))]
        links = [
            f'<a href="{quote(page.relative_to(folder).as_posix())}">{"suite" if not number else "result"}</a>'
            for number, page in enumerate(pages)
        ]
        listed.append(f"<li>{inner}: {', '.join(links)}</li>")
    index = folder / INDEX
    before, body, after = index.read_text(encoding="utf-8").partition("<body>")
    index.write_text(f"{before}{body}<ul>{''.join(listed)}</ul>{after}", encoding="utf-8")


def _replaceable(folder: Path) -> bool:
    names = {each.name for each in folder.iterdir()} if folder.is_dir() else {"a file"}
    return not names or (INDEX in names and names <= {INDEX, "static", *_PAGES})
