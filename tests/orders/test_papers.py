"""Can an invoice be read: its amounts, its scripts, its pages; and is it the same file each time?"""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orders.papers.invoice import Paper, invoice_pdf, title_of
from orders.papers.labels import LANGUAGES, label
from orders.papers.words import in_words
from tests.at_hand import program

PAPER = Paper(
    kind="invoice",
    number="VB/26-27/000123",
    issued_at=datetime(2026, 11, 21, 19, 0, tzinfo=UTC),
    supplier={
        "name": "Namma Charge Private Limited", "address": "12, MG Road, Bengaluru", "gstin": "29AAGCB7383J1Z4",
        "state": "Karnataka", "state_code": "29", "phone": "18001080", "email": "help@example.org",
    },
    recipient={"name": "श्रीमती प्रज्ञा / ಕೃಷ್ಣಮೂರ್ತಿ", "address": "ಜಯನಗರ, ಬೆಂಗಳೂರು", "gstin": ""},
    place={"state": "Karnataka", "code": "29"},
    facts={"order": "VB-1", "station": "ಇಂದಿರಾನಗರ Hub", "evse": "IN*VBZ*E1*1"},
    lines=[
        {"code": "energy-cost", "note": "18.00 INR/kWh", "paise": 12_345_600, "energy_wh": 8_000, "sac": "998714"},
        {"code": "discount", "note": "दिवाली छूट", "paise": -400, "sac": "998714"},
    ],
    taxes=[{"code": "CGST", "percent": "9", "paise": 1_111_068}, {"code": "SGST", "percent": "9", "paise": 1_111_068}],
    taxable_paise=12_345_200,
    total_paise=14_567_336,
)  # fmt: skip


def text_of(pdf: bytes, folder: Path) -> str:
    program("pdftotext", package="poppler-utils")
    file = folder / "paper.pdf"
    file.write_bytes(pdf)
    done = subprocess.run(["pdftotext", "-layout", str(file), "-"], capture_output=True, check=True)
    return done.stdout.decode()


@pytest.mark.parametrize(
    ("paise", "words"),
    [
        (0, "Rupees Zero Only"),
        (1, "One Paise Only"),
        (100, "Rupees One Only"),
        (18_880, "Rupees One Hundred Eighty-Eight and Eighty Paise Only"),
        (1_000_00, "Rupees One Thousand Only"),
        (1_00_000_00, "Rupees One Lakh Only"),
        (12_34_567_50, "Rupees Twelve Lakh Thirty-Four Thousand Five Hundred Sixty-Seven and Fifty Paise Only"),
        (1_00_00_000_00, "Rupees One Crore Only"),
        (
            99_99_99_999_99,
            "Rupees Ninety-Nine Crore Ninety-Nine Lakh Ninety-Nine Thousand Nine Hundred Ninety-Nine and Ninety-Nine "
            "Paise Only",
        ),
        (1_23_45_00_00_019_00, "Rupees Twelve Thousand Three Hundred Forty-Five Crore Nineteen Only"),
    ],
)
def test_amount_in_words_has_lakh_and_crore(paise: int, words: str) -> None:
    assert in_words(paise) == words


@pytest.mark.parametrize("language", LANGUAGES)
def test_same_paper_is_the_same_file(language: str) -> None:
    assert invoice_pdf(PAPER, language=language) == invoice_pdf(PAPER, language=language)


def test_other_language_is_refused() -> None:
    with pytest.raises(KeyError):
        invoice_pdf(PAPER, language="de")


def test_fonts_are_in_the_file_only_where_their_script_is_used() -> None:
    plain = replace(PAPER, recipient={"name": "A"}, facts={}, lines=PAPER.lines[:1])
    assert b"NotoSansKannada" not in invoice_pdf(plain)
    assert b"NotoSansDevanagari" not in invoice_pdf(plain)
    assert b"NotoSansKannada" in invoice_pdf(plain, language="kn")
    assert b"NotoSansDevanagari" in invoice_pdf(plain, language="hi")


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_the_law_asks_for_can_be_read(language: str, tmp_path: Path) -> None:
    text = text_of(invoice_pdf(PAPER, language=language), tmp_path)
    for wanted in (
        "VB/26-27/000123", "22.11.2026", "Namma Charge Private Limited", "29AAGCB7383J1Z4", "Karnataka (29)",
        "998714", "8.000 kWh", "₹1,23,456.00", "-₹4.00", "₹1,23,452.00", "CGST 9 %", "SGST 9 %", "₹11,110.68",
        "₹1,45,673.36", "One Lakh Forty-Five Thousand", "1 / 1",
    ):  # fmt: skip
        assert wanted in text


def test_business_buyer_is_named_with_its_gstin(tmp_path: Path) -> None:
    buyer = {"name": "Fleet Ltd", "address": "Mumbai", "gstin": "27AAPFU0939F1ZV"}
    text = text_of(invoice_pdf(replace(PAPER, recipient=buyer)), tmp_path)
    assert "GSTIN 27AAPFU0939F1ZV" in text
    assert "Unregistered consumer" not in text


def test_pages_are_numbered_with_their_total(tmp_path: Path) -> None:
    text = text_of(invoice_pdf(replace(PAPER, lines=[*PAPER.lines] * 40)), tmp_path)
    assert [line.strip()[-10:] for line in text.splitlines() if "Page" in line] == [
        "Page 1 / 3",
        "Page 2 / 3",
        "Page 3 / 3",
    ]


def test_sign_of_an_unknown_script_is_a_question_mark(tmp_path: Path) -> None:
    text = text_of(invoice_pdf(replace(PAPER, recipient={"name": "தமிழ் Name"})), tmp_path)
    assert "????? Name" in text


def test_credit_note_names_the_invoice_it_corrects(tmp_path: Path) -> None:
    facts = {"corrects": "VB/26-27/000122", "corrects_on": "2026-11-20", "reason": "goodwill"}
    note = replace(PAPER, kind="credit-note", facts=facts, taxes=[])
    text = text_of(invoice_pdf(note), tmp_path)
    assert "Credit note" in text
    assert "VB/26-27/000122, 20.11.2026" in text
    assert "section 15(3)" in text


def test_supplier_without_gstin_issues_no_tax_invoice(tmp_path: Path) -> None:
    paper = replace(PAPER, supplier={"name": "X"})
    text = text_of(invoice_pdf(paper), tmp_path)
    assert (title_of(paper), title_of(PAPER)) == ("Invoice", "Tax invoice")
    assert "no GSTIN on record" in text


def test_unknown_line_is_shown_by_its_code() -> None:
    assert label("surge-price", "hi") == "Surge price"
