"""Prints the OpenAPI document of the service, without starting it: `python -m demo.openapi`."""

import json
import sys

from app.config import Settings
from app.main import create_app


def document() -> bytes:
    """Return the document as JSON, the same bytes for the same service."""
    # No `.env`: what the document says does not depend on any setting.
    settings = Settings(_env_file=None)
    return json.dumps(create_app(settings).openapi(), sort_keys=True, indent=1).encode() + b"\n"


def main() -> None:
    """Print the document."""
    sys.stdout.buffer.write(document())


if __name__ == "__main__":
    main()
