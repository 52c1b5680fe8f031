"""How far is a workflow, seen at a glance? Its definition as a picture in the colours of its steps' states.

Pure: tasks and marks go in, the text of one SVG element comes out, without a script or anything from outside.
`nodes_of` reads the tasks of a loaded definition; `draw` lays them out and writes them; `anchor` is the id under which
the page around tells about a step.
"""

from fulfillment.workflow.diagram.draw import draw
from fulfillment.workflow.diagram.nodes import STATES, Mark, Node, anchor, nodes_of

__all__ = ["STATES", "Mark", "Node", "anchor", "draw", "nodes_of"]
