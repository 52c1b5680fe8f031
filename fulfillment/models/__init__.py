"""Which sessions run, what did the stations say, what did the meters read, and who charges by card?"""

from fulfillment.models.cards import UID_FORM, Card, CardAccount, CardEntry, WalkIn, WalkInReading
from fulfillment.models.events import EventOut, StationEvent
from fulfillment.models.sessions import Reading, Session, TrackLink
from fulfillment.models.workflows import TaskRun, WorkflowDefinition, WorkflowInstance

__all__ = [
    "UID_FORM",
    "Card",
    "CardAccount",
    "CardEntry",
    "EventOut",
    "Reading",
    "Session",
    "StationEvent",
    "TaskRun",
    "TrackLink",
    "WalkIn",
    "WalkInReading",
    "WorkflowDefinition",
    "WorkflowInstance",
]
