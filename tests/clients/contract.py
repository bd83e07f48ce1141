"""What schemathesis cannot make of itself: certificates and keys (SCHEMATHESIS_HOOKS names this module)."""
import os
import pathlib

import schemathesis
from hypothesis import strategies as st


def pem(name):
    text = pathlib.Path(os.environ[name]).read_text()
    return st.sampled_from(["", text])


schemathesis.openapi.format("pem-certificates", pem("CONTRACT_CERTIFICATE"))
schemathesis.openapi.format("pem-key", pem("CONTRACT_KEY"))
