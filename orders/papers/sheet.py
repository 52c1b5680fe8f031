"""What is a sheet of paper on which rupees, Devanagari and Kannada can be read?

The same facts give the same bytes: the date of the file is that of the paper, and nothing of the machine goes in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from fpdf import FPDF
from fpdf.enums import TextDirection, XPos, YPos

FONTS: Final = Path(__file__).parent / "fonts"
LATIN: Final = "NotoSans"
SCRIPTS: Final = (("NotoSansDevanagari", 0x0900, 0x097F), ("NotoSansKannada", 0x0C80, 0x0CFF))
MARGIN_MM: Final = 15
FOOT_MM: Final = 18
INK: Final = (20, 20, 20)
RULE: Final = (205, 208, 212)


class Sheet(FPDF):
    """A4 pages with a foot line and page numbers; `texts` is everything that may be written, to choose the fonts."""

    GREY: Final = (95, 99, 104)

    def __init__(self, *, title: str, foot: str, page_word: str, pages: int, at: datetime, texts: Iterable[str],
                 landscape: bool = False) -> None:  # fmt: skip
        super().__init__(orientation="landscape" if landscape else "portrait", format="A4")
        self._foot, self._page_word, self._pages = foot, page_word, pages
        self.set_creation_date(at)
        self.set_title(title)
        self.set_producer("Voltbazaar")
        self.set_margin(MARGIN_MM)
        self.set_auto_page_break(auto=True, margin=FOOT_MM)
        self._add_fonts("".join((*texts, foot, page_word)))
        self.set_text_shaping(use_shaping_engine=True, direction=TextDirection.LTR)
        self.set_draw_color(*RULE)
        self.write_in(9)
        self.add_page()

    def _add_fonts(self, text: str) -> None:
        signs = {ord(sign) for sign in text}
        used = [name for name, first, last in SCRIPTS if any(first <= sign <= last for sign in signs)]
        for name in (LATIN, *used):
            self.add_font(name, "", FONTS / f"{name}-Regular.ttf")
            self.add_font(name, "B", FONTS / f"{name}-Bold.ttf")
        self.set_fallback_fonts(used, exact_match=True)
        self._known = {code for font in self.fonts.values() for code in getattr(font, "cmap", {})}

    def _render_styled_text_line(self, *args: Any, **kwargs: Any) -> Any:
        # fpdf2 2.8.9 leaves the page in the font of a line's last fragment, and writes the next line in it where that
        # one begins in the font it believes to be set: so the font is set anew for every line.
        self.current_font_is_set_on_page = False
        return super()._render_styled_text_line(*args, **kwargs)

    def normalize_text(self, text: str) -> str:
        """The text as our fonts can write it: a hyphen for the minus sign, a question mark for an unknown script."""
        plain = super().normalize_text(text.replace("−", "-"))
        return "".join(sign if ord(sign) in self._known or sign.isspace() else "?" for sign in plain)

    def footer(self) -> None:
        """The foot of each page."""
        self.set_y(-FOOT_MM + 4)
        self.write_in(7, color=self.GREY)
        self.cell(self.epw * 0.75, 5, self._foot)
        self.cell(0, 5, f"{self._page_word} {self.page_no()} / {self._pages}", align="R")

    def write_in(self, size: float, *, bold: bool = False, color: tuple[int, int, int] = INK) -> None:
        """Go on in this size, points."""
        self.set_font(LATIN, "B" if bold else "", size)
        self.set_text_color(*color)

    def line_of(self, text: str, *, size: float = 9, bold: bool = False, color: tuple[int, int, int] = INK,
                width: float = 0, height: float = 5) -> None:  # fmt: skip
        """A paragraph from where we are, `width` mm wide (0: to the margin), with the next one below it."""
        self.write_in(size, bold=bold, color=color)
        self.multi_cell(width, height, text, align="L", new_x=XPos.LEFT, new_y=YPos.NEXT)

    def row(self, cells: Sequence[str], widths: Sequence[float], *, aligns: str, bold: bool = False, size: float = 8.5,
            height: float = 5) -> None:  # fmt: skip
        """A row of a table, its cells as high as the highest; goes to a new page where it does not fit."""
        self.write_in(size, bold=bold)
        needed = max(self._lines(text, width) for text, width in zip(cells, widths, strict=True))
        if self.get_y() + needed * height + 2 > self.page_break_trigger:
            self.add_page()
            self.write_in(size, bold=bold)
        top, left = self.get_y() + 1, self.l_margin
        for text, width, align in zip(cells, widths, aligns, strict=True):
            self.set_xy(left, top)
            self.multi_cell(width, height, text, align=align, new_x=XPos.RIGHT, new_y=YPos.TOP)
            left += width
        self.set_xy(self.l_margin, top + needed * height + 1)
        self.rule()

    def _lines(self, text: str, width: float) -> int:
        """How many lines a text needs."""
        lines = self.multi_cell(width, text=text, align="L", dry_run=True, output="LINES")
        return len(lines) if isinstance(lines, list) else 1

    def rule(self) -> None:
        """A thin line across the page."""
        self.line(self.l_margin, self.get_y(), self.w - self.r_margin, self.get_y())


def printed(draw: Callable[[Sheet], None], **options: Any) -> bytes:
    """The file of a sheet (made with `options`) that `draw` writes on; drawn again where it has more pages than one."""
    sheet = Sheet(pages=1, **options)
    draw(sheet)
    if (pages := sheet.pages_count) != 1:
        sheet = Sheet(pages=pages, **options)
        draw(sheet)
    return bytes(sheet.output())
