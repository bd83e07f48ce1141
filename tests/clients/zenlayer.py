"""Makes calls with the vendor's SDK and prints the outcome of each.

stdin:  {"config": {SDK's Config}, "calls": [{"service", "version", "action", "parameters",
        "key": {"id", "secret"} or "token", "clock": seconds that this machine's clock is off,
        "headers": more headers}, ...]}
stdout: [{"tries", "status", "headers", "body": as received, "result": as the SDK parsed it
        or "error": {"code", "message", "requestId"}}, ...]
"""

import importlib
import json
import sys
import time
import types

from zenlayercloud.common import abstract_client
from zenlayercloud.common.config import Config
from zenlayercloud.common.credential import Credential, TokenCredential
from zenlayercloud.common.excpetion.zenlayer_cloud_sdk_exception import ZenlayerCloudSdkException

CLIENTS = {"zec": "ZecClient", "vm": "VmClient"}


def make(call, config):
    package = "zenlayercloud.%s.v%s" % (call["service"], call["version"].replace("-", ""))
    models = importlib.import_module(package + ".models")
    client = importlib.import_module("%s.%s_client" % (package, call["service"]))
    if "token" in call:
        credential = TokenCredential(call["token"])
    else:
        credential = Credential(call["key"]["id"], call["key"]["secret"])
    client = getattr(client, CLIENTS[call["service"]])(credential, Config(**config))
    # The SDK hides a failure's status. This reads the answer without changing it.
    came = {}
    send = client._send_request

    def watched(request):
        response = send(request)
        came["tries"] = came.get("tries", 0) + 1
        came.update(status=response.status, headers=response.header, body=json.loads(response.data))
        return response

    client._send_request = watched
    api_call = client._api_call
    client._api_call = lambda action, request: api_call(action, request, headers=dict(call.get("headers", {})))
    clock = types.SimpleNamespace(time=lambda: time.time() + call.get("clock", 0), sleep=lambda seconds: None)
    abstract_client.time = clock
    request = getattr(models, call["action"] + "Request")()
    for name, value in call.get("parameters", {}).items():
        setattr(request, name, value)
    try:
        result = getattr(client, call["action"])(request)
        came["result"] = json.loads(result.to_json_string())
    except ZenlayerCloudSdkException as error:
        came["error"] = {"code": error.code, "message": error.message, "requestId": error.request_id}
    return came


work = json.load(sys.stdin)
json.dump([make(call, work["config"]) for call in work["calls"]], sys.stdout)
