"""How does a text become a QR code inside a page?"""

from __future__ import annotations

import io

import segno


def qr_svg(text: str, *, scale: int | None = None) -> str:
    """An SVG element: error correction M, four modules of margin, black on white whatever the colours around it.

    `scale` is how wide a module is, px; without one the code fills what stands around it.
    """
    made, out = segno.make(text, error="m", micro=False), io.BytesIO()
    made.save(
        out, kind="svg", xmldecl=False, svgns=True, border=4, omitsize=scale is None, scale=scale or 1,
        title="QR code", dark="#000", light="#fff",
    )  # fmt: skip
    return out.getvalue().decode()
