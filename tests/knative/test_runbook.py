"""The runbook can be followed to the letter, as far as that shows without a cluster."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest

from cosmoformer.cli import main
from cosmoformer.storage.store import connect
from tests.conftest import ObjectStore
from tests.knative.checks import CHECKS, OF_CONTRACTS
from tests.knative.objects import knative_services, of_kind, pod_templates
from tests.knative.rendering import KNATIVE, OVERLAYS, kubectl, overlay, parse
from tests.knative.runbook import PAGES, Command, commands, documents, rendered

ROOT = KNATIVE.parent
COMMANDS = commands()
#: Programs of others, whose options cannot be checked here.
_PROGRAMS = {"aws", "mc", "radosgw-admin", "echo", "pip", "cat", "sh"}
_SUBCOMMANDS = ("create secret generic", "create", "config", "rollout")
#: Kinds of which the manifests have none, and the names that the runbook may give of them.
_OF_OTHERS = {
    "revisions.serving.knative.dev": set[str](),
    "podautoscalers.autoscaling.internal.knative.dev": set[str](),
    "clusterdomainclaims.networking.internal.knative.dev": set[str](),
    "events": set[str](),
    "pods": set[str](),
    "secrets": set[str](),
    "namespace": {"trial"},
    "noobaa": {"noobaa"},
    "configmap": {"config-observability"},
    "knativeserving": {"knative-serving"},
    "knativeeventing": {"knative-eventing"},
}
_TAKE_RESOURCES = (
    "get",
    "wait",
    "delete",
    "scale",
    "exec",
    "port-forward",
    "patch",
    "rollout status",
    "rollout restart",
)


def _ids(command: Command) -> str:
    return str(command)


def _of(program: str) -> list[Command]:
    return [command for command in COMMANDS if command.words[0] == program]


def test_every_command_is_known() -> None:
    """Commands are of programs that are checked below, or of others that the page names."""
    known = {"kubectl", "cosmoformer", "make", "python", *_PROGRAMS}
    assert {command.words[0] for command in COMMANDS} <= known
    assert {command.own[0] for command in COMMANDS if command.own} <= known
    assert len(COMMANDS) > 100


@cache
def _options(subcommand: str) -> set[str]:
    """The options of a kubectl command, those of all commands included."""
    told = [
        subprocess.run([kubectl(), *arguments], capture_output=True, text=True, check=True).stdout
        for arguments in ((*subcommand.split(), "--help"), ("options",))
    ]
    return set(re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)(?=[=,\s])", "\n".join(told)))


def _subcommand(words: tuple[str, ...]) -> str:
    text = " ".join(words[1:])
    longer = next((start for start in _SUBCOMMANDS if text.startswith(start + " ")), "")
    if longer in ("create", "config", "rollout"):
        return " ".join(words[1:3])
    return longer or words[1]


@pytest.mark.parametrize("command", _of("kubectl"), ids=_ids)
def test_kubectl_knows_the_options(command: Command) -> None:
    """Every subcommand and option is one of kubectl's."""
    words = command.words[: command.words.index("--")] if command.own else command.words
    given = {word.partition("=")[0] for word in words if word.startswith("-")}
    assert given <= _options(_subcommand(words))


@cache
def _there() -> frozenset[tuple[str, str]]:
    """Kind, with and without its group, and name of every object of the manifests and of the runbook's own."""
    found = [document for name in OVERLAYS for document in parse(overlay(name))]
    found += parse(rendered(ROOT / "site-training"))
    pairs = set()
    for document in found:
        kind, group = document["kind"].lower(), document["apiVersion"].rpartition("/")[0]
        for spelt in (kind, f"{kind}s"):
            pairs |= {(spelt, document["metadata"]["name"]), (f"{spelt}.{group}", document["metadata"]["name"])}
    return frozenset(pairs)


def _resources(words: tuple[str, ...]) -> list[tuple[str, str]]:
    """Kind and name of what a kubectl command is about; the name is empty where it is about all."""
    rest = words[1 + len(_subcommand(words).split()) :]
    plain = [
        word for word, before in zip(rest, ("", *rest), strict=False) if not word.startswith("-") and not _takes(before)
    ]
    if plain and "/" in plain[0]:
        return [(kind, name) for kind, _, name in (word.partition("/") for word in plain if "/" in word)]
    return [(plain[0], name) for name in plain[1:] or ("",)] if plain else []


def _takes(option: str) -> bool:
    return option in (
        "--namespace",
        "--selector",
        "--container",
        "--replicas",
        "--type",
        "--patch",
        "--field-selector",
        "-k",
        "-f",
    )


@pytest.mark.parametrize(
    "command", [command for command in _of("kubectl") if _subcommand(command.words) in _TAKE_RESOURCES], ids=_ids
)
def test_resources_exist(command: Command) -> None:
    """What is asked for, waited for, scaled or deleted is among the manifests, or known to be made by others."""
    words = command.words[: command.words.index("--")] if command.own else command.words
    for kind, name in _resources(words):
        if kind in _OF_OTHERS:
            assert not name or name in _OF_OTHERS[kind]
        elif name:
            assert (kind, name) in _there()
        else:
            assert any(kind == known for known, _ in _there()), kind


