"""What supervisor and zygote say to each other, besides letters.

An order asks for an execution, or for a chore; records tell of the children of an execution.
"""

from __future__ import annotations

import signal
import struct

MESSAGE_BYTES = 1 << 16
ORDER = struct.Struct("=4i")
"""How many children are to be forked, the marks below, and their uids."""
CHORE = bytes(4)
"""Begins the request of a chore, whose name and arguments follow."""
LINGERS, DRAINS = 1, 2
"""The others go on when the leader has ended; a signal of ours may have come too late for the last execution."""
RECORD = struct.Struct("=4i18q")
"""One of the words below, a pid, a status, nothing, and the ``struct rusage`` of the one that has ended."""
FORKED, ENDED, KILLED, DONE = range(4)
BOUND_AT_ONCE = "LD_BIND_NOW"
"""Has the loader bind every name of a library when it is loaded, once for all children."""
STOP = signal.SIGUSR1
"""Has the execution ended by force."""
WARM = ("stdio", "call", "server", "tester", "planner", "selftest")
"""What a child does that goes on in the zygote's interpreter; ``exec`` and ``place`` are the other two kinds."""
NOT_IN = 70
"""Exit code of a child that could not be put behind the walls, or was ended by a bug of ours."""
FIRST = b"\0"
"""Begins a report that tells code first (``Codes``), after its length; another report begins otherwise."""
LENGTH = struct.Struct("=I")
