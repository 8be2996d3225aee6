"""How this machine reaches what runs in the cluster: Knative's gateway, and ports of Services."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from urllib.parse import urlsplit

import urllib3

from cosmoformer.cluster.kubectl import Kubectl
from cosmoformer.errors import PermanentError
from tests.cluster.options import OWN_URLS, PORT_FORWARD, Options

#: Gateways for names inside the cluster, of Kourier, OpenShift, Istio and Contour: they serve every Service whatever the domain.
GATEWAYS = (
    "kourier-system/kourier-internal",
    "knative-serving-ingress/kourier-internal",
    "istio-system/knative-local-gateway",
    "contour-internal/envoy",
)
_FORWARDING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) -> \d+")
_COLD_START_S = 150.0


class PortForward:
    """`kubectl port-forward` to a Service, started anew when the connection was lost.

    Args:
        command: kubectl with its options.
        namespace: of the Service.
        service: its name.
        port: of the Service.
    """

    def __init__(self, command: list[str], namespace: str, service: str, port: int) -> None:
        target = [f"service/{service}", f":{port}", "--address", "127.0.0.1", "--namespace", namespace]
        self._argv = [*command, "port-forward", *target]
        self._process: subprocess.Popen[str] | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """The address on this machine."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        return f"http://localhost:{self._port}"

    def _start(self) -> None:
        self._process = subprocess.Popen(self._argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self._process.stdout is not None
        said = ""
        for line in self._process.stdout:
            said += line
            if (port := forwarded_port(line)) is not None:
                self._port = port
                return
        raise AssertionError(f"`{' '.join(self._argv)}` ended: {said}")

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)


def forwarded_port(line: str) -> int | None:
    """The port that a line of `kubectl port-forward` tells of."""
    found = _FORWARDING.match(line)
    return int(found[1]) if found else None


class Gateway:
    """Requests to Knative Services of one namespace.

    Args:
        options: say how the gateway is reached.
        kubectl: finds Services and their addresses.
        forward: makes a port-forward to a Service of any namespace.
    """

    def __init__(self, options: Options, kubectl: Kubectl, forward: Callable[[str, str, int], PortForward]) -> None:
        self._options, self._kubectl = options, kubectl
        self._forward = forward(*self._find(), 80) if options.ingress_address == PORT_FORWARD else None
        self._http = urllib3.PoolManager(timeout=_COLD_START_S, retries=urllib3.Retry(2, backoff_factor=1, read=0))

    def _find(self) -> tuple[str, str]:
        known = (self._options.ingress_service,) if self._options.ingress_service else GATEWAYS
        for place in known:
            namespace, _, name = place.partition("/")
            try:
                self._kubectl.get("services", name, "--namespace", namespace)
            except PermanentError:
                continue
            return namespace, name
        raise AssertionError(f"there is no gateway among {', '.join(known)}: set INGRESS_ADDRESS or INGRESS_SERVICE")

    def request(
        self, service: str, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> urllib3.BaseHTTPResponse:
        """The answer of a Knative Service, which may have to be started for it."""
        base, host = self._address(service)
        return self._http.request(method, base + path, body=body, headers={**(headers or {}), "Host": host})

    def _address(self, service: str) -> tuple[str, str]:
        if self._forward is not None:
            return self._forward.url, f"{service}.{self._options.name}.svc.cluster.local"
        url = self._kubectl.get("services.serving.knative.dev", service)["status"]["url"]
        base = url if self._options.ingress_address == OWN_URLS else self._options.ingress_address
        return base.rstrip("/"), urlsplit(url).netloc
