"""The tenant as a process: start, stop, and what needs a real connection."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from demo.tenant.__main__ import main
from demo.tenant.models import Dimension, Model, table_of
from demo.tenant.tables import Table
from tests.demo.tenant.conftest import FACTS, SERVICE, Caller
from tests.simulated_tenant import PATIENCE_S, ROOT, SimulatedTenant

COMMAND = [sys.executable, "-m", "demo.tenant"]


def test_it_says_where_it_is_and_stops_without_a_word() -> None:
    """One line names the address, the next ones what a user needs; SIGINT ends it with 0."""
    process = subprocess.Popen(
        [*COMMAND, "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    url = first.removeprefix("Simulated SAC tenant on ").strip()
    assert url.startswith("http://127.0.0.1:")
    assert httpx.get(f"{url}/_admin/settings", trust_env=False).status_code == 200
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 0
    rest, errors = process.stdout.read(), process.communicate()[1]
    assert errors == ""
    assert f"{url}/oauth/token" in rest
    assert "client id  sb-" in rest
    assert f"{url}/_admin" in rest


def test_a_hanging_call_does_not_keep_it_alive() -> None:
    """SIGTERM ends it with 0 while a caller still waits, and the caller notices."""
    tenant = SimulatedTenant(rows=1)
    tenant.fault("hang")
    with httpx.Client(trust_env=False, timeout=PATIENCE_S) as http, ThreadPoolExecutor(1) as pool:
        call = pool.submit(http.get, tenant.url)
        while not tenant.log()["requests"]:
            pass
        assert tenant.stop() == 0
        assert isinstance(call.exception(), httpx.TransportError)
    assert tenant.stop() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(tenant.pid, 0)


def test_it_ends_with_the_process_that_started_it() -> None:
    """When the other end of its input goes away, it stops by itself."""
    with subprocess.Popen(
        [*COMMAND, "--port", "0", "--quiet", "--until-eof"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        assert process.communicate(timeout=PATIENCE_S)[0] == ""
    assert process.returncode == 0


def test_a_taken_port_and_a_wrong_size_are_said_plainly(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No stack trace, and a status other than 0."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["--rows", "1", "--port", str(taken.getsockname()[1])]) == 1
    assert capsys.readouterr().err.startswith("Cannot listen on 127.0.0.1:")
    with pytest.raises(SystemExit):
        main(["--rows", "1000001"])
    assert "1,000,000" in capsys.readouterr().err


def test_a_tenant_that_does_not_start_is_an_error() -> None:
    """The test helper does not hand out a dead tenant."""
    with pytest.raises(RuntimeError, match="did not start"):
        SimulatedTenant(options=["--version"])


def test_a_truncated_body_breaks_its_promise(process: SimulatedTenant, wire: httpx.Client) -> None:
    """The length says more than what comes before the end of the connection."""
    process.fault("truncate", match="page")
    with pytest.raises(httpx.RemoteProtocolError):
        wire.get(FACTS)
    assert wire.get(FACTS).status_code == 200


@pytest.mark.parametrize("at", ["middle", "start"])
def test_a_reset_is_a_reset(process: SimulatedTenant, wire: httpx.Client, at: str) -> None:
    """The connection ends in RST, in the middle of an answer or before it."""
    process.fault("reset", match="page", at=at)
    with pytest.raises(httpx.ReadError, match="reset by peer"):
        wire.get(FACTS)
    assert wire.get(FACTS).status_code == 200
    assert process.log()["requests"][1]["fault"] == "reset"


def test_a_hanging_call_ends_when_its_caller_leaves(
    process: SimulatedTenant, wire: httpx.Client
) -> None:
    """The caller's own time limit strikes, and the tenant goes on."""
    process.fault("hang", match="page")
    with pytest.raises(httpx.ReadTimeout):
        wire.get(FACTS, timeout=httpx.Timeout(PATIENCE_S, read=0.1))
    assert wire.get(FACTS).status_code == 200


def test_parallel_calls_are_seen_as_such(process: SimulatedTenant, wire: httpx.Client) -> None:
    """Four callers at once are four in flight."""
    process.fault("hold", match="page", times=None)
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(wire.get, FACTS) for _ in range(4)]
        process.until_held(4)
        assert not any(call.done() for call in calls)
        process.clear_faults()
        assert [call.result().status_code for call in calls] == [200] * 4
    assert process.log()["counts"]["max_parallel"] == 4


async def test_two_large_pages_are_made_side_by_side(caller: Caller) -> None:
    """While they are made, a third caller is not kept waiting."""
    asked, met = threading.Event(), threading.Event()
    meeting = threading.Barrier(2, met.set)

    def build() -> Table:
        meeting.wait(PATIENCE_S)
        assert asked.wait(PATIENCE_S)
        return table_of({"Region": ["EMEA"]}, ())

    for name in ("CONE", "CTWO"):
        model = Model(name, "", "", (Dimension("Region", "generic"),), (), build, custom=True)
        caller.state.add_model(model)
    both = [caller.get(f"{SERVICE}/{name}/FactData") for name in ("CONE", "CTWO")]
    pages = asyncio.gather(*both)
    assert await asyncio.to_thread(met.wait, PATIENCE_S)
    await caller.log()
    assert not pages.done()
    asked.set()
    assert [page.status_code for page in await pages] == [200, 200]


def test_a_raw_address_is_logged_as_sent(process: SimulatedTenant, wire: httpx.Client) -> None:
    """Nothing on the way decodes or tidies what the client wrote."""
    wire.get(f"{SERVICE}/%43X/FactData?%24top=1&$filter=A%20eq%20%27%23%27")
    entry = process.log()["requests"][-1]
    assert entry["raw_path"] == f"{SERVICE}/%43X/FactData"
    assert entry["raw_query"].startswith("%24top=1&$filter=A%20eq%20")


def test_links_name_the_host_that_the_caller_used(wire: httpx.Client) -> None:
    """A caller by another name of the host gets links under that name."""
    port = wire.base_url.port
    answer = wire.get(f"http://localhost:{port}{FACTS}")
    assert answer.json()["@odata.nextLink"].startswith(f"http://localhost:{port}/")


def test_the_helper_speaks_to_every_admin_call(process: SimulatedTenant) -> None:
    """Settings, faults, models, rows, revoke: each has a typed method, and errors are raised."""
    assert process.settings(link="service")["link"] == "service"
    process.fault("status", match="page")
    process.clear_faults()
    process.add_model(
        "CTEST",
        dimensions=["Region", {"name": "Date", "role": "date"}],
        measures=["M"],
        rows=[["EMEA", "202401", "1.50"], ["EMEA", "202402", None]],
    )
    assert process.rows("CTEST", "M ne null") == [{"Region": "EMEA", "Date": "202401", "M": "1.50"}]
    assert process.revoke() == 0
    with pytest.raises(ValueError, match="unknown"):
        process.settings(nonsense=1)
