"""Results of several models of the same images, side by side: one row of a table has what each of them says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cosmoformer.parallel import map_stream
from cosmoformer.served_models import further_models, settings_for
from cosmoformer.storage.results import Result, ResultsBucket
from cosmoformer.storage.store import Store

#: Member of a result in memory, never in the bucket: by name of each further model that has judged the same image, its result.
OTHERS = "others"
_PARALLEL = 16


def with_others(store: Store, results: Iterable[Result]) -> Iterator[Result]:
    """Results of ``MODEL_NAME``'s model, each with those of further models on the very same image.

    Without further models they are as they were. Order is kept.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    buckets = {
        name: ResultsBucket(store, settings=settings_for(store.settings, name))
        for name in further_models(store.settings)
    }
    if not buckets:
        return iter(results)

    def joined(result: Result) -> Result:
        image = result["image"]
        read = ((name, bucket.read(image["key"])) for name, bucket in buckets.items())
        others = {name: other for name, other in read if other and other["image"]["etag"] == image["etag"]}
        return {**result, OTHERS: others} if others else result

    return map_stream(joined, results, _PARALLEL)
