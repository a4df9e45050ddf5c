"""Prints the OpenAPI document of the service, without starting it: `python -m demo.openapi`."""

import json
import sys

from fastapi import FastAPI

from app.api import install_api


def document() -> bytes:
    """Return the document as JSON, the same bytes for the same service."""
    # Without the settings: who may call, and so what the document asks for, depends on them.
    app = FastAPI()
    install_api(app)
    return json.dumps(app.openapi(), sort_keys=True, indent=1).encode() + b"\n"


def main() -> None:
    """Print the document."""
    sys.stdout.buffer.write(document())


if __name__ == "__main__":
    main()
