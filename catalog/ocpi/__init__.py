"""What does an OCPI 2.2.1 document say in our words, and how do we say ours in OCPI's?"""

from catalog.ocpi.fields import Reading, Refused, Remark
from catalog.ocpi.locations import ConnectorData, EvseData, LocationData, location_document, read_locations
from catalog.ocpi.tariffs import TariffData, read_tariffs, tariff_document

__all__ = [
    "ConnectorData",
    "EvseData",
    "LocationData",
    "Reading",
    "Refused",
    "Remark",
    "TariffData",
    "location_document",
    "read_locations",
    "read_tariffs",
    "tariff_document",
]
