"""The classify function's application, made in an order that keeps the start short."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosmoformer.models.registry import Registry
from cosmoformer.settings import Settings
from functions.classify.serving import ModelServing
from functions.classify.start_times import StartTimes
from functions.classify.torch_import import import_torch
from functions.runtime.process_clock import CLOCK
from functions.runtime.start import BACKGROUND

if TYPE_CHECKING:
    from flask import Flask


def create_app(settings: Settings) -> Flask:
    """The WSGI application.

    Its model is fetched, in a thread of its own, while the modules are imported: that of torch takes longest of all.
    """
    times = StartTimes(CLOCK)
    times.reached("interpreter")
    registry = Registry(settings)
    serving = ModelServing(settings, registry, times)
    serving.start()
    with times.phase("imports"):
        import_torch()
        from cosmoformer.storage.results import ResultsBucket
        from cosmoformer.storage.served import ServedMemory
        from cosmoformer.storage.store import Store
        from functions.classify.app import build_app, champion
        from functions.classify.copies import Copies
        from functions.classify.handler import Handler
        from functions.runtime.store_gate import StoreGate
    store = Store(settings)
    serving.remember_in(ServedMemory(store))
    gate = StoreGate(settings, store, needed=("mlflow_tracking_uri",))
    gate.start()
    copies = Copies(settings, store)
    results = ResultsBucket(store, champion=lambda: champion(registry, settings), on_written=copies.keep)
    handler = Handler(settings, store, results, serving, times)
    handler.judgements.start()
    handler.features.start()
    copies.start()
    app = build_app(settings, handler, serving, gate)
    app.extensions[BACKGROUND] += (copies,)
    return app
