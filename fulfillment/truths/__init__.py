"""What is true of a charging session, by its meter and its station alone?

`curve` reads the meter: energy, power, pauses, gaps. `flow` says how the energy will go on, `ending` when that ends
the session, `remarks` what its driver ought to know, `standing` from when standing there costs. Pure.
"""

from fulfillment.truths.curve import Curve, Point, curve_of, longest_s
from fulfillment.truths.ending import ENERGY, FULL, MONEY, TIME, Target, endings, first_ending
from fulfillment.truths.flow import Flow, flow_of
from fulfillment.truths.remarks import (
    CHARGER_ERROR,
    FLUCTUATING,
    GRID,
    IDLE_NOW,
    IDLE_SOON,
    PAUSED,
    SILENT,
    SILENT_AFTER,
    STALE,
    STATION_PAUSED,
    VEHICLE_PAUSED,
    Place,
    Remark,
    fluctuation,
    fluctuations,
    pause,
    silence,
)
from fulfillment.truths.standing import IDLE_WARNING, costs_from, idle

__all__ = [
    "CHARGER_ERROR",
    "ENERGY",
    "FLUCTUATING",
    "FULL",
    "GRID",
    "IDLE_NOW",
    "IDLE_SOON",
    "IDLE_WARNING",
    "MONEY",
    "PAUSED",
    "SILENT",
    "SILENT_AFTER",
    "STALE",
    "STATION_PAUSED",
    "TIME",
    "VEHICLE_PAUSED",
    "Curve",
    "Flow",
    "Place",
    "Point",
    "Remark",
    "Target",
    "costs_from",
    "curve_of",
    "endings",
    "first_ending",
    "flow_of",
    "fluctuation",
    "fluctuations",
    "idle",
    "longest_s",
    "pause",
    "silence",
]
