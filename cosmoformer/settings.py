"""Every setting of every part, in one table: name, default, unit and help.

A setting is an environment variable of the same name. It is read once, at start, by :func:`load`; nothing else in
CosmoFormer reads the environment. ``docs/settings.md`` is this table, and a test keeps the two equal.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, NoReturn, get_args

from cosmoformer.addresses import origin
from cosmoformer.errors import SettingsError

Kind = Literal["text", "integer", "number", "flag", "path", "origins", "choice"]
Part = Literal["store", "registry", "events", "classify", "ingest", "command line", "one machine"]
PARTS: tuple[Part, ...] = get_args(Part)
#: The parts whose settings the functions read: one ConfigMap of a cluster has them all.
FUNCTIONS: tuple[Part, ...] = ("store", "registry", "events", "classify", "ingest")
#: Signature Version 4 knows no presigned address that is valid for longer.
LONGEST_EXPIRY_S = 7 * 86_400
#: Side of a picture over the side of it that is shown to a model.
LEAST_ZOOM, MOST_ZOOM = 0.25, 64.0


@dataclass(frozen=True)
class Setting:
    """One row of the table.

    Attributes:
        name: the environment variable.
        default: its value, as text, when it is not set.
        kind: how the text is read.
        unit: what a number counts; empty for text.
        part: which part of the system it belongs to.
        help: what it does, in one sentence.
        secret: whether its value must never be printed.
        least: the least that a number may be; None for no bound.
        most: the most that it may be; likewise.
        choices: the texts that a choice is made of; upper and lower case are the same.
    """

    name: str
    default: str
    kind: Kind
    unit: str
    part: Part
    help: str
    secret: bool = False
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def bounds(self) -> str:
        """What its value may be, in a few words; empty when its kind says all."""
        if self.choices:
            return ", ".join(self.choices)
        if self.least is None:
            return ""
        return f"{self.least:,} or more" if self.most is None else f"{self.least:,} to {self.most:,}"

    def read(self, text: str | None) -> Any:
        """Its value from a variable's text; the default when the variable is not set.

        Raises:
            SettingsError: the text cannot be read as its kind, or the value is out of bounds.
        """
        given = self.default if text is None else text.strip()
        try:
            value: Any = self._choice(given) if self.kind == "choice" else _PARSERS[self.kind](given)
        except ValueError:
            raise self._malformed(_EXPECTED[self.kind] or f"one of {self.bounds}", given) from None
        least, most = self.least, self.most
        if (least is not None and not least <= value) or (
            most is not None and not value <= most
        ):  # neither holds for nan
            raise self._malformed(f"{_EXPECTED[self.kind]}, {self.bounds}", given)
        return value

    def _choice(self, given: str) -> str:
        return next((choice for choice in self.choices if choice.lower() == given.lower()), None) or _refuse(given)

    def _malformed(self, expected: str, given: str) -> SettingsError:
        shown = "***" if self.secret else repr(given)
        return SettingsError(f"{self.name} must be {expected}, got {shown}", f"It is: {self.help}")


# fmt: off
# ruff: noqa: E501 (one row a line is what makes it a table)
SETTINGS: tuple[Setting, ...] = (
    Setting("S3_ENDPOINT_URL", "http://127.0.0.1:7480", "text", "", "store", "Object store that the functions use. Set it for `cosmoformer up` to use that store instead of starting Ceph."),
    Setting("S3_PUBLIC_ENDPOINT_URL", "", "text", "", "store", "Address of the same store for browsers, put into presigned URLs; S3_ENDPOINT_URL when empty."),
    Setting("AWS_ACCESS_KEY_ID", "", "text", "", "store", "Access key of the store. Without it and the secret key, a profile or a role gives keys, as for AWS's own tools."),
    Setting("AWS_SECRET_ACCESS_KEY", "", "text", "", "store", "Secret key of the store.", secret=True),
    Setting("AWS_SESSION_TOKEN", "", "text", "", "store", "Token of temporary keys; presigned addresses are valid for as long as it is, at most.", secret=True),
    Setting("AWS_PROFILE", "", "text", "", "store", "Profile of AWS's configuration files that gives keys while AWS_SECRET_ACCESS_KEY is not set; the one named default when empty."),
    Setting("UPLOAD_ACCESS_KEY_ID", "", "text", "", "store", "Access key that upload addresses are signed with: one that can only put objects below IMAGES_PREFIX + `uploads/`. AWS_ACCESS_KEY_ID when empty: on most stores whoever holds an address can then read all that this key reads."),
    Setting("UPLOAD_SECRET_ACCESS_KEY", "", "text", "", "store", "Secret key of UPLOAD_ACCESS_KEY_ID.", secret=True),
    Setting("UPLOAD_PRINCIPAL", "", "text", "", "store", "Owner of UPLOAD_ACCESS_KEY_ID as bucket policies name it, such as `arn:aws:iam:::user/cosmoformer-upload`; whoever makes the buckets then writes a policy that holds it to uploads."),
    Setting("VIEW_ACCESS_KEY_ID", "", "text", "", "store", "Access key that addresses of images and results are signed with: one that can only read below `uploads/`. AWS_ACCESS_KEY_ID when empty."),
    Setting("VIEW_SECRET_ACCESS_KEY", "", "text", "", "store", "Secret key of VIEW_ACCESS_KEY_ID.", secret=True),
    Setting("VIEW_PRINCIPAL", "", "text", "", "store", "Owner of VIEW_ACCESS_KEY_ID as bucket policies name it."),
    Setting("AWS_REGION", "us-east-1", "text", "", "store", "Region that requests are signed for; most S3-compatible stores take any. The store of `cosmoformer up` has us-east-1."),
    Setting("S3_ADDRESSING_STYLE", "path", "choice", "", "store", "Where the bucket stands in addresses: in the path, or in the host's name (virtual), which some stores and proxies want.", choices=("path", "virtual")),
    Setting("IMAGES_BUCKET", "galaxy-images", "text", "", "store", "Bucket that images are dropped into."),
    Setting("IMAGES_PREFIX", "", "text", "", "store", "Only object keys that start with this are classified."),
    Setting("RESULTS_BUCKET", "galaxy-results", "text", "", "store", "Bucket that results and dead letters are written to."),
    Setting("RESULTS_PREFIX", "results/", "text", "", "store", "Start of every result's object key."),
    Setting("EXPLANATIONS_PREFIX", "explanations/", "text", "", "store", "Start of the object key of every explanation that was asked for."),
    Setting("FEATURES_PREFIX", "features/", "text", "", "store", "Start of the object key of every object with feature vectors of images, for `cosmoformer similar`; empty to keep none."),
    Setting("COPIES_PREFIX", "copies/", "text", "", "store", "Start of the object key of every object with copies of results, from which `cosmoformer results` reads many in little time; empty to keep none."),
    Setting("DEAD_LETTERS_PREFIX", "dead-letters/", "text", "", "store", "Start of every dead letter's object key."),
    Setting("JUDGEMENTS_KEY", "judgements/latest.json", "text", "", "store", "Object in the results bucket through which processes share their predictions by image digest; empty for none."),
    Setting("STORE_TIMEOUT_SECONDS", "20", "number", "seconds", "store", "How long one request to the store may take.", least=0.1, most=3600),
    Setting("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000", "text", "", "registry", "MLflow server that the model comes from; `cosmoformer up` sets it from MLFLOW_PORT."),
    Setting("MODEL_NAME", "cosmoformer", "text", "", "registry", "Registered model that is served."),
    Setting("SERVED_MODELS", "", "text", "", "registry", "Registered models, separated by commas, that judge every image beside MODEL_NAME: each image then has one result of each, those of further ones below `by-model/` in the results bucket."),
    Setting("MODEL_ALIAS", "champion", "text", "", "registry", "Alias of the version that is served."),
    Setting("MODEL_FALLBACK_ALIAS", "previous", "text", "", "registry", "Alias of the version that a fresh process serves when the champion is refused; `cosmoformer promote` moves it."),
    Setting("MODEL_CACHE_DIR", "~/.cache/cosmoformer/models", "path", "", "registry", "Folder where downloaded artifacts are kept, by digest."),
    Setting("MODEL_RECHECK_SECONDS", "15", "number", "seconds", "registry", "How often a running process asks where the alias points.", least=1),
    Setting("REGISTRY_TIMEOUT_SECONDS", "20", "number", "seconds", "registry", "How long one request to MLflow may take.", least=0.1, most=3600),
    Setting("MLFLOW_TRACKING_USERNAME", "", "text", "", "registry", "User of an MLflow server with a login; also read from the address (user:password@) and from ~/.mlflow/credentials."),
    Setting("MLFLOW_TRACKING_PASSWORD", "", "text", "", "registry", "That user's password.", secret=True),
    Setting("MLFLOW_TRACKING_TOKEN", "", "text", "", "registry", "Bearer token of an MLflow server; a user and password win over it.", secret=True),
    Setting("MLFLOW_TRACKING_SERVER_CERT_PATH", "", "text", "", "registry", "File or folder of certificates (PEM) that MLflow's is signed by; without it REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE, SSL_CERT_FILE or the system's."),
    Setting("MLFLOW_TRACKING_CLIENT_CERT_PATH", "", "text", "", "registry", "File with certificate and key (PEM) that this side shows to MLflow."),
    Setting("MLFLOW_TRACKING_INSECURE_TLS", "off", "flag", "", "registry", "Whether MLflow's certificate is left unchecked; for a test."),
    Setting("SERVING_KEY", "serving/latest.json", "text", "", "registry", "Object of the results bucket that remembers which version was served last, and why another was not."),
    Setting("K_SINK", "http://127.0.0.1:8082", "text", "", "events", "Broker that events are sent to; Knative's SinkBinding sets it, `cosmoformer up` from BROKER_PORT."),
    Setting("K_CA_CERTS", "", "text", "", "events", "Certificates (PEM text) that the broker's is signed by; Knative's SinkBinding sets it."),
    Setting("BROKER_TIMEOUT_SECONDS", "10", "number", "seconds", "events", "How long the broker may take to accept one event.", least=0.1, most=3600),
    Setting("MAX_IMAGE_BYTES", "33554432", "integer", "bytes", "classify", "Largest image file; larger ones are rejected without being read.", least=1, most=5 * 2**30),
    Setting("MAX_IMAGE_PIXELS", "33554432", "integer", "pixels", "classify", "Largest image, width times height; larger ones are rejected before they are decoded.", least=1),
    Setting("UNSURE_BELOW", "0.7", "number", "probability", "classify", "A result whose highest probability is below this is marked unsure.", least=0, most=1),
    Setting("NO_GALAXY_BELOW", "0.5", "number", "score", "classify", "A result whose in_domain is below this is marked as no galaxy; models without that score mark none.", least=0, most=1),
    Setting("ZOOM", "1", "number", "ratio", "classify", "How much larger the centre of every image is shown to the model, where neither a zoom nor the galaxy's size comes with it: for surveys whose images show more around the galaxy than the model learned from.", least=LEAST_ZOOM, most=MOST_ZOOM),
    Setting("NAMES_ARE_POSITIONS", "false", "flag", "", "classify", "Whether an object key that holds a designation such as J123456.78+012345.6 tells the object's name and place."),
    Setting("TORCH_THREADS", "1", "integer", "threads", "classify", "Threads of one prediction, 0 for all CPUs; more make one image faster and many images slower.", least=0, most=1024),
    Setting("PREDICTIONS_AT_ONCE", "0", "integer", "images", "classify", "Images that one process decodes and predicts at once; 0 means the CPU limit of the container, or the number of cores, divided by TORCH_THREADS.", least=0, most=1024),
    Setting("REMEMBERED_JUDGEMENTS", "4096", "integer", "images", "classify", "Latest judgements that are kept in memory, about 4 kB each for a model with votes, and under JUDGEMENTS_KEY; the same bytes are not predicted again.", least=0),
    Setting("PREDICTION_QUEUE", "8", "integer", "requests", "classify", "Requests that may wait for the model in one process before more are refused with 503.", least=0, most=10_000),
    Setting("MAX_UPLOADS", "100", "integer", "files", "ingest", "Most files in one request for upload addresses.", least=1, most=10_000),
    Setting("UPLOAD_EXPIRY_SECONDS", "3600", "integer", "seconds", "ingest", "How long a presigned upload address is valid.", least=1, most=LONGEST_EXPIRY_S),
    Setting("RESULT_EXPIRY_SECONDS", "86400", "integer", "seconds", "ingest", "How long a presigned result address is valid.", least=1, most=LONGEST_EXPIRY_S),
    Setting("PAGE_ORIGINS", "http://127.0.0.1:8080", "origins", "", "ingest", "Origins, such as https://galaxies.example.org, separated by commas, of pages that may ask for upload addresses; `cosmoformer up` adds those of its own page."),
    Setting("MLFLOW_WEBHOOK_SECRET", "", "text", "", "ingest", "Secret that MLflow signs its webhooks with; without it every webhook is refused. `cosmoformer up` makes its own.", secret=True),
    Setting("SWEEP_MIN_AGE_SECONDS", "300", "number", "seconds", "ingest", "A periodic sweep leaves images younger than this to their notifications.", least=0),
    Setting("SWEEP_AT_START_SECONDS", "30", "number", "seconds", "ingest", "How long the sweep may last that ingest makes when it starts, for each served model, for images that came while it was away; 0 for none.", least=0, most=600),
    Setting("LOG_LEVEL", "INFO", "choice", "", "events", "Least severe level that is logged.", choices=("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")),
    Setting("OTEL_EXPORTER_OTLP_ENDPOINT", "", "text", "", "events", "Collector of OpenTelemetry, such as http://collector:4318, that both functions send a span of each request to, by OTLP over HTTP; needs the extra `tracing`. None when empty: traces are passed on all the same."),
    Setting("INGEST_URL", "http://127.0.0.1:8081", "text", "", "command line", "Where the ingest function answers; `cosmoformer up` sets it from INGEST_PORT."),
    Setting("CLASSIFY_URL", "http://127.0.0.1:8083", "text", "", "command line", "Where the classify function answers; `cosmoformer up` sets it from CLASSIFY_PORT."),
    Setting("LIKENESS_CACHE_DIR", "~/.cache/cosmoformer/likeness", "path", "", "command line", "Folder where `cosmoformer similar` keeps its indexes of feature vectors."),
    Setting("DATA_DIR", "~/.local/share/cosmoformer", "path", "", "one machine", "Folder of everything that `cosmoformer up` keeps: store, registry, queue, logs."),
    Setting("MODELS_BUCKET", "galaxy-models", "text", "", "one machine", "Bucket that the MLflow server keeps artifacts in."),
    Setting("PAGE_PORT", "8080", "integer", "port", "one machine", "Port of the upload page.", least=1, most=65_535),
    Setting("INGEST_PORT", "8081", "integer", "port", "one machine", "Port of the ingest function.", least=1, most=65_535),
    Setting("BROKER_PORT", "8082", "integer", "port", "one machine", "Port of the local broker.", least=1, most=65_535),
    Setting("CLASSIFY_PORT", "8083", "integer", "port", "one machine", "Port of the classify function's activator.", least=1, most=65_535),
    Setting("MLFLOW_PORT", "5000", "integer", "port", "one machine", "Port of the MLflow server.", least=1, most=65_535),
    Setting("STORE_PORT", "7480", "integer", "port", "one machine", "Port of the Ceph object gateway.", least=1, most=65_535),
    Setting("NOTIFICATIONS", "on", "flag", "", "one machine", "Whether the images bucket announces new objects; without, only sweeps find them."),
    Setting("MAX_REPLICAS", "0", "integer", "processes", "one machine", "Most classify processes at once; 0 means one for every four CPUs that may be used, 8 at most.", least=0, most=1024),
    Setting("IDLE_SECONDS", "30", "number", "seconds", "one machine", "A classify process without requests for this long is ended.", least=0),
    Setting("DELIVERY_RETRIES", "10", "integer", "retries", "one machine", "How often the broker tries again before an event becomes a dead letter.", least=0),
    Setting("DELIVERY_BACKOFF_SECONDS", "0.5", "number", "seconds", "one machine", "Wait before the first retry; it doubles each time.", least=0),
    Setting("DELIVERY_TIMEOUT_SECONDS", "180", "number", "seconds", "one machine", "How long one delivery may take; longer than a cold start and a prediction.", least=1),
    Setting("SWEEP_EVERY_SECONDS", "60", "number", "seconds", "one machine", "How often images without a result are looked for; 0 means never.", least=0),
)


# fmt: on


class Settings(SimpleNamespace):
    """Values by lower-case name, such as ``settings.images_bucket``.

    A value that is malformed is an error for whoever asks for it, and for nobody else.
    """

    def __getattr__(self, name: str) -> Any:
        """What is not there.

        Raises:
            SettingsError: it is a setting whose value is malformed.
        """
        malformed: SettingsError | None = self.__dict__.get(_MALFORMED, {}).get(name)
        raise malformed.with_traceback(None) if malformed else AttributeError(f"there is no setting {name!r}")

    def __repr__(self) -> str:
        secret = {setting.name.lower() for setting in SETTINGS if setting.secret}
        values = {name: value for name, value in vars(self).items() if name != _MALFORMED}
        shown = (f"{name}={'***' if name in secret and value else repr(value)}" for name, value in values.items())
        return f"Settings({', '.join(shown)})"

    @property
    def store_public_url(self) -> str:
        """Address of the store for browsers."""
        return str(self.s3_public_endpoint_url or self.s3_endpoint_url)

    @property
    def store_origins(self) -> list[str]:
        """Where browsers find the images and the results: one host, or one for each bucket."""
        if self.s3_addressing_style != "virtual":
            return [self.store_public_url]
        scheme, _, host = self.store_public_url.partition("://")
        return [f"{scheme}://{bucket}.{host}" for bucket in dict.fromkeys((self.images_bucket, self.results_bucket))]


def load(environment: Mapping[str, str] | None = None, judge: Collection[Part] = (), **overrides: Any) -> Settings:
    """Read every setting from the environment.

    Args:
        environment: variables to read instead of the process's own.
        judge: parts whose settings must be well now. Others are judged when they are used: a variable that Kubernetes sets
            for a Service of that name (``INGEST_PORT=tcp://…``) concerns nobody who has no such port.
        overrides: values, by lower-case name, that win over the environment.

    Raises:
        SettingsError: a value cannot be read as its kind or is out of bounds, or an override is unknown.
    """
    source = os.environ if environment is None else environment
    unknown = set(overrides) - {setting.name.lower() for setting in SETTINGS}
    if unknown:
        raise SettingsError(f"unknown settings {sorted(unknown)}", "See docs/settings.md")
    values: dict[str, Any] = {}
    malformed: dict[str, SettingsError] = {}
    for setting in SETTINGS:
        name = setting.name.lower()
        try:
            values[name] = overrides[name] if name in overrides else setting.read(source.get(setting.name))
        except SettingsError as error:
            if setting.part in judge:
                raise
            malformed[name] = error
    return Settings(**values, **({_MALFORMED: malformed} if malformed else {}))


_MALFORMED = "_malformed"  # attribute of settings that holds what is wrong, by name


def _refuse(value: str) -> NoReturn:
    raise ValueError(value)


def _flag(value: str) -> bool:
    known = {"on": True, "true": True, "1": True, "yes": True, "off": False, "false": False, "0": False, "no": False}
    if value.lower() not in known:
        raise ValueError(value)
    return known[value.lower()]


_PARSERS: dict[Kind, Any] = {
    "text": str,
    "integer": int,
    "number": float,
    "flag": _flag,
    "path": lambda value: Path(value).expanduser(),
    "origins": lambda value: [origin(part) for part in value.split(",") if part.strip()],
}
_EXPECTED: dict[Kind, str] = {
    "text": "text",
    "integer": "a whole number",
    "number": "a number",
    "flag": "on or off",
    "path": "a path",
    "origins": "a list of origins such as https://galaxies.example.org, separated by commas",
    "choice": "",
}


def as_markdown() -> str:
    """The table as docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "Every setting is an environment variable. This page is generated from `cosmoformer/settings.py` by"
        " `cosmoformer settings --markdown`; a test keeps the two equal.",
    ]
    for part in dict.fromkeys(setting.part for setting in SETTINGS):
        lines += [
            "",
            f"## {part[0].upper()}{part[1:]}",
            "",
            "| name | default | unit | bounds | what it does |",
            "| --- | --- | --- | --- | --- |",
        ]
        for setting in SETTINGS:
            if setting.part == part:
                default = "(secret)" if setting.secret else f"`{setting.default}`" if setting.default else ""
                lines.append(f"| `{setting.name}` | {default} | {setting.unit} | {setting.bounds} | {setting.help} |")
    return "\n".join(lines) + "\n"
