"""PyTorch's `hub`: there are no models to download; each function says what to do instead."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "load_url", "set_dir"]


def _refused(name: str, advice: str) -> Any:
    def function(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(f"hub.{name}(): {advice}")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Raise: {advice}."
    return function


_CODE = "code of others is not downloaded and run; training.models has well-known networks under their weight names"
_WEIGHTS = ("files of pickles are not read; save the state_dict as safetensors where PyTorch is, and read it with "
            "load() and load_state_dict()")
_FILES = "fetch the file by other means, and read it from the disk"

load, list, help = (_refused(name, _CODE) for name in ("load", "list", "help"))
load_state_dict_from_url, load_url = (_refused(name, _WEIGHTS) for name in ("load_state_dict_from_url", "load_url"))
download_url_to_file, get_dir, set_dir = (_refused(name, _FILES)
                                          for name in ("download_url_to_file", "get_dir", "set_dir"))
