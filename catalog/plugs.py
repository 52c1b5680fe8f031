"""Which kinds of connector exist, and what do drivers call them?"""

from __future__ import annotations

# By their OCPI 2.2.1 names, which OCPP shares, and the kinds India adds; with the words drivers use.
PLAIN_NAMES: dict[str, str] = {
    "CHADEMO": "CHAdeMO",
    "CHAOJI": "ChaoJi",
    **{f"DOMESTIC_{letter}": f"Domestic type {letter}" for letter in "ABCEFGHIJKLNO"},
    "DOMESTIC_D": "5 A wall socket (3-pin)",
    "DOMESTIC_M": "15 A wall socket (3-pin)",
    "GBT_AC": "GB/T AC",
    "GBT_DC": "Bharat DC-001 (GB/T DC)",
    "IEC_60309_2_single_16": "Bharat AC-001 (IEC 60309)",
    "IEC_60309_2_three_16": "IEC 60309 three-phase 16 A",
    "IEC_60309_2_three_32": "IEC 60309 three-phase 32 A",
    "IEC_60309_2_three_64": "IEC 60309 three-phase 64 A",
    "IEC_62196_T1": "Type 1 (J1772)",
    "IEC_62196_T1_COMBO": "CCS1",
    "IEC_62196_T2": "Type 2",
    "IEC_62196_T2_COMBO": "CCS2",
    "IEC_62196_T3A": "Type 3A",
    "IEC_62196_T3C": "Type 3C",
    "NEMA_5_20": "NEMA 5-20",
    "NEMA_6_30": "NEMA 6-30",
    "NEMA_6_50": "NEMA 6-50",
    "NEMA_10_30": "NEMA 10-30",
    "NEMA_10_50": "NEMA 10-50",
    "NEMA_14_30": "NEMA 14-30",
    "NEMA_14_50": "NEMA 14-50",
    "PANTOGRAPH_BOTTOM_UP": "Pantograph, from the roof",
    "PANTOGRAPH_TOP_DOWN": "Pantograph, from the mast",
    "TESLA_R": "Tesla Roadster",
    "TESLA_S": "Tesla S/X",
    "CHOGORI": "Chogori",
    "TYPE_6": "Light EV DC (IS 17017-2-6)",
    "TYPE_7": "Light EV AC and DC (IS 17017-2-7)",
    "IS_17017": "Light EV AC (IS 17017)",
    "ANDERSON": "Anderson",
    "SWAPPING": "Battery swapping",
}
_BY_FOLDED = {name.casefold(): name for name in PLAIN_NAMES}


def standard_named(text: str) -> str | None:
    """The connector kind of that name in its one spelling, whatever the case; None for an unknown one."""
    return _BY_FOLDED.get(text.strip().casefold())
