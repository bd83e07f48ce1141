"""Upstream's test of the noVNC console, `tempest.api.compute.servers.test_novnc`, as it is, against a server that exists.

Its arguments are unittest's. What it is run against stands in the file of TEMPEST_CONFIG_DIR, the server's id in SERVER.
"""

import os
import unittest

from tempest.api.compute.servers import test_novnc


class NoVNC(test_novnc.NoVNCConsoleTestJSON):
    """The one thing that is done otherwise: no server is made."""

    @classmethod
    def create_test_server(cls, **_):
        return {"id": os.environ["SERVER"]}


if __name__ == "__main__":
    # The class that was imported would make its own server.
    unittest.main(argv=["novnc.py", "--verbose", "NoVNC"])
