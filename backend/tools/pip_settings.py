"""Print pip's index settings as shell lines for uv, which does not read pip's configuration.

Anything the operator has set for uv itself wins: then nothing is printed for it.
"""

import os
import shlex
import subprocess
import sys

UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
}
UV_INDEX_CHOICES = {"UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_CONFIG_FILE"}
FALSE_WORDS = {"0", "false", "no", "off", ""}


def read_pip_settings(listing: str) -> dict[str, str]:
    """Parse `pip config list`: later sources win (files, then install, then environment)."""
    ranked: dict[str, tuple[int, str]] = {}
    for line in listing.splitlines():
        key, separator, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if not separator or section not in {"global", "install", ":env:"}:
            continue
        rank = {"global": 0, "install": 1, ":env:": 2}[section]
        if name not in ranked or rank >= ranked[name][0]:
            ranked[name] = (rank, value.strip().strip("'\""))
    return {name: value for name, (_, value) in ranked.items()}


def uv_environment(pip_settings: dict[str, str], environment: dict[str, str]) -> dict[str, str]:
    """Translate pip's settings into uv's variables, leaving out what is already chosen."""
    chosen_for_uv = bool(UV_INDEX_CHOICES & environment.keys())
    result: dict[str, str] = {}
    for pip_name, uv_name in UV_NAMES.items():
        value = pip_settings.get(pip_name, "")
        if not value or uv_name in environment:
            continue
        if chosen_for_uv and pip_name in {"index-url", "extra-index-url", "find-links", "no-index"}:
            continue
        if pip_name == "no-index" and value.lower() in FALSE_WORDS:
            continue
        # pip prints a list of several lines with the two characters \n between them.
        words = value.replace("\\n", " ").split()
        result[uv_name] = ",".join(words) if uv_name == "UV_FIND_LINKS" else " ".join(words)
    if "UV_INDEX" in result and "UV_INDEX_STRATEGY" not in environment:
        # pip looks into every index. uv would stop at the first that knows the name, whose files
        # may not be the locked ones; the hashes make looking further harmless.
        result["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return result


def main() -> None:
    """Print one `export` line per setting."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    for name, value in uv_environment(read_pip_settings(listing), dict(os.environ)).items():
        print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    main()
