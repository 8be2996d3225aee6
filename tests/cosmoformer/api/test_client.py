"""``from cosmoformer import Client``: images into a real store, results out of it as tables."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cosmoformer import Client
from cosmoformer.errors import InvalidRequest, ObjectGone, PermanentError, TransientError
from cosmoformer.models.registration import register
from cosmoformer.models.registry import Registry
from cosmoformer.served_models import settings_for
from cosmoformer.settings import Settings
from cosmoformer.storage import waiting
from cosmoformer.storage.store import Store
from tests.conftest import ObjectStore
from tests.cosmoformer.sample_results import classified_result, estimated_result, put_results


@pytest.fixture
def client(object_store: ObjectStore, bucket: Callable[[], str]) -> Client:
    """A client of buckets of its own, in which nobody classifies."""
    return Client(object_store.settings(images_bucket=bucket(), results_bucket=bucket()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images, a text and a file that may not be read."""
    for name in ("a.jpg", "b.png", "deep/c.fits"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"content of " + name.encode())
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def judge(client: Client, keys: tuple[str, ...]) -> None:
    """Put a result for each image, as classify does."""
    store = Store(client.settings)
    for key in keys:
        result = classified_result(key)
        result["image"]["etag"] = store.head_image(key).etag
        put_results(store, result)


def test_a_folder_is_dropped(client: Client, folder: Path) -> None:
    """Its images get keys below the prefix; what is no image is named; the same again changes nothing."""
    dropped = client.drop(folder, prefix="night/")
    assert dropped.keys == ("night/a.jpg", "night/b.png", "night/deep/c.fits")
    assert dropped.failed == {} and list(dropped.left_out) == [folder / "notes.txt"]
    assert client.drop(folder, prefix="night/") == dropped
    assert client.drop([folder / "a.jpg", folder / "b.png"]).keys == ("a.jpg", "b.png")
    with pytest.raises(InvalidRequest, match="no file, and no folder"):
        client.drop(folder / "absent")


def test_results_are_tables(client: Client, folder: Path) -> None:
    """Of a prefix, in the order of keys: as pandas' frame and as astropy's table."""
    judge(client, client.drop(folder, prefix="night/").keys)
    judge(client, client.drop(folder / "a.jpg", prefix="day/").keys)
    results = client.results("night/")
    assert [result["image"]["key"] for result in results] == ["night/a.jpg", "night/b.png", "night/deep/c.fits"]
    frame, table = results.to_pandas(), results.to_table()
    assert list(frame["key"]) == list(table["key"]) == [result["image"]["key"] for result in results]
    assert set(table.colnames) == set(frame.columns)
    assert len(client.results()) == 4 and len(results[:2]) == 2
    assert client.results("nothing/").to_pandas().empty


def test_results_of_further_models_stand_beside(client: Client) -> None:
    """A row an image that any served model has judged, as in the command's tables."""
    both = Client(Settings(**(vars(client.settings) | {"served_models": "hue"})))
    put_results(Store(client.settings), classified_result("a.png"))
    put_results(Store(settings_for(client.settings, "hue")), *(estimated_result(f"{name}.png") for name in "ab"))
    frame = both.results().to_pandas()
    assert list(frame["key"]) == ["a.png", "b.png"] and list(frame["status"].notna()) == [True, False]
    assert frame["hue_value_inclination_deg_"].notna().all()


def test_results_are_waited_for(client: Client, folder: Path) -> None:
    """Until all are there, in the order asked for; those that do not come are counted, those that cannot are named."""
    keys = client.drop(folder).keys
    later = threading.Timer(1.0, judge, (client, keys))
    later.start()
    found = client.wait(reversed(keys), timeout_s=30)
    later.join()
    assert [result["image"]["key"] for result in found] == list(reversed(keys))
    more = client.drop(folder / "a.jpg", prefix="more/").keys
    with pytest.raises(TransientError, match="1 of 1 images have no result after 0 s"):
        client.wait(more, timeout_s=0.1)
    with pytest.raises(PermanentError, match=r"no image 'absent\.jpg'"):
        client.wait(["absent.jpg"])


def test_an_image_that_goes_is_named(client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a limit, too, waiting ends: an image that is deleted or replaced meanwhile never has the result asked for."""
    monkeypatch.setattr(waiting, "_LOOKS", 2)
    keys, store = client.drop(folder).keys, Store(client.settings)

    def change() -> None:
        store.delete(client.settings.images_bucket, "a.jpg")
        store.write(client.settings.images_bucket, "b.png", b"another", "image/png")
        judge(client, keys[1:])

    later = threading.Timer(1.0, change)
    later.start()
    with pytest.raises(ObjectGone, match=r"2 of 3 images were deleted, or replaced.*: 'a\.jpg', 'b\.png'"):
        client.wait(keys)
    later.join()


def test_further_models_are_waited_for(client: Client, folder: Path, registry: Registry) -> None:
    """A result that is waited for has what further models say of the image, as those of a prefix have."""
    own = {"mlflow_tracking_uri": registry.settings.mlflow_tracking_uri, "served_models": registry.settings.model_name}
    both = Client(Settings(**(vars(client.settings) | own)))
    hue = Store(settings_for(both.settings, registry.settings.model_name))
    register(registry, b"a model", tags={}, alias="champion")
    keys = both.drop(folder / "a.jpg").keys
    judge(both, keys)
    later = threading.Timer(2.0, put_results, (hue, classified_result("a.jpg", b"content of a.jpg")))
    later.start()
    found = both.wait(keys)
    later.join()
    assert list(found) == list(both.results())
    assert list(found[0]["others"]) == [registry.settings.model_name]
