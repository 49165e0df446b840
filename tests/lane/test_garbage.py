"""What a worker has loaded is looked at once by Python's garbage collection, and not again."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import gc, json, weakref
from jay_sessions.lane import garbage

class Node: pass

def cycle():
    node = Node()
    node.itself = node
    return weakref.ref(node)

gc.disable()
old, kept = cycle(), [Node()]
garbage.freeze()
frozen = gc.get_freeze_count()
new = cycle()
garbage.freeze()
again = gc.get_freeze_count()
gc.collect()
print(json.dumps([old() is None, frozen > 0, again == frozen, new() is None, len(kept)]))
"""


@pytest.mark.once
def test_it_is_done_once_and_what_comes_later_is_still_collected():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True, timeout=60
    )
    assert json.loads(done.stdout) == [True, True, True, True, 1]
