"""How does an invoice, a credit note or a debit note look?

Source: CGST Rules 46 and 53 name what must stand on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from catalog.wording import kwh, rupees
from orders.numbering import INDIA
from orders.papers.labels import LANGUAGES, label
from orders.papers.words import in_words

if TYPE_CHECKING:
    from orders.papers.sheet import Sheet

WIDTHS: Final = (8.0, 76.0, 24.0, 32.0, 40.0)
ALIGNS: Final = "LLLRR"
HALF_MM: Final = 88.0


@dataclass(frozen=True, slots=True)
class Paper:
    """What stands on it; amounts in paise, the mappings as `orders.models.Invoice` keeps them."""

    kind: str
    number: str
    issued_at: datetime
    supplier: Mapping[str, str]
    recipient: Mapping[str, str]
    place: Mapping[str, str]
    facts: Mapping[str, str]
    lines: Sequence[Mapping[str, Any]]
    taxes: Sequence[Mapping[str, Any]]
    taxable_paise: int
    total_paise: int


def invoice_pdf(paper: Paper, *, language: str = "en") -> bytes:
    """The paper as a PDF, its labels in a language of LANGUAGES. Raises KeyError for another language."""
    if language not in LANGUAGES:
        raise KeyError(language)
    from orders.papers.sheet import printed  # noqa: PLC0415 - half a second that only who prints has to pay

    return printed(
        lambda sheet: _draw(sheet, paper, language),
        title=f"{title_of(paper)} {paper.number}",
        foot=f"{paper.supplier.get('name', '')} · {paper.number}",
        page_word=label("page", language),
        at=paper.issued_at,
        texts=_texts(paper, language),
    )


def title_of(paper: Paper, language: str = "en") -> str:
    """What kind of paper it is: an invoice is a tax invoice only where the supplier is registered."""
    taxed = paper.kind == "invoice" and bool(paper.supplier.get("gstin"))
    return label("tax-invoice" if taxed else paper.kind, language)


def _draw(sheet: Sheet, paper: Paper, language: str) -> None:
    sheet.set_lang({"en": "en-IN", "hi": "hi-IN", "kn": "kn-IN"}[language])
    sheet.line_of(title_of(paper, language), size=18, bold=True, height=10)
    day = paper.issued_at.astimezone(INDIA).strftime("%d.%m.%Y")
    sheet.line_of(f"{label('number', language)}: {paper.number}    {label('date', language)}: {day}", size=10)
    sheet.ln(4)
    _parties(sheet, paper, language)
    _facts(sheet, paper, language)
    _table(sheet, paper, language)
    _notes(sheet, paper, language)


def _parties(sheet: Sheet, paper: Paper, language: str) -> None:
    top = sheet.get_y()
    supplier = [paper.supplier.get(key, "") for key in ("name", "address")]
    supplier += [_named("GSTIN", paper.supplier.get("gstin", "")), _state(paper.supplier, "state", "state_code")]
    supplier += [paper.supplier.get(key, "") for key in ("phone", "email")]
    buyer = [paper.recipient.get(key, "") for key in ("name", "address")]
    gstin = paper.recipient.get("gstin", "")
    buyer.append(_named("GSTIN", gstin) or label("consumer", language))
    ends = []
    for place, (heading, rows) in enumerate((("supplier", supplier), ("recipient", buyer))):
        sheet.set_xy(sheet.l_margin + place * (HALF_MM + 4), top)
        sheet.line_of(label(heading, language), size=8, color=sheet.GREY, width=HALF_MM)
        for number, row in enumerate(row for row in rows if row):
            sheet.line_of(row, bold=number == 0, width=HALF_MM)
        ends.append(sheet.get_y())
    sheet.set_xy(sheet.l_margin, max(ends) + 4)


def _facts(sheet: Sheet, paper: Paper, language: str) -> None:
    facts = paper.facts
    rows = [
        ("place", _state(paper.place, "state", "code")),
        ("reverse", label("no", language)),
        ("order", facts.get("order", "")),
        ("station", facts.get("station", "")),
        ("connector", facts.get("evse", "")),
        ("corrects", _corrected(facts)),
        ("reason", label(f"{facts['reason']}-reason", language) if facts.get("reason") else ""),
    ]
    for key, text in rows:
        if text:
            sheet.write_in(8.5, color=sheet.GREY)
            sheet.cell(45, 5, label(key, language))
            sheet.line_of(text, size=8.5, width=sheet.epw - 45)
            sheet.set_x(sheet.l_margin)
    sheet.ln(4)


def _table(sheet: Sheet, paper: Paper, language: str) -> None:
    heads = ("#", label("description", language), "SAC", label("quantity", language), label("amount", language))
    sheet.rule()
    sheet.row(heads, WIDTHS, aligns=ALIGNS, bold=True)
    for number, line in enumerate(paper.lines, start=1):
        energy_wh = line.get("energy_wh")
        text = _described(line, language)
        quantity = kwh(energy_wh) if energy_wh is not None else "1"
        sheet.row((str(number), text, line.get("sac", ""), quantity, rupees(line["paise"])), WIDTHS, aligns=ALIGNS)
    sums = [(label("taxable", language), paper.taxable_paise)]
    sums += [(f"{tax['code']} {tax['percent']} %", tax["paise"]) for tax in paper.taxes]
    for text, paise in sums:
        sheet.row(("", text, "", "", rupees(paise)), WIDTHS, aligns=ALIGNS)
    sheet.row(("", label("total", language), "", "", rupees(paper.total_paise)), WIDTHS, aligns=ALIGNS, bold=True,
              size=10)  # fmt: skip
    sheet.ln(3)
    sheet.line_of(f"{label('in-words', language)}: {in_words(paper.total_paise)}")


def _notes(sheet: Sheet, paper: Paper, language: str) -> None:
    sheet.ln(5)
    for key in _note_keys(paper):
        sheet.line_of(label(key, language), size=8, color=sheet.GREY)


def _note_keys(paper: Paper) -> list[str]:
    keys = [] if paper.supplier.get("gstin") else ["without-gstin"]
    if paper.kind == "credit-note" and not paper.taxes and paper.facts.get("reason") == "goodwill":
        keys.append("without-tax")
    return [*keys, "unsigned"]


def _described(line: Mapping[str, Any], language: str) -> str:
    text, note = label(str(line["code"]), language), str(line.get("note", ""))
    return f"{text} ({note})" if note else text


def _corrected(facts: Mapping[str, str]) -> str:
    if not facts.get("corrects"):
        return ""
    day = datetime.fromisoformat(facts["corrects_on"]).strftime("%d.%m.%Y")
    return f"{facts['corrects']}, {day}"


def _state(where: Mapping[str, str], name: str, code: str) -> str:
    return f"{where.get(name, '')} ({where[code]})" if where.get(code) else where.get(name, "")


def _named(name: str, text: str) -> str:
    return f"{name} {text}" if text else ""


def _texts(paper: Paper, language: str) -> list[str]:
    """Everything that may be written: what is in Indian scripts decides which fonts go into the file."""
    kept = [*paper.supplier.values(), *paper.recipient.values(), *paper.place.values(), *paper.facts.values()]
    title = title_of(paper, language)
    return [*kept, title, *(_described(line, language) for line in paper.lines), label("total", language)]
