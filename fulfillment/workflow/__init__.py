"""How does a Serverless Workflow definition run, without a clock, a network or a database? Pure.

`load` reads a definition of the DSL 1.0.x; `begin`, `resume`, `wake` and `retry` take an instance one turn further;
`wanted` tells what it waits for. All state is one JSON document: whoever keeps it keeps the instance.

    yaml12       YAML 1.2 as the DSL is written in
    faults       what can go wrong, in a definition and in an instance
    document     a definition, checked           shape        what a task may look like
    expressions  jq, without the world           scope        what an expression sees
    calls        requests and responses          openapi      a request by its operation id
    events       CloudEvents in and out          durations    ISO 8601 spans
    engine       the four ways into a turn       machine      the loop that moves through tasks
    flow, catching, waiting                      what each kind of task does

Source: Serverless Workflow DSL 1.0.3 (dsl.md, dsl-reference.md).
"""

from fulfillment.workflow.document import Definition, load
from fulfillment.workflow.engine import begin, resume, retriable, retry, wake, wanted
from fulfillment.workflow.events import EventFilter
from fulfillment.workflow.faults import (
    DefinitionError,
    DefinitionFault,
    Fault,
    NotRetriableError,
    StateError,
    UnknownEffectError,
)
from fulfillment.workflow.places import Place
from fulfillment.workflow.turns import Effect, Host, Step, Turn

__all__ = [
    "Definition",
    "DefinitionError",
    "DefinitionFault",
    "Effect",
    "EventFilter",
    "Fault",
    "Host",
    "NotRetriableError",
    "Place",
    "StateError",
    "Step",
    "Turn",
    "UnknownEffectError",
    "begin",
    "load",
    "resume",
    "retriable",
    "retry",
    "wake",
    "wanted",
]
