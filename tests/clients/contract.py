"""The values that schemathesis cannot generate, and rules that no schema can express.

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
    """Drops bodies with tag characters (U+E0000 to U+E007F), and imports that list an id twice.

    Names must not contain such characters, and no portable pattern can exclude them. No schema can
    compare the ids in a list.
    """
    tagged = any(0xE0000 <= ord(character) <= 0xE007F for character in json.dumps(body, default=str, ensure_ascii=False))
    rows = body.get("instances") if isinstance(body, dict) else None
    ids = [str(row.get("id")) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return not tagged and len(ids) == len(set(ids))
