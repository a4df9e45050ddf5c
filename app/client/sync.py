"""The client that blocks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self, TypeVar, Unpack

import httpx

from app.client import calls
from app.client.answers import (
    DatasetInfo,
    DatasetList,
    DatasetState,
    Members,
    Operation,
    RefreshResult,
    read,
)
from app.client.options import PATIENT, RefreshOptions, SeriesOptions, http_options
from app.client.series import Series

T = TypeVar("T")


class SeriesClient:
    """Reads and refreshes series of one service. Safe to share between threads.

    Args:
        url: Address of the service, for example `http://localhost:8000`, with the path that a
            proxy before it cuts off (`https://host/sac`).
        api_key: A key of the service, or a bearer token; None if it needs none.
        timeout_s: Longest wait for a part of an answer. A refresh takes as long as its pull.
    """

    def __init__(self, url: str, *, api_key: str | None = None, timeout_s: float = 60.0) -> None:
        self._http = httpx.Client(**http_options(url, api_key, timeout_s))
        self._kept = calls.Kept()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def series(self, dataset: calls.Names | None = None, **query: Unpack[SeriesOptions]) -> Series:
        """Read points; what was read before is confirmed instead of sent again if it still holds.

        Args:
            dataset: Name of a dataset, or several; none for the default one.
            **query: Which points, as `GET /series` has it (`start="2026-01"`, `grain="quarter"`,
                `where={"region": ["EMEA", "APJ"]}`, …).

        Raises:
            ProblemError: The service refuses or cannot serve the query.
            ServiceError: The service cannot be reached.
        """
        page = self._series(calls.series_call(calls.Query(dataset=dataset, **query)))
        calls.Pages().behind(page)
        return page

    def pages(
        self, dataset: calls.Names | None = None, **query: Unpack[SeriesOptions]
    ) -> Iterator[Series]:
        """Read points page by page, `limit` points each, all of one version.

        Raises:
            ProblemError: The service refuses or cannot serve the query.
            ServiceError: The service cannot be reached, or the pages are not parts of one whole.
        """
        pages = calls.Pages()
        call: calls.Call | None = calls.series_call(calls.Query(dataset=dataset, **query))
        while call is not None:
            page = self._series(call)
            call = pages.behind(page)
            yield page

    def refresh(
        self, dataset: str | None = None, **options: Unpack[RefreshOptions]
    ) -> RefreshResult:
        """Pull a dataset again and wait for it, however long it takes.

        A pull that fails is no error as long as there is a version to serve: `status` is `stale`
        and `warning` says why.

        Raises:
            ProblemError: The pull failed and there is nothing to serve.
            ServiceError: The service cannot be reached.
        """
        call = calls.refresh_call(dataset, options)
        return self._read(call, RefreshResult, patient=True)

    def start_refresh(
        self, dataset: str | None = None, **options: Unpack[RefreshOptions]
    ) -> Operation:
        """Begin to pull a dataset, and do not wait for it.

        Raises:
            ProblemError: The service refuses.
            ServiceError: The service cannot be reached.
        """
        return self._read(calls.refresh_call(dataset, options, prefer="respond-async"), Operation)

    def operation(self, operation: str) -> Operation:
        """Look at a refresh that runs on its own.

        Raises:
            ProblemError: There is none of this id.
            ServiceError: The service cannot be reached.
        """
        return self._read(calls.operation_call(operation), Operation)

    def cancel(self, operation: str) -> Operation:
        """Stop a refresh that runs on its own; what is served stays as it is.

        Raises:
            ProblemError: There is none of this id, or it cannot be stopped.
            ServiceError: The service cannot be reached.
        """
        return self._read(calls.cancel_call(operation), Operation)

    def wait(self, operation: str, *, every_s: float = 1.0) -> Operation:
        """Wait until a refresh has ended.

        Raises:
            ProblemError: There is none of this id.
            ServiceError: The service cannot be reached.
        """
        while not (found := self.operation(operation)).done:
            time.sleep(every_s)
        return found

    def datasets(self) -> list[DatasetState]:
        """List the datasets.

        Raises:
            ProblemError: The service refuses.
            ServiceError: The service cannot be reached.
        """
        return self._read(calls.Call("GET", "/datasets"), DatasetList).datasets

    def dataset(self, name: str = "default") -> DatasetInfo:
        """Tell bounds, grains and dimensions of a dataset.

        Raises:
            ProblemError: There is none of this name, or nothing to serve.
            ServiceError: The service cannot be reached.
        """
        return self._read(calls.dataset_call(name), DatasetInfo)

    def members(
        self,
        dimension: str,
        dataset: str = "default",
        *,
        search: str = "",
        after: str | None = None,
        limit: int = 100,
        where: calls.Members | None = None,
    ) -> Members:
        """List members of a dimension.

        Raises:
            ProblemError: There is no such dataset, dimension or member.
            ServiceError: The service cannot be reached.
        """
        call = calls.members_call(
            dataset, dimension, search=search, after=after, limit=limit, where=where or {}
        )
        return self._read(call, Members)

    def _series(self, call: calls.Call) -> Series:
        known = self._kept.known(call)
        return self._kept.answered(call, known, self._send(calls.validated(call, known)))

    def _read(self, call: calls.Call, form: type[T], *, patient: bool = False) -> T:
        response = self._send(call, patient=patient)
        return read(response.content, form, str(response.url))

    def _send(self, call: calls.Call, *, patient: bool = False) -> httpx.Response:
        try:
            request = self._http.build_request(
                call.method,
                call.url,
                params=list(call.params) or None,
                headers=call.headers,
                json=call.body,
                timeout=PATIENT if patient else httpx.USE_CLIENT_DEFAULT,
            )
        except httpx.InvalidURL as error:
            raise calls.unsendable(error) from error
        try:
            response = self._http.send(request)
        except httpx.HTTPError as error:
            raise calls.unreachable(request, error) from error
        calls.raise_for_problem(response)
        return response
