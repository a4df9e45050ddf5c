"""How answers travel: gzip by negotiation, chunks, and faults on top of both."""

import gzip
import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.tenant.transfer import takes_gzip
from tests.demo.tenant.conftest import FACTS, Caller
from tests.simulated_tenant import SimulatedTenant

SMALL = f"{FACTS}?pagesize=1"


@pytest.mark.parametrize(
    ("accepted", "verdict"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("gzip;q=0.0", False),
        ("gzip;q=.", False),
        ("", False),
        ("identity", False),
        ("xgzip", False),
    ],
)
def test_a_caller_says_whether_it_takes_gzip(accepted: str, verdict: bool) -> None:
    """By name or by star, and a quality of 0 forbids it."""
    assert takes_gzip(accepted) is verdict


@given(st.text())
def test_no_header_breaks_the_negotiation(accepted: str) -> None:
    """Whatever a caller writes, it is a yes or a no."""
    assert takes_gzip(accepted) in {True, False}


async def test_a_large_answer_is_compressed_for_those_who_take_it(caller: Caller) -> None:
    """By switch; the rows are the same, and caches are told what it depends on."""
    plain = await caller.get(FACTS, **{"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    caller.switch(gzip=True)
    packed = await caller.get(FACTS, **{"accept-encoding": "gzip"})
    unpacked = await caller.get(FACTS, **{"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(packed.content) / 5
    assert "content-encoding" not in unpacked.headers
    assert packed.headers["vary"] == unpacked.headers["vary"] == "Accept-Encoding"
    assert packed.json() == unpacked.json() == plain.json()


async def test_a_small_answer_is_left_alone(caller: Caller) -> None:
    """Below 1 kB nothing is gained."""
    caller.switch(gzip=True)
    answer = await caller.get(SMALL, **{"accept-encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    await caller.fault("gzip", match="page")
    answer = await caller.get(FACTS, **{"accept-encoding": "gzip"})
    assert answer.json()["value"]


def test_a_chunked_answer_has_no_length(process: SimulatedTenant, wire: httpx.Client) -> None:
    """By switch the bodies come in pieces; what is in them stays the same, packed or not."""
    plain = wire.get(FACTS).json()
    process.settings(chunked=True)
    for packed in (False, True):
        process.settings(gzip=packed)
        with wire.stream("GET", FACTS) as answer:
            raw = list(answer.iter_raw())
        assert answer.headers["transfer-encoding"] == "chunked"
        assert "content-length" not in answer.headers
        whole = b"".join(raw)
        assert json.loads(gzip.decompress(whole) if packed else whole) == plain


def test_a_chunked_answer_can_break_off(process: SimulatedTenant, wire: httpx.Client) -> None:
    """Without the last chunk a client must not take it for whole; gzip or not."""
    for packed in (False, True):
        process.settings(chunked=True, gzip=packed)
        process.fault("truncate", match="page")
        with pytest.raises(httpx.RemoteProtocolError):
            wire.get(FACTS)
        process.clear_faults()
    assert wire.get(FACTS).status_code == 200
