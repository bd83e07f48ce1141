"""Upstream's tests of server metadata, `tempest.api.compute.servers.test_server_metadata` and `test_server_metadata_negative`, as
they are, against a server that exists.

Its arguments are unittest's. What it is run against stands in the file of TEMPEST_CONFIG_DIR, the server's id in SERVER.
"""

import os
import unittest

from tempest.api.compute.servers import test_server_metadata, test_server_metadata_negative


class Existing:
    """What is done otherwise: no server is made, and the limit is asked for where it is told."""

    @classmethod
    def setup_clients(cls):
        super().setup_clients()
        cls.quotas_client = cls

    @classmethod
    def create_test_server(cls, **_):
        return {"id": os.environ["SERVER"]}

    @classmethod
    def show_quota_set(cls, _):
        limits = cls.limits_client.show_limits()["limits"]["absolute"]
        return {"quota_set": {"metadata_items": limits["maxServerMeta"]}}


class Metadata(Existing, test_server_metadata.ServerMetadataTestJSON):
    pass


class Negative(Existing, test_server_metadata_negative.ServerMetadataNegativeTestJSON):
    # These make servers.
    test_server_create_metadata_key_too_long = None
    test_create_server_metadata_blank_key = None


if __name__ == "__main__":
    # The classes that were imported would make their own servers.
    unittest.main(argv=["metadata.py", "--verbose", "Metadata", "Negative"])
