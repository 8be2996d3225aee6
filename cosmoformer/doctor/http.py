"""One request to the store, without its client: as a browser, or a stranger, sends it."""

from __future__ import annotations

import urllib3

from cosmoformer.addresses import is_address
from cosmoformer.errors import CosmoFormerError, SettingsError, StoreUnavailable

_HTTP = urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=10), retries=False)


def ask(
    method: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> urllib3.BaseHTTPResponse:
    """The answer, whatever its status.

    Raises:
        SettingsError: the URL is none.
        StoreUnavailable: there is no answer.
    """
    if not is_address(url):  # urllib3 would guess
        raise SettingsError(f"{url!r} is no address", "Expected http://HOST:PORT or https://HOST")
    try:
        return _HTTP.request(method, url, body=body, headers=headers)
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        address = url.partition("?")[0]  # the rest is a signature
        raise _unreachable(address, error) from error


def _unreachable(address: str, error: Exception) -> CosmoFormerError:
    reason = type(error).__name__ if "?" in str(error) else str(error)
    return StoreUnavailable(
        f"{address} does not answer: {reason}", "Are S3_ENDPOINT_URL and S3_PUBLIC_ENDPOINT_URL right?"
    )
