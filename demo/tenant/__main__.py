"""Run the simulated tenant: `python -m demo.tenant`."""

import argparse
import logging
import sys

from demo.tenant.admin import ADMIN
from demo.tenant.app import Tenant
from demo.tenant.bulk import DAILY, DEFAULT_ROWS
from demo.tenant.oauth import CLIENT_ID, SECRET, TOKEN_PATH
from demo.tenant.protocol import listen, serve
from demo.tenant.state import State

MAX_ROWS = 1_000_000


def _rows(text: str) -> int:
    """Read the number of rows of the daily model."""
    rows = int(text)
    if not 1 <= rows <= MAX_ROWS:
        raise argparse.ArgumentTypeError(f"give a number from 1 to {MAX_ROWS:,}")
    return rows


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m demo.tenant", description="A simulated SAP Analytics Cloud tenant."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090, help="0 takes a free port")
    parser.add_argument("--rows", type=_rows, default=DEFAULT_ROWS, help="rows of the daily model")
    parser.add_argument("--quiet", action="store_true", help="print the address only")
    parser.add_argument("--until-eof", action="store_true", help="stop when standard input ends")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Start the tenant, say where it is, serve until a signal comes."""
    options = _arguments(arguments)
    state = State(options.rows)
    # Its rows are made now, so that a benchmark does not pay for them in its first page.
    _ = state.models[DAILY].facts
    try:
        bound = listen(options.host, options.port)
    except OSError as error:
        print(f"Cannot listen on {options.host}:{options.port}: {error.strerror}", file=sys.stderr)
        return 1
    host = f"[{options.host}]" if ":" in options.host else options.host
    url = f"http://{host}:{bound.getsockname()[1]}"
    print(f"Simulated SAC tenant on {url}", flush=True)
    if not options.quiet:
        print(f"  token URL  {url}{TOKEN_PATH}")
        print(f"  client id  {CLIENT_ID}")
        print(f"  secret     {SECRET}  (invented)")
        print(
            f"  admin      {url}{ADMIN}/log, settings, faults, models, rows/<model>, reset, revoke"
        )
        print(f"  daily rows {options.rows:,}", flush=True)
    # Faults make the server complain of what they were asked to do.
    logging.disable(logging.CRITICAL)
    serve(Tenant(state), bound, until_eof=options.until_eof)
    return 0


if __name__ == "__main__":
    sys.exit(main())
