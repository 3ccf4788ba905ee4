"""Moving what lies at a mount point onto the share that is to be mounted there, without losing an image.

`steps.py` and `facts.py` decide and read, pure; `looking.py` makes the plan; `runner.py` drives a move one step at a time,
each of which can be repeated; `copying.py` copies and reads back; `acts.py` is what people do.
"""

from hosts.moving_images.acts import discard, go_on, look_again, plan, remove_originals, start, undo

__all__ = ["discard", "go_on", "look_again", "plan", "remove_originals", "start", "undo"]
