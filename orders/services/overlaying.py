"""Which overlays does an operator offer for an order, which apply, and who has used its coupons?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Upper
from django.utils.crypto import salted_hmac

from catalog.models import Connector
from core.errors import Invalid, NotFound
from core.money import total
from orders.models import CouponUse, Member, Order, Overlay, Quote
from orders.overlays import BULK, COUPON, Occasion, Rule, adjustments, chosen, in_words, why_not
from orders.pricing import ENERGY_COST, GST, Price, Terms

OFFER_PATH = "order.offers[{}].id"
OFFERS_PATH = "order.offers"
LONGEST_ORDER = timedelta(days=62)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for an order: buyer app, the person's id there, group codes, coupon codes as sent."""

    bap_id: str = ""
    person: str = ""
    groups: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()

    @property
    def coupons(self) -> tuple[str, ...]:
        return tuple(code.strip().upper() for code in self.offers)


@dataclass(frozen=True, slots=True)
class Advert:
    """A coupon as everybody may see it: whose, its code and name, what it does in words, where and until when."""

    operator: str
    code: str
    name: str
    words: str
    station: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """The overlays that may apply to one order, with all that is known about it but its energy and price."""

    rules: tuple[Rule, ...]
    occasion: Occasion
    asker: Asker

    def applied(self, plain: Price) -> tuple[Rule, ...]:
        """The rules that apply to a session whose price without overlays is `plain`.

        Raises NotFound `offer-unknown` for a coupon that does not exist, Invalid `offer-unknown` for one that does not
        apply, with the reason.
        """
        untaxed = [line for line in plain.lines if line.code != GST]
        energy = [line.amount for line in untaxed if line.code == ENERGY_COST]
        occasion = replace(
            self.occasion,
            energy_wh=plain.energy_wh,
            paise=total((line.amount for line in untaxed), plain.currency).paise,
            energy_paise=total(energy, plain.currency).paise,
        )
        found = chosen(self.rules, occasion)
        self._check_coupons(found, occasion)
        return found

    def _check_coupons(self, found: Sequence[Rule], occasion: Occasion) -> None:
        applied = {rule.code.upper() for rule in found if rule.kind == COUPON}
        known = {rule.code.upper(): rule for rule in self.rules if rule.kind == COUPON}
        for place, code in enumerate(self.asker.coupons):
            path = OFFER_PATH.format(place)
            if code not in known:
                raise NotFound("offer-unknown", f"there is no offer {code!r} here; leave it out", path=path)
            if code not in applied:
                why = why_not(known[code], occasion) or "only one coupon counts for an order"
                raise Invalid("offer-unknown", f"offer {code!r} does not apply: {why}; leave it out", path=path)


def standing(
    connector: Connector, asker: Asker, *, starts_at: datetime, now: datetime, order_id: int | None = None
) -> Standing:
    """What may apply to a session of `connector` at `starts_at`; `order_id` names the order whose own uses are free."""
    station = connector.evse.station
    rows = list(
        Overlay.objects.filter(operator_id=station.operator_id, active=True)
        .annotate(
            folded=Upper("code"),
            members_only=Exists(Member.objects.filter(overlay=OuterRef("pk"))),
            member=Exists(Member.objects.filter(overlay=OuterRef("pk"), person=asker.person)),
        )
        .filter(~Q(kind=COUPON) | Q(folded__in=asker.coupons))
        .order_by("pk")
    )
    occasion = Occasion(
        now=now,
        starts_at=starts_at,
        time_zone=station.time_zone,
        station_id=station.pk,
        bap_id=asker.bap_id,
        energy_wh=0,
        paise=0,
        energy_paise=0,
        groups=frozenset(asker.groups),
        coupons=frozenset(asker.coupons),
        sessions={row.pk: _sessions(row, asker, now) for row in rows if row.kind == BULK},
        used_up={row.pk: words for row in rows if (words := _used_up(row, asker, order_id))},
    )
    return Standing(tuple(_rule(row) for row in rows), occasion, asker)


def with_overlays(terms: Terms, rules: Sequence[Rule]) -> Terms:
    """The terms with the changes of the price that the rules make."""
    return replace(terms, adjustments=adjustments(rules, terms.currency))


def advertised(now: datetime) -> list[Advert]:
    """The coupons that everybody may be shown now: not ended, not used up, of no group, of operators that sell."""
    rows = (
        Overlay.objects.filter(operator__active=True, kind=COUPON, active=True, advertised=True)
        .filter(Q(valid_from=None) | Q(valid_from__lte=now), Q(valid_until=None) | Q(valid_until__gt=now))
        .annotate(
            used=Count("uses", filter=Q(uses__returned_at__isnull=True)), members_only=Value(False), member=Value(False)
        )
        .filter(Q(max_uses=None) | Q(used__lt=F("max_uses")))
        .exclude(Exists(Member.objects.filter(overlay=OuterRef("pk"))))
        .select_related("operator", "station")
        .order_by("operator_id", "code")
    )
    return [
        Advert(
            operator=row.operator.code,
            code=row.code,
            name=row.name,
            words=in_words(_rule(row)),
            station=row.station.code if row.station else "",
            until=row.valid_until,
        )
        for row in rows
    ]


