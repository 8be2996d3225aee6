"""``cosmoformer up``: the whole system on one machine, of real parts, until Ctrl-C.

Order of a start: the store and MLflow together (they take longest), then the buckets, then broker, ingest, activator and page,
then the model, the notification and, the first time, the samples. Everything that must survive is under ``DATA_DIR``.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import urllib3
from rich.console import Console

from cosmoformer.errors import SettingsError
from cosmoformer.events import cloudevents
from cosmoformer.local import bootstrap, parts
from cosmoformer.local.ceph.node import CephLayout, CephNode, install_hint, missing_programs
from cosmoformer.local.console import ResultsConsole
from cosmoformer.local.folder_lock import holding
from cosmoformer.local.identity import load_or_make
from cosmoformer.local.ports import check_ports
from cosmoformer.local.process import free_port
from cosmoformer.local.store_keeper import StoreKeeper
from cosmoformer.local.supervisor import Part, Supervisor
from cosmoformer.models.bundled import register_bundled_model, register_further_bundles
from cosmoformer.models.registry import Registry
from cosmoformer.models.webhooks import subscribe_to_promotions
from cosmoformer.served_models import further_models
from cosmoformer.settings import SETTINGS, load
from cosmoformer.settings_file import FILE_NAME, write_settings_file
from cosmoformer.storage.store import Store

_INTERRUPTED = 130  # exit status, as shells have it for Ctrl-C


def run(environment: dict[str, str], console: Console | None = None) -> None:
    """Start the system and keep it running until SIGINT, SIGTERM or SIGHUP.

    Args:
        environment: variables the settings are read from.
        console: where to print.

    Raises:
        CosmoFormerError: a part cannot be started; the message says how to mend it.
        SystemExit: it was interrupted before it was ready; nothing it started still runs.
    """
    _keep_local(os.environ)
    console = console or Console()
    folder = Path(load(environment).data_dir).absolute()
    taken = SettingsError(f"another `cosmoformer up` uses {folder}", "End it, or choose another folder: DATA_DIR=…")
    with holding(folder, taken):
        try:
            System(environment, folder, console).run()
        except KeyboardInterrupt:
            console.print("interrupted", style="yellow")
            raise SystemExit(_INTERRUPTED) from None


class System:
    """The running system, in a folder that nobody else uses."""

    def __init__(self, environment: dict[str, str], folder: Path, console: Console) -> None:
        self._console = console
        self._own_store = not environment.get("S3_ENDPOINT_URL")
        self._folder = folder
        self._identity = load_or_make(folder / "identity.json")
        self._settings = parts.local_settings(environment, folder, self._identity, self._own_store)
        self._ended = threading.Event()
        self._interruptible = False
        self._results: ResultsConsole | None = None
        self._node: CephNode | None = None
        self._keeper: StoreKeeper | None = None

    def run(self) -> None:
        """See :func:`run`."""
        self._take_signals()
        with ExitStack() as stack:
            started = time.monotonic()
            supervisor = Supervisor(self._folder, self._note)
            stack.callback(self._say, "stopped")
            if self._own_store:
                self._node = CephNode(self._layout())
                self._keeper = StoreKeeper(self._node, self._note, self._waiting)
                stack.callback(self._node.stop)
            self._results = ResultsConsole(self._console, free_port())
            stack.callback(self._results.stop)
            stack.callback(self._stop_parts, supervisor)
            stack.callback(self._results.show_state, "stopping …")
            check_ports(self._settings, self._folder, supervisor, self._own_store)
            with self._waiting():
                self._start(supervisor, self._results)
            self._say(f"ready after {time.monotonic() - started:.1f} s", "bold green")
            self._introduce()
            self._serve(supervisor, self._results)

    def _take_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # as nohup sets it
                signal.signal(number, self._end)

    def _end(self, *_: object) -> None:
        """A signal came. A second one never disturbs the end that the first one began."""
        self._ended.set()
        if self._interruptible:
            self._interruptible = False
            raise KeyboardInterrupt

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Let a signal break off what may wait for minutes."""
        self._interruptible = True
        try:
            self._check_interrupted()
            yield
        finally:
            self._interruptible = False
        self._check_interrupted()

    def _check_interrupted(self) -> None:
        if self._ended.is_set():  # an interrupt that came at a moment when Python could only drop it is made up for
            raise KeyboardInterrupt

    def _start(self, supervisor: Supervisor, results: ResultsConsole) -> None:
        settings = self._settings
        bootstrap.prepare_database(self._folder / "mlflow")
        supervisor.launch(parts.mlflow(settings, self._identity))
        with self._step(f"object store   {settings.s3_endpoint_url}"):
            if self._node:
                self._node.start(lambda _: None)
            store = Store(settings)
            bootstrap.make_buckets(store)
        if not self._connect_notifications():
            settings.sweep_min_age_seconds = 0.0  # no notification will come: a sweep leaves nothing to one
        further = {model: free_port() for model in further_models(settings)}
        for name, part in (
            ("broker        ", parts.broker(settings, results.url, further)),
            ("ingest        ", parts.ingest(settings)),
            ("classify      ", parts.classify(settings)),
            *((f"{model:<14}", parts.further_classify(settings, model, port)) for model, port in further.items()),
            ("page          ", parts.page(settings)),
        ):
            self._launch(supervisor, part, f"{name} {part.url}")
        with self._step(f"MLflow         {settings.mlflow_tracking_uri}"):
            supervisor.wait_ready("mlflow")
            bootstrap.keep_database(self._folder / "mlflow")
            registry = Registry(settings)
            register_bundled_model(registry, lambda _: None)
            register_further_bundles(registry, further_models(settings), lambda _: None)
            subscribe_to_promotions(registry, self._identity.webhook_secret)
        write_settings_file(self._folder / FILE_NAME, self._for_other_commands())
        if dropped := bootstrap.drop_samples(store, self._folder / "samples-dropped", lambda _: None):
            self._say(f"dropped {dropped} sample galaxies into s3://{settings.images_bucket}/samples/")

    def _stop_parts(self, supervisor: Supervisor) -> None:
        """End the parts in such an order that no upload is taken whose notification would reach nobody.

        While classify ends its work, the store is needed and uploads are still announced, to a broker that keeps them. Then the
        store takes no more, and after that ingest and the broker can end.
        """
        supervisor.stop(("page", "classify", *(f"classify-{model}" for model in further_models(self._settings))))
        if self._node:
            self._node.stop_gateway()
        supervisor.stop()

    def _launch(self, supervisor: Supervisor, part: Part, label: str) -> None:
        with self._step(label):
            supervisor.launch(part)
            supervisor.wait_ready(part.name)

    def _connect_notifications(self) -> bool:
        """Whether the images bucket will announce new objects."""
        if self._settings.notifications:
            problem = bootstrap.announce_new_objects(self._settings)
            if problem is None:
                return True
            self._say(f"This store takes no notification rule from here ({problem}).", "yellow")
            self._say(f"Send its notifications to {self._settings.ingest_url} if it can.")
        else:
            bootstrap.silence_new_objects(self._settings)
            self._say("notifications are off", "yellow")
        self._say(
            f"A sweep finds new images every {self._settings.sweep_every_seconds:.0f} s, or at `cosmoformer sweep`."
        )
        return False

    def _introduce(self) -> None:
        settings = self._settings
        self._say("")
        self._say(f"Drop galaxies at    http://127.0.0.1:{settings.page_port}", "bold")
        self._say(f"   or from a shell  cosmoformer drop FOLDER   (bucket s3://{settings.images_bucket})")
        self._say(f"Models at           {settings.mlflow_tracking_uri}", "bold")
        self._say(f"Everything is kept under {self._folder}. Ctrl-C ends it.", "dim")
        self._say("")

    def _serve(self, supervisor: Supervisor, results: ResultsConsole) -> None:
        threading.Thread(target=supervisor.watch, name="supervisor", daemon=True).start()
        results.start()
        http = urllib3.PoolManager(timeout=5, retries=False)
        next_sweep = time.monotonic()
        while not self._ended.wait(0.5):
            results.show_state(self._state(http))
            if self._settings.sweep_every_seconds and time.monotonic() >= next_sweep:
                self._ping_sweep(http, {})
                next_sweep = time.monotonic() + self._settings.sweep_every_seconds
            if self._keeper and self._keeper.check():
                # It may have taken images whose notifications it did not get out any more.
                self._ping_sweep(http, {"min_age_s": 0})

    def _state(self, http: urllib3.PoolManager) -> str:
        try:
            activator = http.request("GET", f"{self._settings.classify_url}/_activator").json()
            queue = http.request("GET", f"{self._settings.k_sink}/queue").json()["triggers"]
        except (urllib3.exceptions.HTTPError, ValueError, KeyError):
            return "…"
        waiting = sum(lane["waiting"] + lane["in_flight"] for lane in queue if not lane["name"].startswith("console"))
        running = len(activator["replicas"])
        asleep = "classify is asleep" if not running else f"classify: {running} process{'es' * (running > 1)}"
        return f"{asleep} · {waiting} event{'s' * (waiting != 1)} to deliver · cold starts {activator['cold_starts']}"

    def _ping_sweep(self, http: urllib3.PoolManager, options: Mapping[str, object]) -> None:
        """What Knative's PingSource does on a cluster."""
        number = str(uuid.uuid4())
        event = cloudevents.new(type=cloudevents.SWEEP_PING, source="urn:cosmoformer:up", id=number, data=options)
        headers, body = cloudevents.to_binary(event)
        with suppress(urllib3.exceptions.HTTPError):
            http.request("POST", f"{self._settings.ingest_url}/sweep", headers=headers, body=body)

    def _layout(self) -> CephLayout:
        if missing := missing_programs():
            raise SettingsError(f"the object store needs {', '.join(missing)}", install_hint(missing))
        folder, port = self._folder / "ceph", self._settings.store_port
        keys = self._identity.access_key, self._identity.secret_key
        return CephLayout(folder, port, *keys, subusers=parts.subusers(self._identity))

    def _for_other_commands(self) -> dict[str, str]:
        """What every other `cosmoformer` command needs to find this system."""
        values = parts.environment(self._settings)
        names = [setting.name for setting in SETTINGS if setting.name != "DATA_DIR"]
        return {name: values[name] for name in names if name in values}

    @contextmanager
    def _step(self, label: str) -> Iterator[None]:
        started = time.monotonic()
        if self._console.is_terminal:
            with self._console.status(f"starting {label}"):
                yield
        else:
            yield
        self._console.print(f"[green]✓[/] {label}  [dim]{time.monotonic() - started:.1f} s[/]", highlight=False)
        self._check_interrupted()

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)

    def _note(self, text: str) -> None:
        if self._results:
            self._results.note(text)


def _keep_local(variables: MutableMapping[str, str]) -> None:
    """Let this process too, not only its parts, reach its own store: see :func:`parts.local_environment`."""
    kept = parts.local_environment(variables)
    for name in set(variables) - set(kept):
        del variables[name]
    variables.update(kept)
