"""Upstream's unmodified tests of server metadata, against an existing server:
`tempest.api.compute.servers.test_server_metadata` and `test_server_metadata_negative`.

The arguments are unittest's. The cloud is named in the file of TEMPEST_CONFIG_DIR, the server's id
is in SERVER.
"""

import os
import unittest

from tempest.api.compute.servers import test_server_metadata, test_server_metadata_negative


class Existing:
    """The differences: no server is created, and the limit comes from the call that returns it."""

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
    # These create servers.
    test_server_create_metadata_key_too_long = None
    test_create_server_metadata_blank_key = None


if __name__ == "__main__":
    # The imported classes would create servers of their own.
    unittest.main(argv=["metadata.py", "--verbose", "Metadata", "Negative"])
