"""What can a driver do at an EV power supplier's station? Stations, slots, sessions and their meters: rules, no HTTP.

free → reserved (acquire) → locked (lock) → charging (start) → locked (end) → paid → free (unlock). Invariants: one open
session per card and station, one session per slot, paid only once, the meter never runs backwards.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sandbox.meter import ChargingCurve, first_register_wh, voltage_v
from sandbox.serving import Clock, utc_now, wire_time
from sandbox.stations import Session, Slot, Station

PROBLEMS = "https://ev-power-supplier.example/problems"


class SupplierError(Exception):
    """A refusal, as RFC 9457 tells it: a kind (last part of the type), an HTTP status, a sentence."""

    def __init__(self, kind: str, status: int, *, detail: str) -> None:
        super().__init__(detail)
        self.kind, self.status, self.detail = kind, status, detail


@dataclass(frozen=True)
class SupplierSettings:
    """How the supplier is built. `time_scale` 60 charges a minute in a second; reservations expire in real seconds.

    `powers` says what the slots of a station can deliver at most, W, by station id and slot number.
    """

    slots_per_station: int = 2
    grow_slots: bool = True
    known_stations_only: bool = False
    known_cards_only: bool = False
    time_scale: float = 1.0
    meter_every_s: float = 2.0
    reservation_s: float = 900.0
    start_delay_s: float = 0.0
    price_per_kwh: Decimal = Decimal("12.00")
    powers: dict[str, dict[int, int]] = field(default_factory=dict)


Listener = Callable[[str, str, dict[str, Any]], None]


def _nobody(station_id: str, kind: str, data: dict[str, Any]) -> None:
    """Where events go when nobody listens."""


class Supplier:
    """All stations of one supplier. `on_event(station id, kind, data)` hears what happens at them."""

    def __init__(
        self, settings: SupplierSettings | None = None, *, clock: Clock = utc_now, on_event: Listener = _nobody
    ) -> None:
        self.settings = settings or SupplierSettings()
        self.clock = clock
        self.on_event = on_event
        self.stations: dict[str, Station] = {}
        self.sessions: dict[str, Session] = {}
        self.charging: dict[str, Session] = {}
        self.pending: dict[str, Session] = {}
        self.cards: set[str] = set()
        self.blocked_cards: set[str] = set()
        self.leds: list[dict[str, Any]] = []
        self.tickets: dict[str, dict[str, Any]] = {}
        self.declines_left = 0
        self.changes = 0  # counts what must survive a restart

    # What a driver may do (A1–A11)

    def active_session(self, station_id: str, card: str) -> Session:
        """A1: the session with which this card holds a slot of the station."""
        station = self.station(station_id)
        self._check_card(card)
        if found := self._held_by(station, card):
            return found
        raise SupplierError("no-active-session", 404, detail=f"Card {card} has no active session at {station_id}")

    def acquire(self, station_id: str, card: str, *, wished_slot: int | None = None) -> tuple[Session, bool]:
        """A2: a slot for the card, the wished one if it is free; says whether it is newly given."""
        station = self.station(station_id)
        self._check_card(card)
        if held := self._held_by(station, card):
            return held, False
        slot = self._free_slot(station, wished_slot)
        session = Session(
            id=f"ses-{uuid.uuid4().hex[:16]}",
            card=card,
            station_id=station.id,
            slot_number=slot.number,
            curve=self._curve_at(station, slot),
            meter_start_wh=slot.register_wh,
            reserved_at=self.clock(),
        )
        self.sessions[session.id] = session
        self.pending[session.id] = session
        slot.session_id = session.id
        self._set_slot(station, slot, "reserved")
        return session, True

    def lock(self, station_id: str, number: int) -> None:
        """A3: lock the slot for the session that reserved it."""
        station, slot = self.slot(station_id, number)
        if slot.status in ("locked", "charging"):
            return
        session = self.sessions.get(slot.session_id)
        if slot.status != "reserved" or session is None:
            raise SupplierError("slot-not-reserved", 409, detail=f"Slot {number} is {slot.status}; acquire it first")
        session.status = "locked"
        self.pending.pop(session.id, None)
        self._set_slot(station, slot, "locked")

    def unlock(self, station_id: str, number: int) -> None:
        """A4: open the slot and let the card go; also gives back a slot that was never used."""
        station, slot = self.slot(station_id, number)
        session = self.sessions.get(slot.session_id)
        if session is None:
            return
        if session.status == "charging":
            raise SupplierError(
                "still-charging", 409, detail=f"Slot {number} is charging; end session {session.id} first"
            )
        if session.status != "ended":
            session.status = "closed"
        self._let_go(session)
        slot.session_id = ""
        if slot.status != "faulted":
            self._set_slot(station, slot, "free")

    def start(self, session_id: str) -> Session:
        """A5: start charging; a slow station stays `locked` for its start delay."""
        session = self.session(session_id)
        station, slot = self.slot(session.station_id, session.slot_number)
        if session.status == "charging":
            return session
        if session.ended_at is not None or session.status in ("paid", "closed"):
            raise SupplierError("already-ended", 409, detail=f"Session {session_id} has ended")
        if slot.status == "faulted":
            raise SupplierError("slot-faulted", 409, detail=f"Slot {slot.number} of {station.id} is faulted")
        if session.status != "locked":
            raise SupplierError(
                "not-locked", 409, detail=f"Session {session_id} is {session.status}; lock its slot first"
            )
        delay_s = station.start_delay_s or self.settings.start_delay_s
        if delay_s and session.start_due_at is None:
            session.start_due_at = self.clock() + timedelta(seconds=delay_s)
            self.pending[session.id] = session
        elif not delay_s:
            self._begin(session)
        return session

    def end(self, session_id: str) -> Session:
        """A6: end charging; the slot stays locked until it is unlocked."""
        session = self.session(session_id)
        if session.ended_at is None and session.status == "charging":
            self._finish(session, "requested")
        if session.ended_at is None:
            raise SupplierError("never-started", 409, detail=f"Session {session_id} is {session.status}, never started")
        return session

    def pay(self, session_id: str) -> Session:
        """A7: charge the card, once."""
        session = self.session(session_id)
        if session.paid:
            return session
        if session.ended_at is None:
            raise SupplierError("not-ended", 409, detail=f"Session {session_id} is {session.status}; end it first")
        if self.declines_left > 0:
            self.declines_left -= 1
            raise SupplierError("payment-declined", 402, detail=f"The payment for session {session_id} was declined")
        self.changes += 1
        session.paid, session.payment_id = True, f"pay-{uuid.uuid4().hex[:12]}"
        held = self.stations[session.station_id].slots[session.slot_number].session_id == session.id
        session.status = "paid" if held else "closed"
        return session

    def light(self, station_id: str, led: str, order: dict[str, Any]) -> None:
        """A8: switch a light of the station, `main` or a slot's number."""
        station = self.station(station_id)
        if led != "main" and not (led.isdigit() and int(led) in station.slots):
            raise SupplierError("unknown-led", 404, detail=f"Station {station_id} has no light {led!r}")
        if order.get("action") not in ("on", "flicker") or order.get("color") not in ("blue", "white", "red"):
            raise SupplierError(
                "bad-led-order", 400, detail="action must be on or flicker and color blue, white or red"
            )
        self.leds.append({"at": wire_time(self.clock()), "stationId": station_id, "led": led, **order})

    def support(self, station_id: str, error: Any) -> str:
        """A9: open a ticket and return its id."""
        self.station(station_id)
        ticket_id = f"T-{len(self.tickets) + 1}"
        self.tickets[ticket_id] = {"stationId": station_id, "error": error, "at": wire_time(self.clock())}
        return ticket_id

    # What may happen by itself

    def tick(self) -> None:
        """Do what time brings: slow starts, meter values, full vehicles, reservations that ran out."""
        now = self.clock()
        for session in list(self.pending.values()):
            if session.start_due_at is not None and session.start_due_at <= now:
                self._begin(session)
            elif session.status == "reserved" and now - session.reserved_at > timedelta(
                seconds=self.settings.reservation_s
            ):
                self.unlock(session.station_id, session.slot_number)
        for session in list(self.charging.values()):
            last = session.last_meter_at or now
            if self._elapsed_s(session) >= session.curve.full_after_s:
                self._finish(session, "vehicle-full")
            elif (now - last).total_seconds() >= self.settings.meter_every_s:
                self.tell_meter(session)

    def fault(self, station_id: str, number: int | None, error: dict[str, Any]) -> None:
        """Break a slot, or the whole station when no number is given; sessions charging there end."""
        station = self.station(station_id)
        slots = [self.slot(station_id, number)[1]] if number is not None else list(station.slots.values())
        data: dict[str, Any] = {"error": error} | ({"slotNumber": number} if number is not None else {})
        self.tell(station.id, "faulted", data)
        for slot in slots:
            session = self.charging.get(slot.session_id)
            slot.error = error
            self._set_slot(station, slot, "faulted")
            if session is not None:
                self._finish(session, "fault")

    def recover(self, station_id: str, number: int | None) -> None:
        """Repair a slot, or the whole station."""
        station = self.station(station_id)
        slots = [self.slot(station_id, number)[1]] if number is not None else list(station.slots.values())
        self.tell(station.id, "recovered", {"slotNumber": number} if number is not None else {})
        for slot in slots:
            slot.error = {}
            if slot.status == "faulted":
                self._set_slot(station, slot, "locked" if slot.session_id else "free")

    def unplug(self, station_id: str, number: int) -> None:
        """The driver pulls the cable: charging ends, the slot stays with its session."""
        _, slot = self.slot(station_id, number)
        if session := self.charging.get(slot.session_id):
            self._finish(session, "unplugged")

    def tell(self, station_id: str, kind: str, data: dict[str, Any]) -> None:
        """Let whoever listens hear of an event, unless its station is cut off."""
        if not self.stations[station_id].cut_off:
            self.on_event(station_id, kind, data)

    # Looking things up

    def station(self, station_id: str) -> Station:
        """A station, made on first use unless only known ones exist."""
        if station_id not in self.stations:
            if self.settings.known_stations_only:
                raise SupplierError("unknown-station", 404, detail=f"There is no station {station_id!r}")
            self.add_station(station_id)
        return self.stations[station_id]

    def add_station(self, station_id: str, *, slots: int = 0, curve: ChargingCurve | None = None) -> Station:
        """A station with its slots, or more slots and another curve for one that exists."""
        station = self.stations.setdefault(station_id, Station(station_id, {}))
        station.curve = curve or station.curve
        for number in range(1, (slots or self.settings.slots_per_station) + 1):
            station.slots.setdefault(number, Slot(number, first_register_wh(station_id, number)))
        return station

    def slot(self, station_id: str, number: int) -> tuple[Station, Slot]:
        """A slot with its station."""
        station = self.station(station_id)
        if number not in station.slots:
            raise SupplierError("unknown-slot", 404, detail=f"Station {station_id} has no slot {number}")
        return station, station.slots[number]

    def session(self, session_id: str) -> Session:
        """A session, open or closed."""
        if session_id not in self.sessions:
            raise SupplierError("unknown-session", 404, detail=f"There is no session {session_id!r}")
        return self.sessions[session_id]

    def energy_wh(self, session: Session) -> int:
        """Energy delivered so far."""
        if session.ended_at is not None or session.started_at is None:
            return session.final_wh
        return int(session.curve.energy_wh(self._elapsed_s(session)))

    def reading(self, session: Session) -> dict[str, Any]:
        """What the meter and the vehicle show now: Wh of the register, W, A, V, %."""
        running = session.status == "charging"
        power_w = session.curve.power_at_w(self._elapsed_s(session)) if running else 0
        volt = voltage_v(session.curve.power_w)
        soc = session.curve.soc_percent(self._elapsed_s(session)) if running else session.final_soc
        return {
            "energyWh": session.meter_start_wh + self.energy_wh(session),
            "powerW": power_w,
            "currentA": round(power_w / volt, 1),
            "voltageV": volt,
            "soc": soc or session.curve.soc_start_percent,
        }

    def _elapsed_s(self, session: Session) -> float:
        if session.started_at is None:
            return 0.0
        return (self.clock() - session.started_at).total_seconds() * self.settings.time_scale

    def _curve_at(self, station: Station, slot: Slot) -> ChargingCurve:
        """What the vehicle draws there: its own power, or what the slot can deliver if that is less."""
        most_w = self.settings.powers.get(station.id, {}).get(slot.number, station.curve.power_w)
        return replace(station.curve, power_w=min(station.curve.power_w, most_w))

    def _check_card(self, card: str) -> None:
        if card in self.blocked_cards or (self.settings.known_cards_only and card not in self.cards):
            raise SupplierError("card-refused", 403, detail=f"Card {card} is unknown or blocked")

    def _held_by(self, station: Station, card: str) -> Session | None:
        held = (self.sessions.get(slot.session_id) for slot in station.slots.values())
        return next((session for session in held if session and session.card == card), None)

    def _free_slot(self, station: Station, wished: int | None) -> Slot:
        if wished is not None and wished > 0 and self.settings.grow_slots and wished not in station.slots:
            self.add_station(station.id, slots=min(wished, 100))
        preferred = station.slots.get(wished) if wished is not None else None
        if preferred is not None and preferred.status == "free":
            return preferred
        for slot in station.slots.values():
            if slot.status == "free":
                return slot
        raise SupplierError("no-slot", 400, detail="No charging slots available")

    def _begin(self, session: Session) -> None:
        self.pending.pop(session.id, None)
        session.status, session.started_at, session.start_due_at = "charging", self.clock(), None
        self.charging[session.id] = session
        station, slot = self.slot(session.station_id, session.slot_number)
        self._set_slot(station, slot, "charging")
        self.tell_meter(session)

    def _finish(self, session: Session, reason: str) -> None:
        elapsed_s = self._elapsed_s(session)
        session.final_wh, session.final_soc = self.energy_wh(session), session.curve.soc_percent(elapsed_s)
        session.status, session.ended_at, session.stop_reason = "ended", self.clock(), reason
        self.charging.pop(session.id, None)
        station, slot = self.slot(session.station_id, session.slot_number)
        slot.register_wh = session.meter_start_wh + session.final_wh
        self.tell_meter(session)
        if slot.status != "faulted":
            self._set_slot(station, slot, "locked")

    def _let_go(self, session: Session) -> None:
        self.pending.pop(session.id, None)
        self.charging.pop(session.id, None)

    def _set_slot(self, station: Station, slot: Slot, status: str) -> None:
        self.changes += 1
        slot.status = status
        self.tell(station.id, "slot-status-changed", {"slotNumber": slot.number, "status": status})

    def tell_meter(self, session: Session, *, at: datetime | None = None, context: str = "") -> None:
        """Tell what the session's meter shows, read now or then; `context` is OCPP's word for the occasion."""
        session.last_meter_at = at or self.clock()
        place = {
            "slotNumber": session.slot_number,
            "sessionId": session.id,
            "timestamp": wire_time(session.last_meter_at),
        }
        said = {"context": context} if context else {}
        self.tell(session.station_id, "meter-values", place | self.reading(session) | said)
