"""Which papers does an order have, and as which file are they handed out?"""

from __future__ import annotations

from django.http import HttpResponse

from orders.models import Invoice
from orders.papers.invoice import Paper, invoice_pdf, title_of
from orders.papers.labels import LANGUAGES


def papers_of(order_id: int) -> list[Invoice]:
    """The order's invoice and notes in the order they were issued."""
    return list(Invoice.objects.filter(order_id=order_id).order_by("pk"))


def paper_of(invoice: Invoice) -> Paper:
    """What stands on the paper."""
    return Paper(
        kind=invoice.kind,
        number=invoice.number,
        issued_at=invoice.issued_at,
        supplier=invoice.supplier,
        recipient=invoice.recipient,
        place=invoice.place,
        facts=invoice.facts,
        lines=invoice.lines,
        taxes=invoice.taxes,
        taxable_paise=invoice.taxable_paise,
        total_paise=invoice.total_paise,
    )


def paper_title(invoice: Invoice, language: str = "en") -> str:
    """What kind of paper it is, in a language of LANGUAGES: a tax invoice only where the supplier is registered."""
    return title_of(paper_of(invoice), language)


def handed_out(invoice: Invoice, language: str = "en") -> HttpResponse:
    """The paper as a download, in English where the language is none of ours."""
    chosen = language if language in LANGUAGES else "en"
    name = f"{invoice.number.replace('/', '-')}{'' if chosen == 'en' else f'-{chosen}'}.pdf"
    return as_file(invoice_pdf(paper_of(invoice), language=chosen), name, "application/pdf")


def as_file(content: bytes, name: str, kind: str) -> HttpResponse:
    """A file to be saved under `name`; never kept by caches, never guessed to be something else."""
    response = HttpResponse(content, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response
