"""A process that has exchanged its model can still be told to stop."""

import subprocess
import sys

SWAP = """
import gc, os, signal, threading
from pipeline.sentiment.installed import SHIPPED
from pipeline.sentiment.model import load_model
from pipeline.settings import load_settings

signal.signal(signal.SIGTERM, lambda *_: print("told to stop", flush=True))
serving = [load_model(load_settings(model_path=SHIPPED / "fast"))]

def swap():
    serving[0] = load_model(load_settings(model_path=SHIPPED / "fast"))
    gc.collect()

thread = threading.Thread(target=swap)
thread.start()
thread.join()
os.kill(os.getpid(), signal.SIGTERM)
print(serving[0].judge(["What a lovely day"], ["en"])[0].label, flush=True)
os._exit(0)
"""


def test_a_signal_after_a_swap_in_another_thread_is_handled() -> None:
    done = subprocess.run([sys.executable, "-c", SWAP], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, f"{done.returncode}\n{done.stderr}"
    assert done.stdout.split("\n")[:2] == ["told to stop", "positive"]
