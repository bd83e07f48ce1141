"""Makes every call at every microversion with the clients of Tempest, OpenStack's own suite. They
check each answer against upstream's schemas.

WORK:   {"url": the URL of identity v3, "member" and "admin": {"id", "secret"}, "project": its name,
        "servers": [an id of each state], "running": the id of a running one,
        "newest": the minor number of the newest microversion}
stdout: {"calls": the number of calls, "refused": [{"call", "microversion", "why"}, ...]}
"""

import json
import os
import sys

from tempest.lib import auth, exceptions
from tempest.lib.api_schema.response.compute.v2_1 import versions as version_schema
from tempest.lib.services import compute
from tempest.lib.services.compute import base_compute_client
from tempest.lib.services.identity import v3 as identity

# The first microversion with remote consoles.
REMOTE_CONSOLES = 6
REGION = "RegionOne"
CLIENTS = ("ServersClient", "FlavorsClient", "VersionsClient", "LimitsClient", "ExtensionsClient")


class Judge:
    """Counts calls, and records the faults of their answers."""

    def __init__(self):
        self.calls, self.refused, self.microversion = 0, [], None

    def call(self, method, *args, **kwargs):
        self.calls += 1
        try:
            return method(*args, **kwargs)
        except (exceptions.TempestException, ValueError) as error:
            name = getattr(method, "__qualname__", str(method))
            # The message begins with a sentence, which a whole schema follows.
            why = " ".join(str(error).split())[:300]
            self.refused.append({"call": name, "microversion": self.microversion, "why": why})
            return None


def log_in(work, key):
    credentials = auth.KeystoneV3Credentials(
        username=key["id"], password=key["secret"], project_name=work["project"], user_domain_name="Default",
        project_domain_name="Default")
    return auth.KeystoneV3AuthProvider(credentials, work["url"])


def walk_identity(judge, work, provider):
    tokens = identity.V3TokenClient(work["url"])
    who = {"username": work["member"]["id"], "password": work["member"]["secret"], "user_domain_name": "Default"}
    for scope in ({}, {"project_name": work["project"], "project_domain_name": "Default"}):
        judge.call(tokens.get_token, auth_data=True, **who, **scope)
    service = {"service": "identity", "region": REGION}
    judge.call(identity.VersionsClient(provider, **service).list_versions)
    judge.call(identity.CatalogClient(provider, **service).show_catalog)
    people = identity.IdentityClient(provider, **service)
    for method in (people.show_api_description, people.list_auth_projects, people.list_auth_domains):
        judge.call(method)
    token = tokens.get_token(**who)
    for method in (people.show_token, people.check_token_existence, people.delete_token):
        judge.call(method, token)


def choices(client):
    """Asks for a path without a version, which no client of Tempest does on its own."""
    response, body = client.raw_request(client._get_base_version_url() + "servers", "GET")
    client.validate_response(version_schema.get_version, response, json.loads(body))


def walk_metadata(judge, servers, server):
    judge.call(servers.set_server_metadata, server, {"a": "1", "b": "2"})
    judge.call(servers.update_server_metadata, server, {"b": "3"})
    judge.call(servers.set_server_metadata_item, server, "c", {"c": "4"})
    judge.call(servers.show_server_metadata_item, server, "c")
    judge.call(servers.delete_server_metadata_item, server, "c")


def walk_compute(judge, work, member, admin):
    servers, flavors, _, limits, extensions = (member[name] for name in CLIENTS)
    for detail in (False, True):
        judge.call(servers.list_servers, detail=detail)
        # A page with a link to the next one.
        judge.call(servers.list_servers, detail=detail, limit=1)
        judge.call(flavors.list_flavors, detail=detail)
    # Each of the other states in turn.
    others = [server for server in work["servers"] if server != work["running"]]
    for server in (work["running"], others[int(judge.microversion[2:]) % len(others)]):
        judge.call(servers.show_server, server)
    for part in (servers.list_addresses, servers.list_server_metadata):
        judge.call(part, work["running"])
    walk_metadata(judge, servers, work["running"])
    judge.call(flavors.show_flavor, "machine")
    judge.call(flavors.list_flavor_extra_specs, "machine")
    judge.call(limits.show_limits)
    judge.call(extensions.list_extensions)
    judge.call(extensions.show_extension, "os-consoles")
    console = judge.call(servers.get_vnc_console, work["running"], type="novnc")
    if int(judge.microversion[2:]) >= REMOTE_CONSOLES:
        judge.call(servers.get_remote_console, work["running"], "novnc", "vnc")
    # Tempest has a schema for it only at 2.99.
    judged = hasattr(servers.get_schema(servers.schema_versions_info), "console_auth_tokens")
    if judged and console:
        token = console["console"]["url"].rpartition("%3D")[2]
        judge.call(admin["ServersClient"].get_console_auth_token_details, token)


def walk_versions(judge, member):
    """Reads the version documents, which have no microversions."""
    versions = member["VersionsClient"]
    listed = judge.call(versions.list_versions)
    for version in listed["versions"] if listed else []:
        judge.call(versions.get_version_by_url, version["links"][0]["href"])
    judge.call(choices, versions)


def main():
    work, judge = json.loads(os.environ["WORK"]), Judge()
    member, admin = (log_in(work, work[who]) for who in ("member", "admin"))
    walk_identity(judge, work, member)
    member, admin = (
        {name: getattr(compute, name)(provider, "compute", REGION) for name in CLIENTS} for provider in (member, admin))
    walk_versions(judge, member)
    for minor in range(1, work["newest"] + 1):
        judge.microversion = base_compute_client.COMPUTE_MICROVERSION = "2.%d" % minor
        walk_compute(judge, work, member, admin)
    json.dump({"calls": judge.calls, "refused": judge.refused}, sys.stdout)


main()
