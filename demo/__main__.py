"""The whole path on this machine: `make demo`, or `python -m demo [--check]`.

Starts the simulated tenant and the service, refreshes through the real OAuth and OData path,
prints the series, shows what happens when the tenant fails, and serves until Ctrl-C.
"""

import math
import sys
import tempfile
from decimal import Decimal
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from app.errors import SECRET_VARIABLE
from demo.processes import ROOT, StartError, first_url, free_port, python_module, wait_until_live
from demo.tenant.oauth import CLIENT_ID, SECRET, TOKEN_PATH

MODEL = "CSIMPLAN0000000000000000A1"
VERSION = "public.Actual"
MEASURE = "Revenue"
NO_DATES = ("#", "0000")
SHOWN_MONTHS = 12
REQUEST_TIMEOUT_S = 120.0

out = Console(highlight=False, soft_wrap=True)


class CheckFailedError(Exception):
    """An answer of the demo is not what it must be."""


def settings_for(tenant: str, cache_uri: str) -> dict[str, str]:
    """Return the environment of a service that pulls from the simulated tenant."""
    return {
        "SAC_TENANT_URL": tenant,
        "SAC_TOKEN_URL": f"{tenant}{TOKEN_PATH}",
        "SAC_CLIENT_ID": CLIENT_ID,
        SECRET_VARIABLE: SECRET,
        "SAC_MODEL_ID": MODEL,
        "SAC_DATE_COLUMN": "Date",
        "SAC_VALUE_COLUMN": MEASURE,
        "SAC_DIMENSIONS": "Region,Product",
        "SAC_FILTER": f"Version eq '{VERSION}'",
        "SAC_GRAIN": "month",
        "SAC_RETRY_BASE_S": "0.05",
        "CACHE_URI": cache_uri,
        "LOG_LEVEL": "error",
    }


class Show:
    """The steps of the demo, each of which prints and checks.

    Args:
        tenant: Address of the simulated tenant.
        service: Address of the service.
    """

    def __init__(self, tenant: str, service: str) -> None:
        # Loopback: no proxy or certificate of the environment has a say in it.
        self._tenant, self._service = (
            httpx.Client(base_url=url, timeout=REQUEST_TIMEOUT_S, trust_env=False)
            for url in (tenant, service)
        )

    def run(self) -> None:
        """Go through all steps.

        Raises:
            CheckFailedError: An answer is not what it must be.
        """
        out.print("\n[bold]GET /health/auth[/]: can we log in?")
        login = self._get("/health/auth")
        out.print(f"  {login['detail']} It expires at {login['expires_at']}.")
        self._refresh("refreshed")
        self._series()
        self._refresh("unchanged")
        out.print("\n[bold]The tenant fails now[/]: every answer is a 503")
        self._tenant.post(
            "/_admin/faults",
            json=[{"match": "any", "kind": "status", "status": 503, "times": None}],
        ).raise_for_status()
        self._refresh("stale")
        self._series(quiet=True)
        self._tenant.post("/_admin/reset").raise_for_status()
        self._refresh("unchanged")

    def close(self) -> None:
        """Close the connections."""
        self._tenant.close()
        self._service.close()

    def _get(self, path: str, **query: str) -> dict[str, Any]:
        answer = self._service.get(path, params=query)
        check(answer.is_success, f"GET {path} answers {answer.status_code}: {answer.text}")
        body: dict[str, Any] = answer.json()
        return body

    def _refresh(self, expected: str) -> None:
        out.print("\n[bold]POST /refresh[/]")
        answer = self._service.post("/refresh")
        check(answer.is_success, f"POST /refresh answers {answer.status_code}: {answer.text}")
        body = answer.json()
        meta = body["metadata"]
        out.print(
            f"  {body['status']}: {meta['row_count']} rows, {meta['min_date']} to "
            f"{meta['max_date']}, from {meta['rows_read']} records"
        )
        if body["warning"]:
            out.print(f"  [yellow]{body['warning']}[/] ({body['warning_code']})")
        check(body["status"] == expected, f"expected '{expected}', got '{body['status']}'")
        check(bool(body["warning"]) == (expected == "stale"), "a warning belongs to stale data")

    def _series(self, *, quiet: bool = False) -> None:
        """Show the total by month, and compare it with the tenant's own records."""
        body = self._get("/series", group_by="")
        points = body["points"]
        wanted = self._records_total()
        total = math.fsum(point["value"] for point in points)
        check(math.isclose(total, wanted, rel_tol=1e-12), f"total {total}, records say {wanted}")
        check(bool(body["warning"]) == quiet, "the series must say whether it is stale")
        if quiet:
            out.print(f"\n[bold]GET /series[/] still answers: {len(points)} months")
            return
        out.print(f"\n[bold]GET /series?group_by=[/]: {MEASURE} by month, all {len(points)}")
        table = Table("date", "value")
        table.columns[1].justify = "right"
        for point in points[-SHOWN_MONTHS:]:
            table.add_row(point["date"], f"{point['value']:,.2f}")
        out.print(table)
        out.print(f"  the values add up to the tenant's own records: {total:,.2f}")

    def _records_total(self) -> float:
        """Add up the simulated tenant's raw records, independently of the service."""
        model = self._tenant.get(f"/_admin/rows/{MODEL}").raise_for_status().json()
        records = [dict(zip(model["columns"], row, strict=True)) for row in model["rows"]]
        values = [
            Decimal(record[MEASURE])
            for record in records
            if record["Version"] == VERSION
            and record[MEASURE] is not None
            and record["Date"] not in NO_DATES
        ]
        return float(sum(values, Decimal()))


def check(holds: bool, otherwise: str) -> None:
    """Stop the demo if something does not hold.

    Raises:
        CheckFailedError: It does not.
    """
    if not holds:
        raise CheckFailedError(otherwise)


def main(
    check_only: Annotated[bool, typer.Option("--check", help="Check, stop, exit.")] = False,
    port: Annotated[int, typer.Option(help="Port of the service; 0 for any.")] = 8000,
) -> None:
    """Show the whole path against a simulated tenant."""
    with (
        tempfile.TemporaryDirectory() as cache,
        python_module("demo.tenant", "--port", "0", "--quiet") as tenant,
    ):
        tenant_url = first_url(tenant)
        wanted = free_port(0 if check_only else port)
        url = f"http://127.0.0.1:{wanted}"
        # Run in the temporary folder, so that no `.env` of the reader's is read.
        options = ("--app-dir", str(ROOT), "--port", str(wanted), "--log-level", "warning")
        settings = settings_for(tenant_url, cache)
        with python_module(
            "uvicorn", "app.main:app", *options, folder=cache, settings=settings
        ) as service:
            wait_until_live(service, url)
            out.print(f"Simulated tenant  {tenant_url}\nService           {url}")
            show = Show(tenant_url, url)
            try:
                show.run()
            finally:
                show.close()
            out.print(f"\nSeries  {url}/series\nAPI     {url}/docs")
            if check_only:
                out.print("DEMO OK")
                return
            out.print("Serving until Ctrl-C.")
            service.wait()


if __name__ == "__main__":
    try:
        typer.run(main)
    except (StartError, CheckFailedError) as error:
        sys.exit(f"DEMO FAILED: {error}")
    except KeyboardInterrupt:
        pass
