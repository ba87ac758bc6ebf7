"""Another Linux kernel, for what this machine's own has not: user-mode Linux, an ordinary process.

It sees this machine's files, and can change none of them but those of one folder. Its network is
its own, with nothing on it.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

KERNEL = "linux.uml"
MODULES = Path("/usr/lib/uml/modules")
PATIENCE = 300.0
"""Seconds from its start to its end on a busy machine."""
_MEMORY = "384M"
_TREE = Path(__file__).parent.parent
_INIT = """\
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/run TMPDIR=/run PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mount -t hostfs -o {folder} folder /mnt
mkdir -p /run/lib
ln -s {library} /run/lib/modules
modprobe --dirname /run --all {modules}
cd {tree}
{python} -m {guest} /mnt >/mnt/said 2>&1
echo $? >/mnt/status
sync
echo o >/proc/sysrq-trigger
sleep 60
"""


def needed() -> None:
    """Skip the test, and say so, where that kernel is not."""
    if shutil.which(KERNEL) is None or not MODULES.is_dir():
        pytest.skip(f"NOT PROVEN HERE: {KERNEL} is not installed (Debian's user-mode-linux, amd64)")


def run(guest: str, folder: Path, modules: Sequence[str]) -> str:
    """Run a Python module as root of that kernel, to its end.

    Args:
        guest: the module, told as its one argument where ``folder`` is there.
        folder: the only one that it can write.
        modules: of the kernel, loaded before.

    Returns:
        Everything it has printed.
    """
    init = folder / "init"
    script = _INIT.format(
        folder=folder,
        library=MODULES,
        modules=" ".join(modules),
        tree=_TREE,
        python=sys.executable,
        guest=guest,
    )
    init.write_text(script, "ascii")
    init.chmod(0o755)
    command = [KERNEL, f"mem={_MEMORY}", f"uml_dir={folder}", "root=/dev/root", "rootflags=/"]
    command += ["rootfstype=hostfs", "ro", f"init={init}", "con=null", "con0=null,fd:1"]
    console = folder / "console"
    with console.open("wb") as output:
        kernel = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            kernel.wait(PATIENCE)
        finally:
            if kernel.poll() is None:
                os.killpg(kernel.pid, signal.SIGKILL)
                kernel.wait()
    said = (folder / "said").read_text("utf-8", "replace") if (folder / "said").exists() else ""
    status = (folder / "status").read_text("ascii") if (folder / "status").exists() else "none"
    assert status.strip() == "0", f"{guest}: exit status {status}\n{said}\n{console.read_text()}"
    return said
