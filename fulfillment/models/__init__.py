"""Which sessions run, what did stations and meters say, who charges by card, and what are drivers told?"""

from fulfillment.models.cards import UID_FORM, Card, CardAccount, CardEntry, WalkIn, WalkInReading
from fulfillment.models.events import RECOVERED, EventOut, StationEvent
from fulfillment.models.links import LinkDeed, LinkRules, TrackLink
from fulfillment.models.notices import Notice, NoticeOptOut, NoticeSettings
from fulfillment.models.outages import Outage
from fulfillment.models.sessions import Reading, ReadingRollup, Session
from fulfillment.models.workflows import TaskRun, WorkflowDefinition, WorkflowInstance

__all__ = [
    "RECOVERED",
    "UID_FORM",
    "Card",
    "CardAccount",
    "CardEntry",
    "EventOut",
    "LinkDeed",
    "LinkRules",
    "Notice",
    "NoticeOptOut",
    "NoticeSettings",
    "Outage",
    "Reading",
    "ReadingRollup",
    "Session",
    "StationEvent",
    "TaskRun",
    "TrackLink",
    "WalkIn",
    "WalkInReading",
    "WorkflowDefinition",
    "WorkflowInstance",
]
