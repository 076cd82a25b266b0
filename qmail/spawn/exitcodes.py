"""How the child of a delivery says what went wrong before the delivery could begin.

Contract     qmail-lspawn reads these from its children, qmail-getpw returns some of
             them; 0, 100 and 111 are the delivery's own success, failure and deferral.
             The numbers are the originals', because one side may be an original.
"""

from __future__ import annotations

USAGE = 112
"""A record of the user look-up makes no sense, or the uid cannot be taken."""
ROOT = 113
"""The user found is root, as whom nothing is ever delivered."""
NFS = 115
"""A home directory did not answer: nobody knows whose address this is."""
NO_ALIAS = 116
"""There is no alias user to take what nobody else takes."""
CDB = 117
"""users/cdb is there but cannot be read."""
SYSTEM = 118
"""A pipe, a fork or a look-up failed for the moment."""
MEMORY = 119
"""Out of memory."""
EXEC_SOFT = 120
"""qmail-local could not be run this time."""
EXEC_GETPW = 121
"""qmail-getpw could not be run."""
EXEC_HARD = 126
"""qmail-local cannot be run."""
