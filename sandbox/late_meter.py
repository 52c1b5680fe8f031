"""What does a station tell that was cut off from its supplier, once it is back?

While it is cut off its session goes on, or ends, unheard; whoever asks the supplier gets an estimate. Back again, it
tells what the meter really showed: more where charging went on, less where the power was gone.
"""

from datetime import timedelta

from sandbox.stations import Session
from sandbox.supplier import Supplier, SupplierError

LAST_READING = "Transaction.End"


def cut_off(supplier: Supplier, station_id: str) -> None:
    """Nothing is heard of a station any more."""
    supplier.station(station_id).cut_off = True


def tell_late(
    supplier: Supplier, session_id: str, *, energy_wh: int, last: bool = True, after_s: float | None = None
) -> Session:
    """The station is back and tells the energy of a session that has ended, Wh; `last` says that there is no more.

    It read its meter `after_s` seconds after the end, or just now.
    The supplier knows it from then on too. Raises SupplierError for a session that has not ended.
    """
    session = supplier.session(session_id)
    if session.ended_at is None:
        raise SupplierError("not-ended", 409, detail=f"Session {session_id} is {session.status}; end it first")
    if energy_wh < 0:
        raise SupplierError("bad-request", 400, detail=f"{energy_wh} Wh cannot have flowed; a meter never runs back")
    station, slot = supplier.slot(session.station_id, session.slot_number)
    station.cut_off = False
    if slot.register_wh == session.meter_start_wh + session.final_wh:
        slot.register_wh = session.meter_start_wh + energy_wh
    session.final_wh = energy_wh
    supplier.changes += 1
    at = None if after_s is None else session.ended_at + timedelta(seconds=after_s)
    supplier.tell_meter(session, at=at, context=LAST_READING if last else "")
    return session
