"""Does money move once when its news, or the wish to give it back, comes many times at the same moment?

A payment gateway of the sandbox stands at the far end of the wire; each round has an order of its own.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from datetime import timedelta
from functools import partial

from django.conf import settings

from orders.models import Collection, Journal, Order, PaymentNews, Refund
from orders.services import ask_refund, cashier, complete_order, confirm_order, mark_started, refunds_due
from tests.factories.orders import a_confirm
from tests.orders.payments import Told, ToyGateway, asked, running_gateway
from tests.verify.rig import Verdict
from tests.verify.runners import Runners

AT_ONCE = 50
GIFT = 500
MINUTE = timedelta(minutes=1)


def money_at_once(runners: Runners, verdict: Verdict, rounds: int) -> None:
    """Many deliveries of one webhook, then many wishes for one refund and many senders of it, each round."""
    with running_gateway(settings) as gateway:
        for number in range(rounds):
            order, row = asked(gateway, now=gateway.at)
            gateway.pay(row)
            _hear_at_once(runners, verdict, gateway, order, number)
            _charge(gateway, order)
            _refund_at_once(runners, verdict, gateway, order, number)
            gateway.after(hours=1)
    verdict.figures |= {"webhooks": rounds * AT_ONCE, "refund_wishes": rounds * AT_ONCE}


def _hear_at_once(runners: Runners, verdict: Verdict, gateway: ToyGateway, order: Order, number: int) -> None:
    told = gateway.told()[-1]
    outcomes = runners.together([partial(_hear, told, gateway)] * AT_ONCE)
    gateway.after(minutes=2)  # whoever was at it when the others looked has let go of it
    gateway.work()
    news = list(PaymentNews.objects.filter(event_id=told.event_id).values_list("deliveries", "state"))
    booked = Journal.objects.filter(order=order).count()
    if outcomes != {"done": AT_ONCE} or news != [(AT_ONCE, PaymentNews.State.DONE)] or booked != 1:
        verdict.fail(f"webhooks, round {number}: {dict(outcomes)}, news {news}, {booked} journals")


def _hear(told: Told, gateway: ToyGateway) -> None:
    """Take one delivery and look into what is new, as the door and a worker would."""
    secret = gateway.account.webhook_secret.encode()
    headers = {
        "x-razorpay-signature": hmac.new(secret, told.body, hashlib.sha256).hexdigest(),
        "x-razorpay-event-id": told.event_id,
    }
    cashier.take_news("razorpay", told.body, headers, now=gateway.at)
    cashier.collect_due(now=gateway.at, limit=3)


def _charge(gateway: ToyGateway, order: Order) -> None:
    """Confirm, charge and bill the order, and let the cashier take what the bill says."""
    confirm_order(**a_confirm(order, now=gateway.at))
    began = gateway.at
    mark_started(order.pk, now=began, actor="station")
    ended = gateway.after(minutes=20)
    complete_order(
        order.pk, energy_wh=8_000, started_at=began, ended_at=ended, now=ended, reason="full", actor="station"
    )
    gateway.work()


def _refund_at_once(runners: Runners, verdict: Verdict, gateway: ToyGateway, order: Order, number: int) -> None:
    wish = partial(ask_refund, order.pk, GIFT, cause="race", now=gateway.at, actor="staff")
    outcomes = runners.together([wish] * AT_ONCE)
    sent = runners.together([partial(refunds_due, now=gateway.at, limit=3)] * AT_ONCE)
    gateway.after(hours=1)
    refunds_due(now=gateway.at)  # an answer that was lost is asked for again
    row = Collection.objects.filter(order=order).latest("number")
    theirs = [refund["amount"] for refund in gateway.api.gateway.refunds_of(row.payment_ref)]
    ours = list(Refund.objects.filter(order=order).values_list("paise", "state"))
    kinds = Counter(Journal.objects.filter(order=order).values_list("kind", flat=True))
    fits = (theirs, ours, kinds["refund"], kinds["payout"]) == ([GIFT], [(GIFT, Refund.State.DONE)], 1, 1)
    if not fits or outcomes != {"done": AT_ONCE} or sent != {"done": AT_ONCE}:
        verdict.fail(
            f"refunds, round {number}: asked {dict(outcomes)}, sent {dict(sent)}, there {theirs}, here {ours}, "
            f"journals {dict(kinds)}"
        )
