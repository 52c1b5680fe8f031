"""What does a session cost at least and at most under a tariff?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from catalog.tariffs.reading import TariffFault, exact_number


@dataclass(frozen=True, slots=True)
class PriceLimit:
    """A least or greatest price of a session in major units, before tax and, where named, with tax; both apply."""

    excl_vat: Decimal
    incl_vat: Decimal | None = None

    def row(self) -> dict[str, str]:
        """This limit as JSON, the form of OCPI's Price with numbers as texts."""
        row = {"excl_vat": str(self.excl_vat)}
        return row if self.incl_vat is None else row | {"incl_vat": str(self.incl_vat)}


def price_limit(value: object, path: str) -> PriceLimit | None:
    """The limit an OCPI Price says; None where there is none.

    Raises TariffFault where it cannot be read. Source: OCPI 2.2.1 mod_tariffs, min_price and max_price; types, Price.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise TariffFault(path, f"{value!r} is not a price; write an object with excl_vat and incl_vat")
    excl_vat = exact_number(value.get("excl_vat"), f"{path}.excl_vat", "price", "50.00")
    incl_vat = value.get("incl_vat")
    if incl_vat is None:
        return PriceLimit(excl_vat)
    with_tax = exact_number(incl_vat, f"{path}.incl_vat", "price", "59.00")
    if with_tax < excl_vat:
        raise TariffFault(f"{path}.incl_vat", f"{with_tax} with tax is less than {excl_vat} without")
    return PriceLimit(excl_vat, with_tax)
