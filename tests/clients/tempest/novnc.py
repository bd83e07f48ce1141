"""Upstream's unmodified test of the noVNC console, against an existing server:
`tempest.api.compute.servers.test_novnc`.

The arguments are unittest's. The cloud is named in the file of TEMPEST_CONFIG_DIR, the server's id
is in SERVER.
"""

import os
import unittest

from tempest.api.compute.servers import test_novnc


class NoVNC(test_novnc.NoVNCConsoleTestJSON):
    """The only difference: no server is created."""

    @classmethod
    def create_test_server(cls, **_):
        return {"id": os.environ["SERVER"]}


if __name__ == "__main__":
    # The imported class would create a server of its own.
    unittest.main(argv=["novnc.py", "--verbose", "NoVNC"])
