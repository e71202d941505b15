"""Where the API is, and the way to it."""

import ipaddress
import ssl
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx


def api_url(text: str) -> httpx.URL:
    """Raises ValueError with a text that says what to write; it does not repeat credentials that stand in `text`."""
    try:
        url = httpx.URL(text.strip())
        port = urlsplit(text.strip()).port
    except (ValueError, httpx.InvalidURL):
        raise ValueError("BASETEN_BASE_URL is not a URL: write it as https://api.baseten.co") from None
    if url.scheme not in ("https", "http") or not url.host or "%" in url.host or port == 0:
        raise ValueError("BASETEN_BASE_URL is not an https URL: write it as https://api.baseten.co")
    if url.userinfo:
        raise ValueError("BASETEN_BASE_URL holds a user or password: write it without, the key comes from BASETEN_API_KEY or a Secret")
    if url.query or url.fragment or text.strip()[-1] in "?#":
        raise ValueError("BASETEN_BASE_URL ends with a query or fragment: write it without '?' and '#'")
    if url.path.rstrip("/").endswith("/v1"):
        raise ValueError("BASETEN_BASE_URL ends with /v1: write it without, the paths of the API begin with it")
    if url.scheme == "http" and not _is_loopback(url.host):
        raise ValueError(f"BASETEN_BASE_URL would send keys unencrypted: write https://{url.host} (http is for loopback only)")
    return url


def proxy_for(url: httpx.URL) -> httpx.Proxy | None:
    """From HTTPS_PROXY, ALL_PROXY and NO_PROXY. Plain http is for loopback, which never goes through a proxy."""
    proxies = getproxies()
    found = proxies.get("https") or proxies.get("all")
    if url.scheme != "https" or not found or proxy_bypass(url.host):
        return None
    try:
        proxy = httpx.URL(found if "://" in found else f"http://{found}")
    except httpx.InvalidURL:
        proxy = httpx.URL()
    if proxy.scheme not in ("http", "https") or not proxy.host:
        raise ValueError("HTTPS_PROXY is not the URL of an HTTP proxy: write it as http://proxy.example:3128")
    return httpx.Proxy(proxy)


def trusted() -> ssl.SSLContext:
    """The authorities of SSL_CERT_FILE or SSL_CERT_DIR, else certifi's."""
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        raise ValueError(f"SSL_CERT_FILE cannot be used: {error.strerror or error}") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
