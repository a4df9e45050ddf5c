"""Questions to a cached series: which periods, which members, how coarse, in which form. Pure.

`run_query` answers from a table; who asks the same series again keeps its `Cube`. The meaning of
each part of a `SeriesQuery`, and the order in which they apply, is in docs/queries.md.
"""

from app.pipeline.query.asked import (
    Aggregation,
    Fill,
    SeriesQuery,
    SortKey,
    Transform,
    parse_sort,
)
from app.pipeline.query.bounds import parse_end, parse_start
from app.pipeline.query.calendar import day_span
from app.pipeline.query.cube import Cube
from app.pipeline.query.cursor import Cursor, Place, digest_of, parse_cursor
from app.pipeline.query.guards import MAX_ROWS, Guards
from app.pipeline.query.index import Column, SeriesIndex
from app.pipeline.query.lookup import KeyLookup, KeyPoints
from app.pipeline.query.plan import Plan, is_light, plan_query
from app.pipeline.query.result import Columns, QueryResult, iso_date
from app.pipeline.query.run import run_plan, run_query
from app.pipeline.query.selection import EXCLUDED_MARK, PREFIX_MARK, dimension_place

__all__ = [
    "EXCLUDED_MARK",
    "MAX_ROWS",
    "PREFIX_MARK",
    "Aggregation",
    "Column",
    "Columns",
    "Cube",
    "Cursor",
    "Fill",
    "Guards",
    "KeyLookup",
    "KeyPoints",
    "Place",
    "Plan",
    "QueryResult",
    "SeriesIndex",
    "SeriesQuery",
    "SortKey",
    "Transform",
    "day_span",
    "digest_of",
    "dimension_place",
    "is_light",
    "iso_date",
    "parse_cursor",
    "parse_end",
    "parse_sort",
    "parse_start",
    "plan_query",
    "run_plan",
    "run_query",
]
