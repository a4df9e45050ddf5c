"""Check the login: `python -m demo.auth_check` prints `OK` and when the token expires.

Exits with 0 if the tenant issued a token, else with 1 and one line that says what to do.
"""

import asyncio
import sys

from app.config import load_settings
from app.errors import SeriesError
from app.observability.logs import configure_logging
from app.observability.masking import Masker
from app.sac_connector.auth import Token
from app.sac_connector.retry import Retrier
from app.wiring import open_client, retry_policy, token_provider


async def fetch_token() -> Token:
    """Ask the tenant of the settings for a token.

    Raises:
        SeriesError: The settings or the tenant do not allow it.
    """
    settings = load_settings()
    connection = settings.connection()
    masker = Masker()
    configure_logging("error", settings.log_format, masker)
    async with open_client(settings) as client:
        tokens = token_provider(client, connection, masker)
        return await Retrier(retry_policy(settings)).call(tokens.token)


def main() -> int:
    """Print the outcome and return the exit code."""
    try:
        token = asyncio.run(fetch_token())
    except SeriesError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"OK, the token expires at {token.expires_at:%Y-%m-%dT%H:%M:%SZ}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
