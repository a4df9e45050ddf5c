"""Pulls the same pages with dlt: its `rest_api` source into Parquet files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import dlt
import dlt.destinations
import pyarrow.parquet as pq
from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials
from dlt.sources.helpers.rest_client.paginators import JSONLinkPaginator
from dlt.sources.rest_api import rest_api_source

from tests.benchmarks.facts import COLUMNS, FILTER
from tests.benchmarks.meter import Found, measured, tell
from tests.benchmarks.server import ROOT_PATH, TOKEN_PATH

_PIPELINE: Final = "bench"
_DATASET: Final = "facts"


def pull(url: str, folder: Path) -> None:
    """Pull all pages into Parquet files below a folder."""
    source = rest_api_source(
        {
            "client": {
                "base_url": f"{url}{ROOT_PATH}",
                # The login by position: the names of its arguments are those of secrets.
                "auth": OAuth2ClientCredentials(None, f"{url}{TOKEN_PATH}", "bench", "made-up"),
                # By hand: dlt does not recognise `@odata.nextLink` by itself.
                "paginator": JSONLinkPaginator(next_url_path="['@odata.nextLink']"),
            },
            "resources": [
                {
                    "name": "fact_data",
                    "endpoint": {
                        "path": "FactData",
                        "params": {"$select": ",".join(COLUMNS), "$filter": FILTER},
                        "data_selector": "value",
                    },
                }
            ],
        }
    )
    pipeline = dlt.pipeline(
        _PIPELINE,
        pipelines_dir=str(folder / "work"),
        destination=dlt.destinations.filesystem(bucket_url=(folder / "out").as_uri()),
        dataset_name=_DATASET,
    )
    pipeline.run(source, loader_file_format="parquet")


def loaded(folder: Path) -> Found:
    """Return what the files hold."""
    files = (folder / "out" / _DATASET / "fact_data").glob("*.parquet")
    tables = [pq.read_table(path, columns=["date"]) for path in files]
    # Floats: their sum is not exact, and is not held against dlt.
    return Found(sum(table.num_rows for table in tables))


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description="Pulls all pages with dlt.")
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    url, folder = arguments.url, arguments.folder
    tell(measured(lambda: pull(url, folder), lambda: loaded(folder)))


if __name__ == "__main__":
    main()
