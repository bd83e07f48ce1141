"""The values that schemathesis cannot generate, and a rule that no pattern can express.

SCHEMATHESIS_HOOKS names this module.
"""
import json
import os
import pathlib

import schemathesis
from hypothesis import strategies as st


def pem(name):
    text = pathlib.Path(os.environ[name]).read_text()
    return st.sampled_from(["", text])


schemathesis.openapi.format("pem-certificates", pem("CONTRACT_CERTIFICATE"))
schemathesis.openapi.format("pem-key", pem("CONTRACT_KEY"))
schemathesis.openapi.format("request-headers", st.sampled_from(["", "Authorization: Bearer x", "X-1: a\r\n\r\nX-2:\tb\n"]))


@schemathesis.hook
def filter_body(context, body):
    """Drops bodies with tag characters (U+E0000 to U+E007F).

    Names must not contain them, and no portable pattern can exclude them.
    """
    return not any(0xE0000 <= ord(character) <= 0xE007F for character in json.dumps(body, default=str, ensure_ascii=False))