def test_selectors_and_containers_exist() -> None:
    """Selected Services and named containers are those of the manifests."""
    manifests = parse(overlay("openshift"))
    services = {service["metadata"]["name"] for service in knative_services(manifests)}
    containers = {entry["name"] for pod in pod_templates(manifests) for entry in pod.containers}
    selected = {
        word.partition("=")[2]
        for c in _of("kubectl")
        for word in c.words
        if word.startswith("serving.knative.dev/service=")
    }
    named = {
        after
        for c in _of("kubectl")
        for word, after in zip(c.words, c.words[1:], strict=False)
        if word == "--container"
    }
    assert selected == {"classify", "ingest"} and selected <= services
    assert named and named <= containers


@pytest.mark.parametrize("path", sorted({c.words[c.words.index("-k") + 1] for c in _of("kubectl") if "-k" in c.words}))
def test_what_is_applied_renders(path: str) -> None:
    """Each folder that is applied renders, and what the reader's own make of an overlay passes every check that applies."""
    found = parse(rendered(ROOT / path))
    names = set(CHECKS) - {OF_CONTRACTS}
    if not of_kind(found, "ConfigMap"):  # the training Job by itself
        names = {"schemas of Kubernetes", "restricted-v2", "names", "images"}
    problems = {name: CHECKS[name](found) for name in names}
    assert {name: said for name, said in problems.items() if said} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_objects_shown_are_valid(page: Path) -> None:
    """Objects in YAML have the fields that their kinds have, and pods pass restricted-v2."""
    shown = [document for document in documents(page) if document["kind"] != "Kustomization"]
    for name in ("schemas of Kubernetes", "restricted-v2", OF_CONTRACTS) if shown else ():
        assert CHECKS[name](shown) == [], name


def _cosmoformer(command: Command) -> tuple[str, ...]:
    """The arguments of a `cosmoformer` command, typed here or in a pod."""
    words = command.own or command.words
    if words[0] == "cosmoformer":
        return words[1:]
    return words[3:] if words[:3] == ("python", "-m", "cosmoformer") else ()


@pytest.mark.parametrize("command", [command for command in COMMANDS if _cosmoformer(command)], ids=_ids)
def test_cosmoformer_commands_parse(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command, argument and option is one of the command line's; in sentences arguments may be left out."""
    monkeypatch.chdir(tmp_path)
    for name in ("model.pt", "runs/spirals/run.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    rest, group = list(_cosmoformer(command)), main
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "galaxies/runs/first").mkdir(parents=True)
    rest = [os.path.expanduser(word) for word in rest]  # noqa: PTH111 (as the shell does)
    found: click.Command | None = group
    while isinstance(found, click.Group) and rest:
        name = rest.pop(0)
        found = found.get_command(click.Context(found), name)
        assert found is not None, name
    assert found is not None
    with found.make_context(found.name, rest, resilient_parsing=command.inline and not rest):
        pass


@pytest.mark.parametrize("target", sorted({command.words[1] for command in _of("make")}))
def test_make_targets_exist(target: str) -> None:
    """Each make target is one."""
    subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


@cache
def _help(module: str) -> str:
    told = subprocess.run([sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    return told.stdout


@pytest.mark.parametrize("command", [c for c in _of("python") if not _cosmoformer(c)], ids=_ids)
def test_python_modules_take_the_options(command: Command) -> None:
    """Modules that are run exist, and know the options."""
    assert command.words[1] == "-m"
    assert all(word in _help(command.words[2]) for word in command.words if word.startswith("--"))


def _json_after(word: str, option: str) -> Any:
    """The JSON that an option of an `aws` command has on the page about storage."""
    command = next(
        c for c in _of("aws") if word in c.words and any("TopicArn" in w or w.startswith("{") for w in c.words)
    )
    return json.loads(command.words[command.words.index(option) + 1])


def test_json_is_json() -> None:
    """Whatever is said in JSON can be read."""
    texts = [word for command in COMMANDS for word in command.words if word.startswith("{")]
    assert len(texts) >= 6
    for text in texts:
        json.loads(text)


def test_a_ceph_gateway_takes_what_the_page_says(object_store: ObjectStore, bucket: Callable[[], str]) -> None:
    """Topic, notification and CORS of the page about storage are taken by a real gateway."""
    settings, name = object_store.settings(), bucket()
    topic = connect(settings, service="sns").create_topic(
        Name="cosmoformer-runbook", Attributes=_json_after("create-topic", "--attributes")
    )["TopicArn"]
    client = connect(settings)
    rules = _json_after("put-bucket-notification-configuration", "--notification-configuration")
    rules["TopicConfigurations"][0]["TopicArn"] = topic
    client.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=rules)
    (rule,) = client.get_bucket_notification_configuration(Bucket=name)["TopicConfigurations"]
    assert rule["Events"] == ["s3:ObjectCreated:*"]
    client.put_bucket_cors(Bucket=name, CORSConfiguration=_json_after("put-bucket-cors", "--cors-configuration"))
    assert client.get_bucket_cors(Bucket=name)["CORSRules"][0]["ExposeHeaders"] == ["ETag"]
