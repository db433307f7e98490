"""The target that the user names, opened: D1 by its REST API, or what stands in for it here.

opening    open_target: whatever is named becomes a D1Database
file       FileTransport: D1's API, answered in this process from a plain SQLite file
place      which files may be a target; one process at a time
wrangler   which file is a Worker's local database
"""

from streamer.targets.opening import file_of, identity_of, open_target, prepare
from streamer.targets.place import room

__all__ = ["file_of", "identity_of", "open_target", "prepare", "room"]