def claim_coupons(order: Order, quote: Quote, *, now: datetime) -> None:
    """Count the coupons of the order's quote as used by it, once, and give back those it no longer has.

    The coupon is locked, so that the last use goes to one of those who race for it.
    Raises Invalid `offer-unknown` where it was used up meanwhile, or where the customer is not named and must be.
    """
    wanted = sorted(row["id"] for row in quote.tariff.get("overlays", ()) if row["kind"] == COUPON)
    held = CouponUse.objects.filter(order=order, returned_at__isnull=True)
    have = set(held.values_list("overlay_id", flat=True))
    if have.difference(wanted):
        held.exclude(overlay_id__in=wanted).update(returned_at=now)
    missing = [overlay_id for overlay_id in wanted if overlay_id not in have]
    for overlay in Overlay.objects.select_for_update(no_key=True).filter(pk__in=missing).order_by("pk"):
        _claim(order, overlay, now=now)


def return_coupons(order: Order, *, now: datetime) -> None:
    """Give back the coupons of an order that came to nothing."""
    CouponUse.objects.filter(order=order, returned_at__isnull=True).update(returned_at=now)


def customer_key(order: Order) -> str:
    """Whom a coupon counts for: the person's id at the buyer app, else the phone or e-mail; else nobody.

    Contacts are hashed under our secret key: there are so few phone numbers that a plain hash names its own.
    """
    person = order.asked.get("person")
    if person:
        return f"{order.bap_id}:{person}"[:300]
    for details in (order.customer, order.billing):
        contact = details.get("phone") or details.get("email")
        if contact:
            return f"contact:{salted_hmac('orders.coupon', str(contact), algorithm='sha256').hexdigest()}"
    return ""


def _claim(order: Order, overlay: Overlay, *, now: datetime) -> None:
    customer = customer_key(order)
    if overlay.per_customer is not None and not customer:
        raise Invalid(
            "offer-unknown",
            f"offer {overlay.code!r} counts per customer; send the customer's id, phone or e-mail, or leave it out",
            path=OFFERS_PATH,
        )
    uses = CouponUse.objects.filter(overlay=overlay, returned_at__isnull=True)
    mine = uses.filter(customer=customer or f"order:{order.pk}")
    number = _free(uses, "number", overlay.max_uses)
    own = _free(mine, "customer_number", overlay.per_customer)
    words = _beyond(overlay, number - 1, own - 1)
    if words:
        raise Invalid("offer-unknown", f"offer {overlay.code!r} does not apply: {words}", path=OFFERS_PATH)
    CouponUse.objects.create(
        overlay=overlay,
        order=order,
        number=number,
        customer=customer or f"order:{order.pk}",
        customer_number=own,
        at=now,
    )


def _free(uses: QuerySet[CouponUse], name: str, most: int | None) -> int:
    """A number that none of these uses has: the next one or, where that is beyond `most`, the smallest given back."""
    last = uses.order_by(f"-{name}").values_list(name, flat=True).first() or 0
    if most is None or last < most:
        return last + 1
    if not uses.filter(**{name: 1}).exists():
        return 1
    following = uses.filter(**{name: OuterRef(name) + 1})
    before_gap = uses.filter(~Exists(following)).order_by(name).values_list(name, flat=True)[0]
    return int(before_gap) + 1


def _used_up(row: Overlay, asker: Asker, order_id: int | None) -> str:
    """Why a coupon cannot be used once more, in words; empty where it can."""
    if row.kind != COUPON or (row.max_uses is None and row.per_customer is None):
        return ""
    uses = CouponUse.objects.filter(overlay=row, returned_at__isnull=True).exclude(order_id=order_id or 0)
    mine = uses.filter(customer=f"{asker.bap_id}:{asker.person}"[:300]).count() if asker.person else 0
    return _beyond(row, uses.count(), mine)


def _beyond(overlay: Overlay, used: int, by_customer: int) -> str:
    if overlay.max_uses is not None and used >= overlay.max_uses:
        return f"all {overlay.max_uses} uses are taken"
    if overlay.per_customer is not None and by_customer >= overlay.per_customer:
        return f"this customer has used it {by_customer} times"
    return ""


def _sessions(row: Overlay, asker: Asker, now: datetime) -> int:
    """The customer's sessions that count for a bulk discount."""
    if not asker.person:
        return 0
    since = now - timedelta(days=row.within_days or 0)
    return Order.objects.filter(
        operator_id=row.operator_id,
        bap_id=asker.bap_id,
        asked__person=asker.person,
        state=Order.State.COMPLETE,
        created_at__gte=since - LONGEST_ORDER,
        closed_at__gte=since,
    ).count()


def _rule(row: Any) -> Rule:
    """An overlay, annotated with its `members_only` and `member`, as the pure rule."""
    return Rule(
        id=row.pk,
        kind=row.kind,
        code=row.code,
        name=row.name,
        change=row.change,
        value=row.value,
        scope=row.scope,
        cap_paise=row.cap_paise,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        announced_at=row.announced_at,
        from_time=row.from_time,
        to_time=row.to_time,
        station_id=row.station_id,
        bap_id=row.bap_id,
        group_code=row.group_code,
        members_only=row.members_only,
        member=row.member,
        nth=row.nth,
        min_energy_wh=row.min_energy_wh,
        min_paise=row.min_paise,
    )
