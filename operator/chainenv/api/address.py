"""Where the API is, and the way to it."""

import os
import re
import ssl
from pathlib import Path
from typing import Final
from urllib.request import getproxies, proxy_bypass

import httpx

from ..settings import base_url

_HASHED: Final = re.compile(r"[0-9a-f]{8}\.[0-9]+")


def api_url(text: str) -> httpx.URL:
    """Raises ValueError with a text that says what to write; it does not repeat credentials that stand in `text`."""
    try:
        return httpx.URL(base_url(text))
    except ValueError as error:
        raise ValueError(f"BASETEN_BASE_URL cannot be used: {error}") from None


def proxy_for(url: httpx.URL) -> httpx.Proxy | None:
    """From HTTPS_PROXY, ALL_PROXY and NO_PROXY. Plain http is for loopback, which never goes through a proxy.

    Raises ValueError, without the proxy's credentials in the text.
    """
    proxies = getproxies()
    name = next((name for name in ("https", "all") if proxies.get(name)), None)
    if url.scheme != "https" or name is None or proxy_bypass(url.host):
        return None
    found = proxies[name]
    try:
        proxy = httpx.URL(found if "://" in found else f"http://{found}")
    except httpx.InvalidURL:
        proxy = httpx.URL()
    if proxy.scheme not in ("http", "https") or not proxy.host:
        kind = f"a {proxy.scheme} proxy" if proxy.scheme.startswith("socks") else "not the URL of an HTTP proxy"
        variable = next((each for each in (f"{name}_proxy", f"{name.upper()}_PROXY") if os.environ.get(each)), f"{name.upper()}_PROXY")
        raise ValueError(f"{variable} cannot be used: it is {kind}: write the URL of an HTTP proxy, such as http://proxy.example:3128")
    return httpx.Proxy(proxy)


def trusted() -> ssl.SSLContext:
    """The authorities of SSL_CERT_FILE or SSL_CERT_DIR, else certifi's. Raises ValueError when there is none to trust."""
    file, directory = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if not file and directory:
        _check_directory(directory)
    try:
        return httpx.create_ssl_context()
    except ssl.SSLError:
        problem = "no certificate in PEM format is in it"
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
    raise ValueError(f"SSL_CERT_FILE={file!r} cannot be used: {problem}: write the path of a file with the authorities' certificates (PEM)")


def _check_directory(text: str) -> None:
    """OpenSSL finds an authority by the hash of its subject in the file's name; it takes a list of directories, and silence for none."""
    for directory in text.split(os.pathsep):
        try:
            if any(_HASHED.fullmatch(entry.name) for entry in Path(directory).iterdir()):
                return
            problem = "no certificate is in it under the hash of its subject"
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or str(error)
    raise ValueError(
        f"SSL_CERT_DIR={text!r} cannot be used: {problem}: write a directory that `openssl rehash` was run on, or use SSL_CERT_FILE"
    )
