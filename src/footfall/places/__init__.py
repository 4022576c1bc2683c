"""Where files live, who may touch them, and who wrote them.

`find` chooses the directories (`layout`); `open_private`, `write_private`, `read_private` and `private_directory` are
the only ways footfall makes or trusts files (`files`); `is_alive` and its companions name processes (`processes`).
"""

from footfall.places.adoption import GONE_SECONDS, adopt, discard
from footfall.places.files import (
    current_uid,
    open_private,
    private_directory,
    read_private,
    remove_files,
    sync_directory,
    write_all,
    write_private,
)
from footfall.places.layout import Places, config_directory, find, local_directory
from footfall.places.processes import boot_id, host_name, host_name_digest, is_alive, process_start

__all__ = [
    "GONE_SECONDS",
    "Places",
    "adopt",
    "boot_id",
    "config_directory",
    "current_uid",
    "discard",
    "find",
    "host_name",
    "host_name_digest",
    "is_alive",
    "local_directory",
    "open_private",
    "private_directory",
    "process_start",
    "read_private",
    "remove_files",
    "sync_directory",
    "write_all",
    "write_private",
]
