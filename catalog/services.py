"""How does the catalogue change: live status, publishing, and imports?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import DataError, IntegrityError, transaction
from django.db.models import F, Model, Q

from catalog.models import Connector, Evse, EvseStatusChange, Operator, Station, Tariff
from catalog.ocpi import (
    ConnectorData,
    EvseData,
    LocationData,
    Reading,
    Refused,
    Remark,
    TariffData,
    read_locations,
    read_tariffs,
)
from catalog.opening import OpeningFault, opening
from catalog.tariffs import TariffFault, schedule
from core.errors import NotAllowed, NotFound

# Slots are renumbered by way of numbers no station uses, since a number may stand only once at any time.
SLOT_ASIDE = 10_000


@dataclass(slots=True)
class ImportReport:
    """What an import did, by name, and what it could not take, by JSON path."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    refused: list[Remark] = field(default_factory=list)
    notes: list[Remark] = field(default_factory=list)

    def extend(self, other: ImportReport) -> None:
        """Take over what another report says."""
        self.added += other.added
        self.changed += other.changed
        self.unchanged += other.unchanged
        self.refused += other.refused
        self.notes += other.notes


@transaction.atomic
def set_evse_status(evse: Evse | int | str, status: str, at: datetime) -> bool:
    """Set an EVSE's live status as of `at`; `evse` is the row, its primary key or its EVSE id.

    A change is recorded as an EvseStatusChange and True returned. What is older than the known state is ignored.
    Raises NotFound for an unknown EVSE, ValueError for an unknown status.
    """
    wanted = Evse.Status(status)
    key = Q(uid=evse) if isinstance(evse, str) else Q(pk=evse.pk if isinstance(evse, Evse) else evse)
    row = Evse.objects.select_for_update(no_key=True).filter(key).first()
    if row is None:
        raise NotFound("fulfillment-unknown", f"there is no EVSE {evse}; use an EVSE id of the catalogue")
    if at < row.status_at:
        return False
    if row.status == wanted:
        Evse.objects.filter(pk=row.pk).update(status_at=at)
        return False
    row.status, row.status_at = wanted, at
    row.save(update_fields=["status", "status_at"])
    EvseStatusChange.objects.create(evse=row, status=wanted, at=at)
    return True


def publish_faults(station: Station) -> list[str]:
    """What is missing before the station can be published, in sentences; empty where nothing is."""
    faults: list[str] = []
    if station.latitude is None or station.longitude is None:
        faults.append("Give the station's latitude and longitude.")
    if not station.operator.active:
        faults.append(f"The operator {station.operator.name} is not active.")
    try:
        opening(station.opening_times, station.time_zone)
    except OpeningFault as fault:
        faults.append(f"Correct the opening times: {fault}.")
    connectors = Connector.objects.filter(evse__station=station, active=True)
    if not connectors.exists():
        faults.append("Add an EVSE with at least one active connector.")
    elif not connectors.filter(tariff__isnull=False).exists():
        faults.append("Give at least one connector a tariff.")
    for tariff in Tariff.objects.filter(connectors__in=connectors).distinct():
        try:
            schedule(tariff.elements)
        except TariffFault as fault:
            faults.append(f"Correct the tariff {tariff.code}: {fault}.")
    return faults


@transaction.atomic
def publish(station_id: int) -> Station:
    """Put a station on sale. Raises NotAllowed naming everything that is missing, NotFound for an unknown station."""
    station = _locked_station(station_id)
    if faults := publish_faults(station):
        raise NotAllowed("station-incomplete", f"{station.name} cannot be published. " + " ".join(faults))
    station.published = True
    station.save(update_fields=["published"])
    return station


@transaction.atomic
def unpublish(station_id: int) -> Station:
    """Take a station off sale; orders already made stay. Raises NotFound for an unknown station."""
    station = _locked_station(station_id)
    station.published = False
    station.save(update_fields=["published"])
    return station


def import_tariffs(operator: Operator, document: object, *, now: datetime) -> ImportReport:
    """Add or change the operator's tariffs after an OCPI Tariff array; what cannot be taken is reported, not raised."""
    reading = Reading()
    report = ImportReport()
    for data in read_tariffs(document, reading, now):
        try:
            save_tariff(operator, data, report)
        except (IntegrityError, DataError) as err:
            report.refused.append(_contradiction(f"tariff {data.code}", data.path, err))
    return _with_remarks(report, reading)


