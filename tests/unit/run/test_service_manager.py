"""What systemd is told, and what its units say."""

import socket
from pathlib import Path

import pytest
from sources import ROOT

from waitroom.run.processes.exits import REFUSED, UNFIT
from waitroom.run.processes.launched import inherited_environment
from waitroom.run.processes.service_manager import OF_THIS_PROCESS, ServiceManager

UNITS = ROOT / "config" / "systemd"


@pytest.mark.parametrize("mark", ["", "@"])
def test_words_reach_the_socket_that_the_environment_names(tmp_path: Path, mark: str) -> None:
    name = f"{mark}{tmp_path}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0"))
        manager.settimeout(5)
        teller = ServiceManager({"NOTIFY_SOCKET": name})
        teller.ready()
        teller.alive()
        teller.stopping()

        heard = [manager.recv(64) for _ in range(3)]

    assert heard == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_nobody_listening_is_no_error(tmp_path: Path) -> None:
    ServiceManager({}).ready()
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).alive()


def test_no_process_of_a_supervisor_speaks_to_its_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OF_THIS_PROCESS:
        monkeypatch.setenv(name, "/run/notify")

    assert not set(OF_THIS_PROCESS) & set(inherited_environment())


def test_both_units_may_do_equally_little_and_go_by_the_exit_codes() -> None:
    texts = [path.read_text("utf-8") for path in sorted(UNITS.glob("*.service"))]
    bounds = {
        text.partition("\nNoNewPrivileges")[2].partition("\n[Install]")[0].strip() for text in texts
    }

    assert len(texts) == 2
    assert len(bounds) == 1
    assert all(f"RestartPreventExitStatus={REFUSED} {UNFIT}\n" in text for text in texts)
