"""Web pages and redirects that came in place of data: whose they are, and whom to ask."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final
from urllib.parse import urljoin, urlsplit

from app.errors import (
    EndpointNotValidError,
    LoginPageError,
    ProxyRefusedError,
    RedirectedError,
    SourceAnswerError,
    SourceError,
)
from app.sac_connector.http_answer import Answer
from app.sac_connector.proxies import TENANT_SETTING, host_of, on_the_way, proxy_of, wants_tls

SAC: Final = "SAP Analytics Cloud"
CHECK_ACCESS: Final = (
    "In System > Administration > App Integration, the OAuth client needs purpose API Access "
    "and access to the Data Export Service."
)
CHECK_HOST: Final = "Check that SAC_TENANT_URL names the tenant's own host, without a path."
# What pages and addresses hold that lead to a login at SAP, or at a customer's identity provider.
SAP_LOGIN: Final = re.compile(
    r"saml|oauth|openid|\bidp\b|\bsap\b|sapanalytics|ondemand|hana\.|hcs\.cloud", re.IGNORECASE
)


def foreign_refusal(answer: Answer) -> SourceError:
    """Name a refusal in a form that the export service does not write: a web page, or a text."""
    host, status = host_of(answer.url), answer.status
    form = "a web page" if answer.looks_like_html else "a text"
    if status == HTTPStatus.NOT_FOUND:
        return EndpointNotValidError(
            f"{host} has no export service at this address ({status} with {form}).",
            next_step=CHECK_HOST,
        )
    return ProxyRefusedError(
        f"The status {status} with {form} came in place of {SAC}: a proxy, a firewall or the "
        f"gateway before {host} refuses the request.",
        next_step=f"Ask who runs {proxy_of(answer.url) or 'the network'} to allow the host; if "
        "that is not it, open SAC_TENANT_URL in a browser here.",
    )


def web_page(answer: Answer) -> SourceError:
    """Name whose web page came in place of data."""
    if not answer.says(SAP_LOGIN):
        return foreign_page(answer, TENANT_SETTING, LoginPageError)
    return LoginPageError(
        f"{SAC} answered with a web page instead of data: it wants a login in a browser.",
        next_step=f"Check SAC_TENANT_URL. {CHECK_ACCESS}",
    )


def foreign_page(answer: Answer, setting: str, kind: type[SourceError]) -> SourceError:
    """Say that a web page is not of SAC.

    Args:
        answer: What came.
        setting: The variable that holds the address that was asked.
        kind: The class of the error.
    """
    way = proxy_of(answer.url) or "a proxy or the network"
    return kind(
        f"A web page that is not from {SAC} came ({answer.status}): {way} has put it there, or "
        f"{setting} leads to somebody else.",
        next_step=f"Open https://{host_of(answer.url)} in a browser on this machine: whose page it "
        "is tells whom to ask.",
    )


def redirect(answer: Answer) -> SourceError:
    """Say where a redirect leads in place of data, and why."""
    status, target = answer.status, _target(answer)
    if target is None:
        return SourceAnswerError(
            f"The status {status} came instead of data: something keeps answers on the way.",
            next_step=f"Check {on_the_way(answer.url)}.",
        )
    asked, to = urlsplit(answer.url), urlsplit(target)
    if to.scheme == "https" and asked.scheme == "http" and to.hostname == asked.hostname:
        return wants_tls(answer.url)
    if to.hostname != asked.hostname and to.path == asked.path:
        return RedirectedError(
            f"{SAC} has another address: {asked.hostname} redirects to {to.hostname} ({status}).",
            next_step="Write the new host into SAC_TENANT_URL, if it is that of your tenant.",
        )
    if to.hostname == asked.hostname or SAP_LOGIN.search(target):
        return RedirectedError(
            f"{SAC} answered with a redirect ({status}) instead of data: it wants a login in a "
            "browser.",
            next_step=f"Check SAC_TENANT_URL. {CHECK_ACCESS}",
        )
    way = proxy_of(answer.url) or "a proxy or the network"
    return RedirectedError(
        f"A redirect ({status}) to {to.hostname} came instead of data: {way} wants a login, or "
        "SAC_TENANT_URL leads to somebody else.",
        next_step=f"Ask who runs {to.hostname}.",
    )


def _target(answer: Answer) -> str | None:
    """Return where a redirect leads; None if to no host that can be shown."""
    location = answer.headers.get("location", "")
    try:
        target = urljoin(answer.url, location)
        host = urlsplit(target).hostname or ""
        return target if location and re.fullmatch(r"[\w.:-]{1,100}", host) else None
    except ValueError:
        return None


def redirects_to(answer: Answer) -> str:
    """Return words for where a redirect leads; none for what is no redirect."""
    target = _target(answer)
    return "" if target is None else f", a redirect to {host_of(target)}"
