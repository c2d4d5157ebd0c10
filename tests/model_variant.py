"""Another model for tests: the default with a moved bias, so that its labels differ and its weights file does not."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from pipeline.sentiment.folder import CARD, CONFIG, HEAD
from pipeline.settings import load_settings


def variant(folder: Path, name: str, bias: tuple[float, float, float] = (0.0, 0.0, 4.0)) -> Path:
    """Make ``folder`` a model called ``name`` whose logits are moved by ``bias`` (negative, neutral, positive)."""
    shutil.copytree(load_settings().model_path, folder, ignore=shutil.ignore_patterns(CARD))
    tensors = load_file(folder / HEAD)
    tensors["bias"] = (tensors["bias"] + np.asarray(bias)).astype(tensors["bias"].dtype)
    save_file(tensors, folder / HEAD)
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    config["babelwatch"]["name"] = name
    data = (folder / HEAD).read_bytes()
    config["babelwatch"]["files"][HEAD] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    return folder