def import_locations(
    operator: Operator, document: object, *, now: datetime, driver: str = Station.Driver.POWER_SUPPLIER
) -> ImportReport:
    """Add or change the operator's stations after an OCPI Location array; each is written whole or not at all.

    What cannot be taken is reported, not raised. EVSEs and connectors a Location no longer names stay as rows, since
    orders speak of them, but are not sold.
    """
    reading = Reading()
    report = ImportReport()
    for data in read_locations(document, reading):
        report.extend(save_location(operator, data, now=now, driver=driver))
    return _with_remarks(report, reading)


def save_location(
    operator: Operator, data: LocationData, *, now: datetime, driver: str = Station.Driver.POWER_SUPPLIER
) -> ImportReport:
    """Write one station with its EVSEs and connectors, or refuse it as a whole."""
    report = ImportReport()
    try:
        with transaction.atomic():
            _Importing(operator, data, now=now, driver=driver, report=report).save()
    except Refused as refusal:
        return ImportReport(refused=[refusal.remark])
    except (IntegrityError, DataError) as err:
        return ImportReport(refused=[_contradiction(f"station {data.code}", data.path, err)])
    return report


@transaction.atomic
def save_tariff(operator: Operator, data: TariffData, report: ImportReport) -> None:
    """Write one tariff and say so in `report`."""
    tariff = Tariff.objects.select_for_update(no_key=True).filter(operator=operator, code=data.code).first()
    values: dict[str, Any] = {
        "currency": data.currency,
        "elements": data.elements,
        "green": data.green,
        "description": data.description,
        "min_price": data.min_price.row() if data.min_price else None,
        "max_price": data.max_price.row() if data.max_price else None,
    }
    if data.gst_percent is not None:
        values["gst_percent"] = data.gst_percent
    if tariff is None:
        tariff = Tariff(operator=operator, code=data.code, name=data.name)
    _write(tariff, f"tariff {data.code}", values, report)


