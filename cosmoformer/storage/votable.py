"""Results as a VOTable (IVOA), with units, descriptions, UCDs and a coordinate system for their places on the sky."""

from __future__ import annotations

import io
import re
from typing import IO
from xml.sax.saxutils import escape

from cosmoformer.storage.tables import DESCRIPTION, Column, Kind, ResultTable, Value

_ICRS = "ICRS"
_TYPES: dict[Kind, dict[str, str]] = {
    "text": {"datatype": "unicodeChar", "arraysize": "*"},
    "integer": {"datatype": "long"},
    "number": {"datatype": "double"},
    "flag": {"datatype": "boolean"},
}
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, section 2.2, Char
_END = b"</TABLE>"


def write_votable(table: ResultTable, file: IO[bytes]) -> None:
    """Write results as a VOTable; cells without a value are empty.

    astropy writes the description of the columns. The rows stand between, one after the other: astropy would hold them all.

    Raises:
        ImportError: astropy is not installed.
    """
    start, end, rest = _without_rows(table.columns).partition(_END)
    file.write(start + b"<DATA>\n<TABLEDATA>\n")
    for row in table.rows():
        file.write(f"<TR>{''.join(map(_cell, row.values()))}</TR>\n".encode())
    file.write(b"</TABLEDATA>\n</DATA>\n" + end + rest)


def _without_rows(columns: tuple[Column, ...]) -> bytes:
    from astropy.io.votable.tree import CooSys, Field, Resource, TableElement, VOTableFile

    document = VOTableFile()
    table = TableElement(document, name="cosmoformer_results")
    table.description = DESCRIPTION
    for column in columns:
        # "boolean" has a null; the "bit" that astropy chooses for numpy's bool has none.
        field = Field(
            document,
            name=column.name,
            ucd=column.ucd or None,
            unit=column.unit or None,
            ref=_ICRS if column.path[0] == "object" and column.ucd.startswith("pos.eq.") else None,
            **_TYPES[column.kind],
        )
        field.description = column.description
        table.fields.append(field)
    resource = Resource()
    resource.coordinate_systems.append(CooSys(ID=_ICRS, system=_ICRS))
    resource.tables.append(table)
    document.resources.append(resource)
    written = io.BytesIO()
    document.to_xml(written)
    return written.getvalue()


def _cell(value: Value) -> str:
    if value is None or value == "":
        return "<TD/>"
    if isinstance(value, bool):
        return "<TD>T</TD>" if value else "<TD>F</TD>"
    return f"<TD>{escape(_xml_text(value)) if isinstance(value, str) else repr(value)}</TD>"


def _xml_text(value: str) -> str:
    return _NOT_XML.sub(lambda match: match[0].encode("unicode_escape").decode(), value)
