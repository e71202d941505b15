"""Every text that the operator writes into conditions and events, so that it can be read in a row: one module an idea.

The words are the field's own; times are absolute; a message that asks for something names what to do.
"""

from .changes import *
from .conditions import *
from .deletion import *
from .events import *
from .resource import *
from .rollouts import *