class _Importing:
    """One station on its way from a Location into the tables."""

    def __init__(
        self, operator: Operator, data: LocationData, *, now: datetime, driver: str, report: ImportReport
    ) -> None:
        self.operator = operator
        self.data = data
        self.now = now
        self.driver = driver
        self.report = report
        self.tariffs = {tariff.code: tariff for tariff in operator.tariffs.all()}

    def save(self) -> None:
        station = self._station()
        known = {evse.uid: evse for evse in station.evses.prefetch_related("connectors")}
        self._make_room(station, known)
        for evse_data in self.data.evses:
            self._evse(station, evse_data, known.pop(evse_data.uid, None))
        if self.data.whole:
            for gone in known.values():
                self._retire(gone.connectors.filter(active=True))
        self._set_published(station)

    def _station(self) -> Station:
        data = self.data
        station = Station.objects.select_for_update(no_key=True).filter(code=data.code).first()
        if station is not None and station.operator_id != self.operator.pk:
            raise Refused(f"{data.path}.id", f"station {data.code} belongs to another operator; use another id")
        values = {
            "name": data.name,
            "address": data.address,
            "city": data.city,
            "state": data.state,
            "postal_code": data.postal_code,
            "country": data.country,
            "latitude": data.latitude,
            "longitude": data.longitude,
            "time_zone": data.time_zone,
            "opening_times": data.opening_times,
            "directions": data.directions,
            "amenities": list(data.amenities),
            "driver": self.driver,
        }
        if station is None:
            station = Station(operator=self.operator, code=data.code)
        self._write(station, f"station {data.code}", values)
        return station

    def _make_room(self, station: Station, known: dict[str, Evse]) -> None:
        """Move aside whoever stands in a slot that the document gives to another."""
        wanted = {evse.slot_number: evse.uid for evse in self.data.evses}
        last = max([*wanted, *(evse.slot_number for evse in known.values())], default=0)
        in_the_way = [e for e in known.values() if wanted.get(e.slot_number, e.uid) != e.uid]
        staying = {evse.uid for evse in self.data.evses}
        station.evses.filter(pk__in=[evse.pk for evse in in_the_way]).update(slot_number=F("slot_number") + SLOT_ASIDE)
        for number, evse in enumerate((e for e in in_the_way if e.uid not in staying), start=last + 1):
            station.evses.filter(pk=evse.pk).update(slot_number=number)

    def _evse(self, station: Station, data: EvseData, evse: Evse | None) -> None:
        path = f"{self.data.path}.evses[{data.slot_number - 1}]"
        if evse is None and Evse.objects.filter(uid=data.uid).exists():
            raise Refused(f"{path}.uid", f"EVSE {data.uid} belongs to another station; use another id")
        at = min(data.status_at or self.now, self.now)
        values: dict[str, Any] = {"slot_number": data.slot_number, "label": data.label}
        if data.manufacturer:
            values["manufacturer"] = data.manufacturer
        if evse is None:
            evse = Evse(station=station, uid=data.uid, status=data.status, status_at=at)
            self._write(evse, f"EVSE {data.uid}", values)
        else:
            self._write(evse, f"EVSE {data.uid}", values)
            # Without a time of its own the document knows less than the station itself.
            if data.status_at is not None and set_evse_status(evse.pk, data.status, at):
                self.report.changed.append(f"status of EVSE {data.uid}: {data.status}")
        known = {plug.number: plug for plug in evse.connectors.all()}
        if not data.removed:
            for plug in data.connectors:
                self._connector(evse, plug, known.pop(plug.number, None))
        if data.whole:
            self._retire(plug for plug in known.values() if plug.active)

    def _connector(self, evse: Evse, data: ConnectorData, connector: Connector | None) -> None:
        values: dict[str, Any] = {
            "item_id": f"{evse.uid}*{data.number}",
            "standard": data.standard,
            "current": data.current,
            "max_power_w": data.max_power_w,
            "max_voltage_v": data.max_voltage_v,
            "max_current_a": data.max_current_a,
            "active": True,
        }
        if data.vehicle:
            values["vehicle"] = data.vehicle
        if data.tariffs is not None:
            values["tariff"] = next((self.tariffs[code] for code in data.tariffs if code in self.tariffs), None)
        if connector is None:
            connector = Connector(evse=evse, number=data.number)
        self._write(connector, f"connector {values['item_id']}", values)
        self._note_tariff(connector, data, f"{data.path}.tariff_ids")

    def _note_tariff(self, connector: Connector, data: ConnectorData, path: str) -> None:
        if data.tariffs and (unknown := [code for code in data.tariffs if code not in self.tariffs]):
            text = f"{', '.join(unknown)}: the operator has no such tariff; import it with --tariffs"
            if connector.tariff is None:
                self.report.refused.append(Remark(path, text))
                return
            self.report.notes.append(Remark(path, text))
        if connector.tariff is None:
            self.report.notes.append(Remark(path, "no tariff: the connector is not sold until it has one"))

    def _retire(self, connectors: Iterable[Connector]) -> None:
        for connector in connectors:
            self._write(connector, f"connector {connector.item_id}, which is named no more", {"active": False})

    def _set_published(self, station: Station) -> None:
        faults = publish_faults(station) if self.data.publish else []
        wanted = self.data.publish and not faults
        if faults:
            self.report.notes.append(Remark(self.data.path, f"station {station.code} is a draft: " + " ".join(faults)))
        if station.published != wanted:
            station.published = wanted
            station.save(update_fields=["published"])
            self.report.changed.append(f"station {station.code}: {'published' if wanted else 'not published'}")

    def _write(self, row: Model, name: str, values: dict[str, Any]) -> None:
        _write(row, name, values, self.report)


def _write(row: Model, name: str, values: dict[str, Any], report: ImportReport) -> None:
    """Set what differs and save only that, so that an import of the same again writes nothing."""
    if row.pk is None:
        for field_name, value in values.items():
            setattr(row, field_name, value)
        row.save()
        report.added.append(name)
        return
    differing = {key: value for key, value in values.items() if getattr(row, key) != value}
    for field_name, value in differing.items():
        setattr(row, field_name, value)
    if differing:
        row.save(update_fields=list(differing))
        report.changed.append(f"{name}: {', '.join(differing)}")
    else:
        report.unchanged.append(name)


def _contradiction(name: str, path: str, err: Exception) -> Remark:
    return Remark(path, f"{name} cannot be stored: {str(err).splitlines()[0]}")


def _with_remarks(report: ImportReport, reading: Reading) -> ImportReport:
    report.refused = [*reading.refused, *report.refused]
    report.notes = [*reading.notes, *report.notes]
    return report


def _locked_station(station_id: int) -> Station:
    station = Station.objects.select_for_update(no_key=True, of=("self",)).select_related("operator")
    found = station.filter(pk=station_id).first()
    if found is None:
        raise NotFound("location-unknown", f"there is no station {station_id}")
    return found
