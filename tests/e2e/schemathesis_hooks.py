"""What schemathesis checks beyond its own: refusals of well-formed queries give their reason."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis.checks import CheckContext

# What only the data can judge. The name of a parameter of one of these, or of a dimension.
DATA_DEPENDENT = {
    *("start", "end", "first", "last", "grain", "agg", "group_by", "fill", "transform"),
    *("sort", "cursor", "as_of", "limit"),
}
# Its own probes with a parameter that does not exist, which must be refused.
PROBE = "x-schemathesis"
UNPROCESSABLE = 422


@schemathesis.check
def refusals_have_a_reason(
    ctx: CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """Fail if a query that fits the document is refused for what the document could have said."""
    del ctx
    mode = None if case.meta is None else case.meta.generation.mode
    if response.status_code != UNPROCESSABLE or mode is not schemathesis.GenerationMode.POSITIVE:
        return
    problem = response.json()
    parameter = problem.get("parameter") or ""
    known = parameter in DATA_DEPENDENT or parameter.startswith(("dim_", PROBE))
    if problem["code"] not in {"bad_query", "query_too_large"} or not known:
        raise AssertionError(f"a well-formed request was refused: {problem}")
