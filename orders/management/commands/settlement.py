"""Which buyer app owes an operator how much for a month?"""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.text import slugify

from catalog.management.naming import operator_named
from catalog.wording import rupees
from core.errors import DomainError
from orders.papers.statement import statement_pdf, statements_csv
from orders.statements import month_bounds, statements


class Command(BaseCommand):
    help = "Print an operator's settlement of a month; write it as CSV and as one PDF for each buyer app."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--operator", required=True, help="the operator's code")
        parser.add_argument("--month", required=True, help="YYYY-MM, by the clock of India")
        parser.add_argument("--bap", default="", help="only this buyer app")
        parser.add_argument("--out", type=Path, help="a folder for settlement-….csv and settlement-….pdf")

    def handle(self, *args: Any, operator: str, month: str, bap: str, out: Path | None, **options: Any) -> None:
        seller = operator_named(operator)
        try:
            since, until = month_bounds(month)
        except DomainError as refusal:
            raise CommandError(refusal.text) from refusal
        found = statements(seller, since=since, until=until, bap_id=bap)
        for statement in found:
            whole = statement.total
            self.stdout.write(
                f"{statement.buyer_app or '(no buyer app)'}: {len({row.order for row in statement.rows})} orders, "
                f"gross {rupees(whole.gross)} with taxes {rupees(whole.taxes)}, refunded {rupees(whole.refunded)}, "
                f"finder fee {rupees(whole.finder_fee)}, net due {rupees(whole.net_due)}, paid "
                f"{rupees(statement.paid)}, owed {rupees(statement.closing)}"
            )
        if not found:
            self.stdout.write(f"nothing moved for {operator} before the end of {month}")
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            name = f"settlement-{slugify(operator)}-{month}"
            files = {f"{name}.csv": statements_csv(found)}
            files |= {f"{name}-{slugify(one.buyer_app.replace('.', '-'))}.pdf": statement_pdf(one) for one in found}
            for file, content in files.items():
                (out / file).write_bytes(content)
                self.stdout.write(f"written: {out / file}")
