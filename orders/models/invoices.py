"""Which tax invoices and notes were issued, under which number, and what do they say?

A paper is never changed or deleted once issued, and a series has no gaps: triggers hold both.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from catalog.models import Operator
from orders.models.money import Refund
from orders.models.promise import Order, Quote


class PaperKind(models.TextChoices):
    """An invoice charges, a debit note charges more, a credit note gives back."""

    INVOICE = "invoice", "Tax invoice"
    CREDIT_NOTE = "credit-note", "Credit note"
    DEBIT_NOTE = "debit-note", "Debit note"


class InvoiceSeries(models.Model):
    """The counter of one kind of paper of an operator in a financial year; raised by one in the issuing transaction."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="invoice_series")
    kind = models.CharField(max_length=11, choices=PaperKind)
    year = models.PositiveSmallIntegerField(help_text="In which the financial year begins on 1 April.")
    last = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name_plural = "invoice series"
        constraints = [models.UniqueConstraint(fields=["operator", "kind", "year"], name="invoice_series_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.year}: {self.last}"


class Invoice(models.Model):
    """A tax invoice, or a note that corrects one, with everything it names as it was when it was issued."""

    operator = models.ForeignKey(Operator, on_delete=models.PROTECT, related_name="invoices")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="invoices")
    quote = models.ForeignKey(Quote, null=True, blank=True, on_delete=models.PROTECT, related_name="invoices")
    refund = models.OneToOneField(Refund, null=True, blank=True, on_delete=models.PROTECT, related_name="credit_note")
    corrects = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="notes")
    kind = models.CharField(max_length=11, choices=PaperKind)
    year = models.PositiveSmallIntegerField(help_text="In which the financial year begins on 1 April.")
    sequence = models.PositiveIntegerField()
    number = models.CharField(max_length=16)
    issued_at = models.DateTimeField()
    supplier = models.JSONField(help_text="{name, address, gstin, state, state_code, phone, email}")
    recipient = models.JSONField(help_text="{name, address, gstin}")
    place = models.JSONField(help_text="Place of supply: {state, code}.")
    facts = models.JSONField(default=dict, help_text="{order, station, evse, reason, corrects, corrects_on}")
    lines = models.JSONField(help_text="[{code, note, paise, energy_wh?, sac}], before tax.")
    taxes = models.JSONField(help_text="[{code, percent, paise}]")
    currency = models.CharField(max_length=3, default="INR")
    taxable_paise = models.BigIntegerField()
    tax_paise = models.BigIntegerField()
    total_paise = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["operator", "kind", "year", "sequence"], name="invoice_sequence"),
            models.UniqueConstraint(fields=["operator", "number"], name="invoice_number"),
            models.UniqueConstraint(fields=["order"], condition=Q(kind="invoice"), name="invoice_one_per_order"),
            models.UniqueConstraint(fields=["quote"], name="invoice_once_per_quote"),
            models.CheckConstraint(condition=Q(number__regex=r"^[A-Z0-9/-]{1,16}$"), name="invoice_number_form"),
            models.CheckConstraint(
                condition=Q(total_paise=F("taxable_paise") + F("tax_paise"), total_paise__gt=0), name="invoice_total"
            ),
            models.CheckConstraint(
                condition=Q(kind="invoice", corrects__isnull=True) | ~Q(kind="invoice") & Q(corrects__isnull=False),
                name="invoice_note_corrects",
            ),
            models.CheckConstraint(
                condition=Q(quote__isnull=False, refund__isnull=True) | Q(quote__isnull=True, refund__isnull=False),
                name="invoice_one_cause",
            ),
        ]  # the migration adds invoice_lines_add_up, the guard of the series and the trigger that keeps papers
        indexes = [models.Index(fields=["operator", "-issued_at"], name="invoice_operator_issued")]

    def __str__(self) -> str:
        return self.number
