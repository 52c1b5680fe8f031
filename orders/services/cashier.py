"""Which payments are due to be asked about, and what did the provider's webhooks tell us?

One collection or one webhook at a time: claim it, speak to the provider outside any transaction, write down what it
said. A claim pushes the due time past our deadline, so that a killed worker's work is found again. A webhook is a hint:
whatever it says, the payment is fetched before anything moves.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet

from core.due import lock_next
from core.errors import PaymentError
from core.nudges import nudge_on_commit
from orders.balances import purse
from orders.models import Collection, Order, PaymentNews, Refund, WebhookRefusal
from orders.payments import provider_named
from orders.payments.base import Ask, Collects, News, Received, State, TellsNews, WebhookRefused
from orders.services.collecting import QUEUE, SHORTEST_LINK, ask_rest, provider_of, withdraw
from orders.services.receiving import give_free, locked, next_look, receive, take_unfitting

log = logging.getLogger(__name__)

S = Collection.State
N = PaymentNews.State
CLAIM = timedelta(seconds=60)
MOST_NEWS_ATTEMPTS = 10
LONGEST_REST_S = 3_600


def collect_due(*, now: datetime, limit: int = 20, base_url: str = "") -> int:
    """Look into webhooks, settle what closed orders left, and ask providers about what is due; returns how many.

    `base_url` is where payers come back to.
    """
    undecided().filter(state=S.CAPTURED, order__state__in=Order.CONFIRMED).update(done=True)
    for done in range(limit):
        if not (_news_next(now) or _closed_next(now) or _ask_next(now, base_url)):
            return done
    return limit


def undecided() -> QuerySet[Collection]:
    """Payments that the closing of their order may still concern; what the database keeps an index of."""
    return Collection.objects.filter(closing=False, done=False, state__in=Collection.UNDECIDED)


def take_news(provider_name: str, raw: bytes, headers: Mapping[str, str], *, now: datetime) -> PaymentNews:
    """Keep a webhook whose signature fits, once; a redelivery is counted. Nothing else happens before it is kept.

    Raises WebhookRefused, counted by day, for one that proves nothing; PaymentError for an unknown provider.
    """
    provider = provider_named(provider_name, settings)
    try:
        news = provider.parse_webhook(raw, headers)
    except WebhookRefused:
        _count_refusal(provider.name, now)
        raise
    kept = _keep(provider.name, news, raw, now)
    nudge_on_commit(QUEUE)
    return kept


def forget_news(*, now: datetime, limit: int = 1_000) -> int:
    """Empty the bodies of webhooks that were dealt with some days ago, since they name payers; returns how many.

    Digest and names stay, so that a redelivery is known for what it is.
    """
    until = now - timedelta(days=settings.PAYMENT_NEWS_DAYS)
    old = PaymentNews.objects.filter(raw__isnull=False, done_at__lte=until).order_by("done_at").values("pk")[:limit]
    return PaymentNews.objects.filter(pk__in=old).update(raw=None)


def book_what_came(collection_id: int, *, actor: str, now: datetime) -> Collection:
    """Ask the provider about a payment that needs a person, and book it. Raises PaymentError, as take_unfitting."""
    row = Collection.objects.get(pk=collection_id)
    return take_unfitting(row.pk, provider_of(row).fetch(row.link_ref), actor=actor, now=now)


def _keep(provider: str, news: News, raw: bytes, now: datetime) -> PaymentNews:
    digest = hashlib.sha256(raw).hexdigest()
    names = {name: value for name, value in asdict(news).items() if name.endswith(("_ref", "account", "reference"))}
    row = PaymentNews(
        provider=provider,
        event_id=news.event_id,
        digest=digest,
        kind=news.kind,
        raw=raw,
        names=names,
        happened_at=news.happened_at,
        received_at=now,
        next_at=now,
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        same = Q(provider=provider) & (Q(digest=digest) | Q(event_id=news.event_id))
        PaymentNews.objects.filter(same).update(deliveries=F("deliveries") + 1)
        return PaymentNews.objects.filter(same).earliest("pk")
    return row


def _count_refusal(provider: str, now: datetime) -> None:
    day = now.date()
    WebhookRefusal.objects.get_or_create(provider=provider, day=day, defaults={"last_at": now})
    WebhookRefusal.objects.filter(provider=provider, day=day).update(count=F("count") + 1, last_at=now)
    log.warning("webhook refused", extra={"provider": provider})


def _news_next(now: datetime) -> bool:
    """Look into the oldest webhook; its collection is asked about at the provider."""
    with transaction.atomic():
        row = lock_next(PaymentNews.objects.filter(state=N.NEW, next_at__lte=now).order_by("next_at", "pk"))
        if row is None:
            return False
        row.next_at, row.attempts = now + CLAIM, row.attempts + 1
        row.save(update_fields=["next_at", "attempts"])
    try:
        state, outcome, collection = _look_into(row, now)
    except Exception as err:
        if not isinstance(err, PaymentError):
            log.exception("webhook not looked into", extra={"provider": row.provider, "event": row.event_id})
        state = N.ALARM if row.attempts >= MOST_NEWS_ATTEMPTS else N.NEW
        outcome, collection = str(err), None
        row.next_at = now + timedelta(seconds=_rest_s(row.attempts))
    row.state, row.outcome, row.done_at = state, outcome[:300], None if state == N.NEW else now
    row.collection = collection or row.collection
    row.save(update_fields=["state", "outcome", "done_at", "collection", "next_at"])
    if state == N.ALARM:
        log.error("webhook needs a person", extra={"provider": row.provider, "event": row.event_id, "why": outcome})
    return True


def _look_into(row: PaymentNews, now: datetime) -> tuple[PaymentNews.State, str, Collection | None]:
    provider = provider_named(row.provider, settings)
    account = row.names.get("account", "")
    if provider.account and account != provider.account:
        return N.ALARM, f"it is about account {account or '(none)'}, ours is {provider.account}", None
    tolerance = timedelta(seconds=settings.PAYMENT_WEBHOOK_TOLERANCE_S)
    longest = timedelta(seconds=settings.PAYMENT_WEBHOOK_AGE_S) + tolerance
    if row.happened_at is not None and row.happened_at > row.received_at + tolerance:
        return N.ALARM, "it is from the future", None
    if row.happened_at is not None and row.happened_at < row.received_at - longest:
        return N.IGNORED, "it is older than a provider repeats its news", None
    collection = _collection_of(row, provider)
    if collection is None:
        return N.ALARM, "it is about no payment we asked for", None
    outcome = receive(collection.pk, provider.fetch(collection.link_ref), now=now)
    collection.refresh_from_db()
    if row.names.get("refund_ref"):
        _hurry_refunds(collection, now)
    return (N.ALARM if collection.state == S.ALARM else N.DONE), outcome, collection


def _hurry_refunds(collection: Collection, now: datetime) -> None:
    """Let whoever sends refunds ask about those of this payment now."""
    sent = Refund.objects.filter(order=collection.order_id, payment_ref=collection.payment_ref, state=Refund.State.SENT)
    if sent.filter(next_at__gt=now).update(next_at=now):
        nudge_on_commit("refund")


def _collection_of(row: PaymentNews, provider: TellsNews) -> Collection | None:
    """The collection that names in the news lead to, in the end by asking the provider whose order it is."""
    mine = Collection.objects.filter(provider=row.provider)
    for name in ("payment_ref", "order_ref", "link_ref", "reference"):
        value = row.names.get(name, "")
        found = mine.filter(**{name: value}).first() if value else None
        if found is not None:
            return found
    news = News(row.event_id, row.kind, "", order_ref=row.names["order_ref"], payment_ref=row.names["payment_ref"])
    reference = provider.locate(news)
    return mine.filter(reference=reference).first() if reference else None


def _closed_next(now: datetime) -> bool:
    """Decide about one collection whose order has closed: what to take of a hold, what to ask for, what to withdraw."""
    with transaction.atomic():
        waiting = Q(state=S.WAITING) | Q(state=S.AUTHORISED, wanted_paise=None)
        unconfirmed = Q(state__in=[S.ASKED, S.OPEN, S.CAPTURED], order__state=Order.State.EXPIRED)
        candidate = (
            undecided()
            .filter(unconfirmed | waiting & Q(order__state__in=Order.ENDED))
            .order_by("pk")
            .values_list("pk", flat=True)
            .first()
        )
        if candidate is None:
            return False
        order, row = locked(candidate)
        _decide_closed(order, row, now)
    return True


def _decide_closed(order: Order, row: Collection, now: datetime) -> None:
    """The books say how much of a hold has been earned, and how much a closed order still owes."""
    if row.state == S.AUTHORISED and order.state != Order.State.EXPIRED:
        row.wanted_paise = _spent(order, row)
        row.next_at, row.updated_at = now, now
        row.save(update_fields=["wanted_paise", "next_at", "updated_at"])
    elif row.state == S.WAITING and order.state != Order.State.EXPIRED:
        ask_rest(order, now=now)
    elif order.state == Order.State.EXPIRED and row.state in {S.WAITING, S.ASKED, S.OPEN, S.AUTHORISED, S.CAPTURED}:
        withdraw(row, now=now)


def _spent(order: Order, row: Collection) -> int:
    """How much of a hold a closed order has earned, paise; what came in beside it pays what is still owed first."""
    stand = purse(order)
    return row.authorised_paise - min(max(stand.held - stand.due, 0), row.authorised_paise)


def _ask_next(now: datetime, base_url: str) -> bool:
    """Speak to the provider about the collection that is due first."""
    with transaction.atomic():
        row = lock_next(Collection.objects.filter(next_at__lte=now).order_by("next_at", "pk"))
        if row is None:
            return False
        row.next_at, row.attempts = now + CLAIM, row.attempts + 1
        row.save(update_fields=["next_at", "attempts"])
    try:
        _ask(row, now, base_url)
    except PaymentError as err:
        log.log(
            logging.ERROR if err.permanent else logging.WARNING,
            "provider not reached" if not err.permanent else "provider refused",
            extra={"order": row.order_id, "collection": row.reference, "why": err.text, "unknown": err.unknown},
        )
        rest = timedelta(seconds=LONGEST_REST_S if err.permanent else _rest_s(row.attempts))
        Collection.objects.filter(pk=row.pk).update(next_at=now + rest, problem=err.text[:500])
    except Exception:
        # The claim has pushed its time: it holds up nobody else meanwhile.
        log.exception("collection not worked on", extra={"order": row.order_id, "collection": row.reference})
    return True


def _ask(row: Collection, now: datetime, base_url: str) -> None:
    provider = provider_of(row)
    if row.state == S.ASKED:
        _make_link(row, provider, now, base_url)
    elif row.state == S.AUTHORISED and row.wanted_paise == 0:
        give_free(row.pk, now=now, why="nothing was to be taken")
    elif row.state == S.AUTHORISED and row.wanted_paise is not None:
        _capture(row, provider, now)
    elif row.state == S.CAPTURED and row.closing:
        _give_back(row.pk, now)
    elif row.state == S.EXPIRED and row.closing and provider.can_fetch:
        provider.cancel(row.link_ref)
        receive(row.pk, _settled(provider.fetch(row.link_ref)), now=now)
    elif provider.can_fetch:
        receive(row.pk, provider.fetch(row.link_ref), now=now)
    else:
        Collection.objects.filter(pk=row.pk).update(next_at=None, attempts=0)


def _make_link(row: Collection, provider: Collects, now: datetime, base_url: str) -> None:
    order = Order.objects.select_related("operator").get(pk=row.order_id)
    link = provider.create(
        Ask(
            row.reference,
            row.amount_paise,
            row.currency,
            f"EV charging at {order.operator.name}",
            back_url=f"{base_url}/pay/{row.token}" if base_url else "",
            expires_at=max(row.expires_at, now + SHORTEST_LINK) if row.expires_at else None,
            hold=row.hold,
        )
    )
    with transaction.atomic():
        _, fresh = locked(row.pk)
        fresh.link_ref, fresh.link_url, fresh.intent = link.ref, link.url, link.intent
        if fresh.state == S.ASKED:
            fresh.state = S.OPEN
        fresh.next_at = now if fresh.closing else next_look(fresh, now) if provider.can_fetch else None
        fresh.problem, fresh.attempts, fresh.updated_at = "", 0, now
        fresh.save()


def _capture(row: Collection, provider: Collects, now: datetime) -> None:
    """Take what is wanted of a hold; what a closed order earned of it may have changed since that was decided."""
    with transaction.atomic():
        order, fresh = locked(row.pk)
        if order.state in Order.BILLED and not fresh.closing:
            fresh.wanted_paise = _spent(order, fresh)
            fresh.save(update_fields=["wanted_paise"])
    if not fresh.wanted_paise:
        give_free(row.pk, now=now, why="nothing was to be taken")
        return
    paise = fresh.wanted_paise if provider.can_capture_part else fresh.authorised_paise
    seen = provider.capture(row.payment_ref, paise, row.currency)
    if seen.state == State.AUTHORISED:
        raise PaymentError("the capture is not done yet", permanent=False, unknown=True)
    receive(row.pk, seen, now=now)


def _settled(seen: Received) -> Received:
    """What a closed link says: an open one cannot be, so it is asked again later."""
    if seen.state in {State.OPEN, State.FAILED}:
        raise PaymentError("the link is not closed yet", permanent=False)
    return seen


def _give_back(collection_id: int, now: datetime) -> None:
    """Ask no more about money that came for an order which was not confirmed; whoever settles orders returns it."""
    with transaction.atomic():
        _, row = locked(collection_id)
        row.next_at, row.attempts, row.updated_at = None, 0, now
        row.save(update_fields=["next_at", "attempts", "updated_at"])


def _rest_s(attempts: int) -> int:
    return int(min(5 * 2 ** min(attempts, 12), LONGEST_REST_S))
