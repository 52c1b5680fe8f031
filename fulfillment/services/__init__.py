"""What may be done about sessions? Every public verb of the app."""

from fulfillment.services.advancing import adopt_due, advance_due
from fulfillment.services.cards import (
    balance,
    block_cards,
    correct,
    import_cards,
    plain_uid,
    set_card_state,
    top_up,
    withdraw,
)
from fulfillment.services.consuming import ingest_left
from fulfillment.services.correcting import bill_late_due, correct_meter
from fulfillment.services.emitting import emit_due
from fulfillment.services.events import process_events_due, store_events
from fulfillment.services.links import (
    DEEDS,
    Link,
    deeds_now,
    open_link,
    opened_link,
    revoke_links,
    take_once,
)
from fulfillment.services.noticing import catch_up as note_notices_due
from fulfillment.services.notifying import forget as forget_notices
from fulfillment.services.notifying import renew_secret as renew_webhook_secret
from fulfillment.services.notifying import revive as revive_notice
from fulfillment.services.notifying import send_due as send_notices_due
from fulfillment.services.operating import cancel as cancel_instance
from fulfillment.services.operating import resume as resume_instance
from fulfillment.services.operating import retriable, why_not_retried
from fulfillment.services.operating import retry as retry_instance
from fulfillment.services.operating import suspend as suspend_instance
from fulfillment.services.outages import outages_over_due, stranded_due, tell_outages
from fulfillment.services.progress import mark_progress, pending_progress, progress_due
from fulfillment.services.pruning import prune_readings, thin_journals, thin_walk_ins
from fulfillment.services.readings import record_reading
from fulfillment.services.sessions import (
    cancel_waiting,
    close_sessions_due,
    follow_order,
    nudge_advance,
    open_sessions_due,
    request_start,
    request_stop,
)
from fulfillment.services.spotting import spot_due as spot_notices_due
from fulfillment.services.tracking import snapshot
from fulfillment.services.walk_in_watching import bill_late_walk_ins_due
from fulfillment.services.walk_ins import stop_by_hand

__all__ = [
    "DEEDS",
    "Link",
    "adopt_due",
    "advance_due",
    "balance",
    "bill_late_due",
    "bill_late_walk_ins_due",
    "block_cards",
    "cancel_instance",
    "cancel_waiting",
    "close_sessions_due",
    "correct",
    "correct_meter",
    "deeds_now",
    "emit_due",
    "follow_order",
    "forget_notices",
    "import_cards",
    "ingest_left",
    "mark_progress",
    "note_notices_due",
    "nudge_advance",
    "open_link",
    "open_sessions_due",
    "opened_link",
    "outages_over_due",
    "pending_progress",
    "plain_uid",
    "process_events_due",
    "progress_due",
    "prune_readings",
    "record_reading",
    "renew_webhook_secret",
    "request_start",
    "request_stop",
    "resume_instance",
    "retriable",
    "retry_instance",
    "revive_notice",
    "revoke_links",
    "send_notices_due",
    "set_card_state",
    "snapshot",
    "spot_notices_due",
    "stop_by_hand",
    "store_events",
    "stranded_due",
    "suspend_instance",
    "take_once",
    "tell_outages",
    "thin_journals",
    "thin_walk_ins",
    "top_up",
    "why_not_retried",
    "withdraw",
]
